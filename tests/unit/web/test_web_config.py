import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import structlog
from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.errors import ConfigurationError
from exporter.metrics.exposition import Exposition
from exporter.threads import ThreadLimit
from exporter.web import Server, Sources, WebFile, serve
from exporter.web.web_config import LoadedWebFile
from tests.certificates import Authority

_TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
_USERS = f"basic_auth_users: {{a: {bcrypt.hashpw(b'A', bcrypt.gensalt(4)).decode()}}}\n"


class _Files:
    """A web configuration with certificate and key, a file that keeps up with it, and what it handed over."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.path = authority.directory / "web.yml"
        authority.issue("server")
        self.path.write_text(_TLS)
        self.web_file = WebFile(self.path)
        self.handed_over: list[LoadedWebFile] = []

    async def apply(self, loaded: LoadedWebFile) -> None:
        self.handed_over.append(loaded)

    async def check(self, times: int = 2) -> int:
        """Look so many times; return how many readings were handed over in all."""
        for _ in range(times):
            await self.web_file.check(self.apply)
        return len(self.handed_over)


@pytest.fixture
def files(authority: Authority) -> _Files:
    """Return the files."""
    return _Files(authority)


async def test_nothing_has_changed(files: _Files) -> None:
    """Without a change nothing is handed over, also where a file was written again as it was."""
    files.path.write_text(_TLS)
    assert await files.check(5) == 0


@pytest.mark.parametrize("name", ["web.yml", "server.pem"])
async def test_a_change_is_taken_once_it_stands_still(files: _Files, name: str) -> None:
    """Not the first look that sees it, but the second; and then once."""
    file = files.authority.directory / name
    for number in range(3):
        file.write_text(file.read_text() + f"# {number}\n")
        assert await files.check(1) == 0
    assert await files.check(1) == 1
    assert await files.check(5) == 1


async def test_a_certificate_and_its_key(files: _Files) -> None:
    """Both are exchanged: one new context, with which new connections are made."""
    first = files.web_file.loaded.context
    files.authority.issue("server")
    assert await files.check() == 1
    assert files.handed_over[0].context is not first
    assert files.web_file.loaded is files.handed_over[0]


async def test_a_defect_does_not_end_the_looking(files: _Files) -> None:
    """It is logged once, with its traceback; when it is gone, the change holds."""

    async def fail(_: LoadedWebFile) -> None:
        raise RuntimeError("a defect")

    files.path.write_text(_TLS + _USERS)
    with structlog.testing.capture_logs() as log:
        for _ in range(4):
            await files.web_file.check(fail)

    assert [(line["event"], line["exc_info"]) for line in log] == [("job failed", True)]
    assert await files.check() == 1


async def test_open_connections_stay_where_nothing_of_tls_has_changed(files: _Files) -> None:
    """With other users the context is the one before."""
    first = files.web_file.loaded.context
    files.path.write_text(_TLS + _USERS)
    assert await files.check() == 1
    assert files.handed_over[0].context is first
    assert files.handed_over[0].configuration.basic_auth_users


def _remove(file: Path) -> None:
    file.unlink()


def _empty(file: Path) -> None:
    file.write_text("")


def _spoil(file: Path) -> None:
    file.write_text("basic_auth_users: {a: S3CRET}")


@pytest.mark.parametrize("spoil", [_remove, _empty, _spoil])
@pytest.mark.parametrize("name", ["web.yml", "server.pem", "server.key"])
async def test_what_is_bad_changes_nothing_and_is_told_once(
    files: _Files, name: str, spoil: Callable[[Path], None]
) -> None:
    """However often it is looked at. Right again, nothing has happened; bad again, it is told again."""
    file = files.authority.directory / name
    right, before = file.read_text(), files.web_file.loaded
    with structlog.testing.capture_logs() as told:
        spoil(file)
        assert await files.check(5) == 0
        assert [event["log_level"] for event in told] == ["warning"]
        assert str(files.path) in told[0]["problems"]
        assert "S3CRET" not in str(told)
        file.write_text(right)
        assert await files.check() == 0
        spoil(file)
        await files.check()
    assert len(told) == 2
    assert files.web_file.loaded is before


async def test_a_file_that_is_named_later_is_kept_up_with_too(files: _Files) -> None:
    """After the web configuration names another certificate, a change of that one is noticed."""
    files.authority.issue("other")
    files.path.write_text(_TLS.replace("server.", "other."))
    assert await files.check() == 1
    files.authority.issue("other")
    assert await files.check() == 2
    files.authority.issue("server")
    assert await files.check() == 2


async def test_where_it_cannot_be_put_into_force_it_is_tried_again(files: _Files) -> None:
    """With too many open files, say: told once, and done as soon as it can be."""
    failures = [OSError(24, "Too many open files"), OSError(24, "Too many open files")]

    async def apply(loaded: LoadedWebFile) -> None:
        if failures:
            raise failures.pop()
        await files.apply(loaded)

    files.path.write_text(_TLS + _USERS)
    with structlog.testing.capture_logs() as told:
        for _ in range(5):
            await files.web_file.check(apply)
    assert len(files.handed_over) == 1
    assert [event["log_level"] for event in told] == ["warning", "info"]


def test_the_first_has_to_be_right(tmp_path: Path) -> None:
    """Nothing is served with a web configuration that cannot be read."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        WebFile(tmp_path / "gone.yml")


