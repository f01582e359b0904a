import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import structlog

from exporter.errors import ConfigurationError
from exporter.threads import ThreadLimit
from exporter.web import Server, Sources, WebFile, serve
from exporter.web.web_config import LoadedWebFile
from tests.certificates import Authority

_TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
_USERS = f"basic_auth_users: {{a: {bcrypt.hashpw(b'A', bcrypt.gensalt(4)).decode()}}}\n"


class _Files:
    """A web configuration with certificate and key, and the versions that were applied."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.path = authority.directory / "web.yml"
        authority.issue("server")
        self.path.write_text(_TLS)
        self.web_file = WebFile(self.path)
        self.applied: list[LoadedWebFile] = []

    async def apply(self, loaded: LoadedWebFile) -> None:
        self.applied.append(loaded)

    async def check(self, times: int = 2) -> int:
        """Check the files ``times`` times; return the number of applied versions so far."""
        for _ in range(times):
            await self.web_file.check(self.apply)
        return len(self.applied)


@pytest.fixture
def files(authority: Authority) -> _Files:
    """Return the files."""
    return _Files(authority)


async def test_no_change(files: _Files) -> None:
    """Nothing is applied if a file is rewritten with the same content."""
    files.path.write_text(_TLS)
    assert await files.check(5) == 0


@pytest.mark.parametrize("name", ["web.yml", "server.pem"])
async def test_a_change_is_applied_once(files: _Files, name: str) -> None:
    """The second check that sees the same content applies it."""
    file = files.authority.directory / name
    for number in range(3):
        file.write_text(file.read_text() + f"# {number}\n")
        assert await files.check(1) == 0
    assert await files.check(1) == 1
    assert await files.check(5) == 1


async def test_the_context_only_changes_with_tls(files: _Files) -> None:
    """With other users it is the same, so that open connections stay; with a new certificate it is new."""
    first = files.web_file.loaded.context
    files.path.write_text(_TLS + _USERS)
    assert await files.check() == 1
    assert files.applied[0].context is first
    assert files.applied[0].configuration.basic_auth_users
    files.authority.issue("server")
    assert await files.check() == 2
    assert files.applied[1].context is not first
    assert files.web_file.loaded is files.applied[1]


async def test_a_bug_does_not_stop_the_checks(files: _Files) -> None:
    """It is logged once with its traceback; the change is applied when it is gone."""

    async def fail(_: LoadedWebFile) -> None:
        raise RuntimeError("a bug")

    files.path.write_text(_TLS + _USERS)
    with structlog.testing.capture_logs() as log:
        for _ in range(4):
            await files.web_file.check(fail)

    assert [(line["event"], line["exc_info"]) for line in log] == [("job failed", True)]
    assert await files.check() == 1


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda file: file.write_text(""), lambda file: file.write_text("users: S3CRET")],
    ids=["removed", "empty", "invalid"],
)
@pytest.mark.parametrize("name", ["web.yml", "server.pem", "server.key"])
async def test_an_invalid_file_is_logged_once(
    files: _Files, name: str, spoil: Callable[[Path], object]
) -> None:
    """It changes nothing. When it is fixed nothing happens; when it is invalid again, it is logged again."""
    file = files.authority.directory / name
    valid, before = file.read_text(), files.web_file.loaded
    with structlog.testing.capture_logs() as logged:
        spoil(file)
        assert await files.check(5) == 0
        assert [event["log_level"] for event in logged] == ["warning"]
        assert str(files.path) in logged[0]["problems"]
        assert "S3CRET" not in str(logged)
        file.write_text(valid)
        assert await files.check() == 0
        spoil(file)
        await files.check()
    assert len(logged) == 2
    assert files.web_file.loaded is before


async def test_another_certificate_is_watched(files: _Files) -> None:
    """After the configuration names another certificate, changes of that one are detected."""
    files.authority.issue("other")
    files.path.write_text(_TLS.replace("server.", "other."))
    assert await files.check() == 1
    files.authority.issue("other")
    assert await files.check() == 2
    files.authority.issue("server")
    assert await files.check() == 2


async def test_a_change_that_cannot_be_applied_is_retried(files: _Files) -> None:
    """An OSError, such as too many open files, is logged once, and the change is applied later."""
    failures = [OSError(24, "Too many open files"), OSError(24, "Too many open files")]

    async def apply(loaded: LoadedWebFile) -> None:
        if failures:
            raise failures.pop()
        await files.apply(loaded)

    files.path.write_text(_TLS + _USERS)
    with structlog.testing.capture_logs() as logged:
        for _ in range(5):
            await files.web_file.check(apply)
    assert len(files.applied) == 1
    assert [event["log_level"] for event in logged] == ["warning", "info"]


def test_the_first_version_must_be_valid(tmp_path: Path) -> None:
    """A web configuration that cannot be read is an error at the start."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        WebFile(tmp_path / "gone.yml")


@pytest.fixture
async def server(files: _Files, sources: Sources) -> AsyncIterator[Server]:
    """Serve with the files."""
    made = await serve(sources, [("127.0.0.1", 0)], "/metrics", files.web_file)
    yield made
    await made.close()


async def _serves(server: Server, session: aiohttp.ClientSession, scheme: str) -> bool:
    host, port = server.addresses[0]
    try:
        async with session.get(f"{scheme}://{host}:{port}/metrics") as response:
            await response.read()  # else the connection may be closed
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def test_tls_is_switched_off_and_on(server: Server, files: _Files) -> None:
    """This happens on the same port; an open connection ends after its next response."""
    context = ssl.create_default_context(cafile=str(files.authority.certificate))
    addresses = server.addresses
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [True, False]

        files.path.write_text("basic_auth_users: {}\n")
        await _until_it_serves(server, "http", context)

        assert await _serves(server, session, "https"), "the open connection"
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [False, True]

        files.path.write_text(_TLS)
        await _until_it_serves(server, "https", context)
        assert await _serves(server, session, "http"), "the open connection"
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [True, False]
    assert server.addresses == addresses


async def _until_it_serves(server: Server, scheme: str, context: ssl.SSLContext) -> None:
    """Wait until a new connection with this scheme is served."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        host, port = server.addresses[0]
        while True:
            try:
                async with session.get(
                    f"{scheme}://{host}:{port}/-/healthy", ssl=context, headers={"Connection": "close"}
                ):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def test_a_hanging_disk(authority: Authority) -> None:
    """While the files cannot be read the rules stay and one line is logged; later a change is applied."""
    path = authority.directory / "web.yml"
    path.write_text(_USERS)
    threads = ThreadLimit("web configuration", 1)
    web_file = WebFile(path, patience=0.1, threads=threads)
    applied: list[LoadedWebFile] = []
    back = threading.Event()

    async def apply(loaded: LoadedWebFile) -> None:
        applied.append(loaded)

    hanging = asyncio.create_task(threads.run(lambda: back.wait(30)))
    await asyncio.sleep(0)
    path.write_text("basic_auth_users: {}")
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await web_file.check(apply)
        assert (len(log), applied) == (1, [])
        assert log[0]["problems"] == f"{path}: not read within 0.1 s; check its disk"
        back.set()
        await hanging
        for _ in range(2):
            await web_file.check(apply)
    assert [loaded.configuration.basic_auth_users for loaded in applied] == [{}]
