import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from exporter.app import Running, Settings, running
from exporter.config import Configuration, load
from exporter.errors import ConfigurationError, ExporterError
from exporter.masking import Mask
from tests.certificates import Authority
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.lease_server import lease_server

_NOBODY = "http://127.0.0.1:9/api"
"""Nothing listens there: what is polled does not matter here."""


_ALERTING = '"alerting": {"alertmanagers": [{"url": "http://127.0.0.1:9"}]}'


class _Loader:
    """Loads a file, and can be made to wait or to fail before it does."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = 0
        self.errors: list[BaseException] = []

    def __call__(self) -> Configuration:
        self.begun += 1
        self.go_on.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        return load(self.file, {})


@pytest.fixture
def loader(tmp_path: Path) -> _Loader:
    """Return a loader of a file with the switch `old`."""
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("old", _NOBODY)))
    return _Loader(file)


def _settings(loader: _Loader) -> Settings:
    return Settings(loader, [("127.0.0.1", 0)], enable_lifecycle=True)


def _url(exporter: Running, path: str) -> str:
    host, port = exporter.server.addresses[0]
    return f"http://{host}:{port}{path}"


async def _page(exporter: Running, path: str = "/metrics") -> str:
    async with aiohttp.ClientSession() as session, session.get(_url(exporter, path)) as response:
        return await response.text()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- what is waited for tells nobody
            await asyncio.sleep(0.01)


async def _post_and_leave(exporter: Running, loader: _Loader) -> None:
    """Ask for a reload, and disconnect while it runs."""
    begun = loader.begun
    loader.go_on.clear()
    host, port = exporter.server.addresses[0]
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    await _until(lambda: loader.begun > begun)
    writer.transport.abort()
    await _page(exporter)  # by now the server has seen that the client left
    loader.go_on.set()


async def test_client_that_disconnects(loader: _Loader) -> None:
    """Its reload is applied completely: switches, counters, alerting and metrics."""
    async with running(_settings(loader), Mask()) as exporter:
        assert 'softswitch_breaker_open{switch="old"}' in await _page(exporter)
        at = "softswitch_exporter_config_last_reload_success_timestamp_seconds"
        before = next(line for line in (await _page(exporter)).splitlines() if line.startswith(at))
        text = configuration(switch("new", _NOBODY)).replace("{", f"{{{_ALERTING}, ", 1)
        loader.file.write_text(text)

        with capture_logs() as log:
            await _post_and_leave(exporter, loader)
            await _until(lambda: any(line["event"] == "configuration loaded" for line in log))

        page = await _page(exporter)
        assert 'switch="old"' not in page
        assert 'softswitch_breaker_open{switch="new"}' in page
        assert 'softswitch_alerting_notifications_total{alertmanager="http://127.0.0.1:9"}' in page
        assert "softswitch_exporter_config_last_reload_successful 1.0" in page
        assert before not in page


async def test_failed_reload_of_a_client_that_disconnects(loader: _Loader) -> None:
    """The log and the metric report the failure."""
    async with running(_settings(loader), Mask()) as exporter:
        loader.file.write_text("switches: []")
        with capture_logs() as log:
            await _post_and_leave(exporter, loader)
            await _until(lambda: any("reload failed" in line["event"] for line in log))
        page = await _page(exporter)
        assert "softswitch_exporter_config_last_reload_successful 0.0" in page
        assert 'switch="old"' in page


async def test_concurrent_reloads_share_the_next_one(loader: _Loader) -> None:
    """It reads the file again, because the file may have changed."""
    async with running(_settings(loader), Mask()) as exporter:
        begun = loader.begun
        loader.go_on.clear()
        reloads = [asyncio.ensure_future(exporter.reload())]
        await _until(lambda: loader.begun == begun + 1)
        loader.file.write_text(configuration(switch("new", _NOBODY)))
        reloads += [asyncio.ensure_future(exporter.reload()) for _ in range(100)]
        await asyncio.sleep(0)
        loader.go_on.set()
        await asyncio.gather(*reloads)
        assert loader.begun == begun + 2
        assert 'switch="old"' not in await _page(exporter)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RuntimeError("a defect")])
async def test_reload_that_raises(error: BaseException, loader: _Loader) -> None:
    """POST returns 500, the old configuration stays, and the next reload works."""
    async with running(_settings(loader), Mask()) as exporter, aiohttp.ClientSession() as session:
        loader.file.write_text(configuration(switch("new", _NOBODY)))
        loader.errors.append(error)
        async with session.post(_url(exporter, "/-/reload")) as answer:
            assert answer.status == 500
            assert (await answer.text()).startswith("Configuration not reloaded")
        page = await _page(exporter)
        assert "softswitch_exporter_config_last_reload_successful 0.0" in page
        assert 'switch="old"' in page
        async with session.post(_url(exporter, "/-/reload")) as answer:
            assert answer.status == 200
        assert 'switch="new"' in await _page(exporter)


async def test_stop_during_a_reload_that_hangs(loader: _Loader) -> None:
    """It does not wait for the disk, and leaves no task."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(15):
        async with running(_settings(loader), Mask()) as exporter:
            loader.go_on.clear()
            begun = loader.begun
            waiting = asyncio.ensure_future(exporter.reload())
            await _until(lambda: loader.begun > begun)
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        with pytest.raises(ExporterError, match="stopping"):
            await exporter.reload()
    loader.go_on.set()
    assert asyncio.all_tasks() == before