@pytest.fixture
async def server(files: _Files) -> AsyncIterator[Server]:
    """Serve with the files."""
    sources = Sources(Exposition(list, CollectorRegistry(), lambda: None), list, lambda: True, Clock())
    made = await serve(sources, [("127.0.0.1", 0)], "/metrics", files.web_file)
    yield made
    await made.close()


async def _serves(server: Server, session: aiohttp.ClientSession, scheme: str) -> bool:
    host, port = server.addresses[0]
    try:
        async with session.get(f"{scheme}://{host}:{port}/metrics") as answer:
            await answer.read()  # else the connection may not be kept
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_tls_is_taken_away_and_comes_back(server: Server, files: _Files) -> None:
    """While it runs, on the same port, and an open connection is ended with its next answer."""
    context = ssl.create_default_context(cafile=str(files.authority.certificate))
    addresses = server.addresses
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [True, False]

        files.path.write_text("basic_auth_users: {}\n")
        await _until_it_serves(server, "http", context)

        assert await _serves(server, session, "https"), "the connection that was open"
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [False, True]

        files.path.write_text(_TLS)
        await _until_it_serves(server, "https", context)
        assert await _serves(server, session, "http"), "the connection that was open"
        assert [await _serves(server, session, scheme) for scheme in ("https", "http")] == [True, False]
    assert server.addresses == addresses


async def _until_it_serves(server: Server, scheme: str, context: ssl.SSLContext) -> None:
    """Wait until a new connection of this kind is served."""
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


async def test_a_disk_that_hangs_is_told_once_and_read_later(authority: Authority) -> None:
    """While the files cannot be read, the rules stay and it is logged once; then a change is noticed."""
    path = authority.directory / "web.yml"
    path.write_text(_USERS)
    threads = ThreadLimit("web configuration", 1)
    web_file = WebFile(path, patience=0.1, threads=threads)
    handed_over: list[LoadedWebFile] = []
    back = threading.Event()

    async def apply(loaded: LoadedWebFile) -> None:
        handed_over.append(loaded)

    hanging = asyncio.create_task(threads.run(lambda: back.wait(30)))
    await asyncio.sleep(0)
    path.write_text("basic_auth_users: {}")
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            await web_file.check(apply)
        assert (len(log), handed_over) == (1, [])
        assert log[0]["problems"] == f"{path}: not read within 0.1 s; check the disk that it is on"
        back.set()
        await hanging
        for _ in range(2):
            await web_file.check(apply)
    assert [loaded.configuration.basic_auth_users for loaded in handed_over] == [{}]
