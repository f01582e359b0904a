from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from exporter.activity import State
from exporter.errors import StartError
from exporter.web.lifecycle import Lifecycle, add_routes

Post = Callable[..., Awaitable[tuple[int, str]]]

_PATHS = ("/-/reload", "/-/activate", "/-/standby")


class _Exporter:
    """Records what it is told, or fails."""

    def __init__(self) -> None:
        self.states: list[tuple[State, str]] = []
        self.error: Exception | None = None
        self.decided_by = ""

    async def reload(self) -> None:
        if self.error:
            raise self.error

    async def switch(self, state: State, reason: str) -> None:
        if self.error:
            raise self.error
        self.states.append((state, reason))

    def lifecycle(self) -> Lifecycle:
        return Lifecycle(
            self.reload, self.switch, lambda: self.decided_by, lambda text: text.replace("secret", "***")
        )


@pytest.fixture
def exporter() -> _Exporter:
    """Return an exporter that does as it is told."""
    return _Exporter()


@pytest.fixture
async def post(exporter: _Exporter) -> AsyncIterator[Post]:
    """Return a function that posts to the routes, or to those of an exporter without the flag."""
    runners = []

    async def request(path: str, *, is_enabled: bool = True) -> tuple[int, str]:
        application = web.Application()
        add_routes(application.router, exporter.lifecycle() if is_enabled else None)
        runners.append(web.AppRunner(application))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runners[-1].addresses[0][1]}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url) as found,
        ):
            return found.status, await found.text()

    yield request
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("path", _PATHS)
async def test_without_the_flag(path: str, post: Post, exporter: _Exporter) -> None:
    """Each route names the flag that enables it, and does nothing."""
    status, text = await post(path, is_enabled=False)

    assert status == 404
    assert "Start the exporter with --web.enable-lifecycle" in text
    assert exporter.states == []


@pytest.mark.parametrize(
    ("path", "state", "text"),
    [
        ("/-/activate", State.ACTIVE, "This exporter polls.\n"),
        ("/-/standby", State.STANDBY, "This exporter stands by.\n"),
    ],
)
async def test_switching(path: str, state: State, text: str, post: Post, exporter: _Exporter) -> None:
    """The response says what the exporter does now; the reason is the request."""
    assert await post(path) == (200, text)
    assert exporter.states == [(state, f"POST {path}")]


@pytest.mark.parametrize(
    ("path", "failed"),
    [
        ("/-/activate", "Not switched"),
        ("/-/reload", "Configuration not reloaded, keeping the previous one"),
    ],
)
async def test_a_failure(path: str, failed: str, post: Post, exporter: _Exporter) -> None:
    """The response has the reason, without secrets: an error in a new file may quote the old key."""
    exporter.error = StartError("switch pbx: tls: secret.pem is missing")

    assert await post(path) == (500, f"{failed}:\nswitch pbx: tls: ***.pem is missing\n")


@pytest.mark.parametrize("path", _PATHS)
async def test_a_defect(path: str, post: Post, exporter: _Exporter) -> None:
    """It is in the log, and not in the response."""
    exporter.error = RuntimeError("secret")
    status, text = await post(path)

    assert status == 500
    assert text.endswith("because of an internal error; see the log.\n")


@pytest.mark.parametrize("path", _PATHS[1:])
async def test_what_a_lease_decides(path: str, post: Post, exporter: _Exporter) -> None:
    """It cannot be overridden by hand."""
    exporter.decided_by = "The Lease telephony/softswitch-exporter"

    assert await post(path) == (
        409,
        "The Lease telephony/softswitch-exporter decides which exporter polls.\n",
    )
    assert exporter.states == []