async def test_failed_start_is_not_logged_as_a_reload(loader: _Loader) -> None:
    """The error is raised, nothing is logged, and no task is left."""
    before = asyncio.all_tasks()
    loader.file.write_text("switches: []")
    with capture_logs() as log, pytest.raises(ConfigurationError):
        async with running(_settings(loader), Mask()):
            pytest.fail("it started")
    assert log == []
    assert asyncio.all_tasks() == before


async def test_the_timeline_has_reloads(loader: _Loader) -> None:
    """Each with its outcome; the load at the start is none. No entry has a key."""
    async with running(_settings(loader), Mask()) as exporter:
        await exporter.reload()
        loader.file.write_text("switches: [{name: pbx, key: the-secret-Key-0001, kay: the-secret-Key-0001}]")
        with pytest.raises(ConfigurationError):
            await exporter.reload()
        status = json.loads(await _page(exporter, "/api/v1/status"))

    failed, succeeded, started = status["timeline"]
    assert [entry["kind"] for entry in (failed, succeeded, started)] == [
        "reload_failed",
        "reload_succeeded",
        "exporter_started",
    ]
    assert failed["text"].startswith(f"reload failed: {loader.file}:1:")
    assert "the-secret" not in json.dumps(status)


_STANDBY: dict[str, Any] = {"high_availability": {"start": "standby"}}
_SENDING: dict[str, Any] = {"alerting": {"alertmanagers": [{"url": "http://127.0.0.1:9"}]}}


async def _post(exporter: Running, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(_url(exporter, path)) as response:
        return response.status, await response.text()


def _write(loader: _Loader, name: str, sections: Mapping[str, Any]) -> None:
    loader.file.write_text(configuration(switch(name, _NOBODY), **sections))


async def test_a_standby(loader: _Loader) -> None:
    """It serves no series of a switch, is ready, and polls what a reload has changed once it takes over.

    An invalid configuration is rejected as on an active exporter.
    """
    _write(loader, "old", _STANDBY | _SENDING)
    async with running(_settings(loader), Mask()) as exporter:
        page = await _page(exporter)
        assert 'switch="' not in page
        assert "softswitch_exporter_active 0.0" in page
        assert "is ready" in await _page(exporter, "/-/ready")
        _write(loader, "new", _STANDBY | _SENDING)
        await exporter.reload()
        assert 'switch="' not in await _page(exporter)
        loader.file.write_text("switches: [{name: invalid}]")
        with pytest.raises(ConfigurationError):
            await exporter.reload()
        assert "last_reload_successful 0.0" in await _page(exporter)

        assert await _post(exporter, "/-/activate") == (200, "This exporter polls.\n")
        page = await _page(exporter)
        assert 'switch="new"' in page
        assert 'switch="old"' not in page
        assert "softswitch_exporter_active 1.0" in page
        assert "is ready" in await _page(exporter, "/-/ready")

        assert await _post(exporter, "/-/standby") == (200, "This exporter stands by.\n")
        page = await _page(exporter)
        assert 'switch="' not in page
        assert "softswitch_alerting_alerts{" not in page
        status = json.loads(await _page(exporter, "/api/v1/status"))
        assert (status["state"], status["headline"]) == ("standby", "standing by")
        assert [status["switches"], status["alerts"], status["problems"]] == [[], [], []]


@pytest.mark.parametrize("can_be_told", [True, False])
async def test_a_standby_that_cannot_be_told_to_poll(can_be_told: bool, loader: _Loader) -> None:  # noqa: FBT001 -- a parameter of the test
    """The log says so at the start."""
    _write(loader, "old", _STANDBY)
    with capture_logs() as logs:
        async with running(Settings(loader, [("127.0.0.1", 0)], enable_lifecycle=can_be_told), Mask()):
            pass
    assert ("nothing can make this exporter poll" in [log["event"] for log in logs]) is not can_be_told


async def test_what_cannot_be_polled_stands_by(loader: _Loader, authority_of_module: Authority) -> None:
    """A takeover that fails leaves nothing behind, and the response says why."""
    file = loader.file.with_name("authority.pem")
    shutil.copy(authority_of_module.certificate, file)
    secured = switch("pbx", "https://127.0.0.1:9/api", tls={"ca_file": str(file)})
    loader.file.write_text(configuration(secured, **_STANDBY))
    async with running(_settings(loader), Mask()) as exporter:
        file.unlink()
        status, text = await _post(exporter, "/-/activate")
        assert (status, "switch pbx: tls: " in text) == (500, True)
        page = await _page(exporter)
        assert 'switch="' not in page
        assert "softswitch_exporter_active 0.0" in page


async def test_switches_and_reloads_take_turns(loader: _Loader) -> None:
    """Whatever comes last decides, and no reload brings back what has ended."""
    async with running(_settings(loader), Mask()) as exporter:
        assert "softswitch_exporter_active" not in (await _page(exporter)).replace("config_file", "")
        loader.go_on.clear()
        reload = asyncio.create_task(exporter.reload())
        await _until(lambda: loader.begun > 1)
        # The switch does not wait for a disk that hangs.
        assert await _post(exporter, "/-/standby") == (200, "This exporter stands by.\n")
        loader.go_on.set()
        await reload
        assert 'switch="' not in await _page(exporter)

        replies = await asyncio.gather(
            *(_post(exporter, path) for path in ["/-/activate", "/-/reload", "/-/standby"] * 5),
            _post(exporter, "/-/reload"),
        )
        assert {status for status, _ in replies} == {200}
        is_active = "softswitch_exporter_active 1.0" in (page := await _page(exporter))
        assert is_active is ('switch="old"' in page)


async def test_the_lease_in_a_configuration(
    loader: _Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload with a Lease stands by until it holds that, and a reload without it polls at once."""
    async with lease_server() as server, running(_settings(loader), Mask()) as exporter:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig", "a")))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        server.delays["a"] = 0.5
        lease = {"name": "one", "namespace": "ns", "duration": "5s"}
        _write(loader, "old", {"high_availability": {"lease": lease}})
        await exporter.reload()
        assert 'switch="' not in await _page(exporter)
        status, text = await _post(exporter, "/-/activate")
        assert (status, text) == (409, "The Lease ns/one decides which exporter polls.\n")
        async with asyncio.timeout(10):
            while 'switch="old"' not in await _page(exporter):  # noqa: ASYNC110 -- no event tells it
                await asyncio.sleep(0.05)
        assert server.holder

        _write(loader, "new", {})
        await exporter.reload()
        page = await _page(exporter)
        assert 'switch="new"' in page
        assert "lease_reachable 1" not in page
        assert server.holder == ""
