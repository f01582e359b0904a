import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.alerting.alertmanager import Alertmanager, Answer, Verdict
from exporter.config import AlertmanagerConfiguration
from exporter.config.sections import Surroundings
from exporter.masking import Mask
from tests.certificates import Authority

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class _Server:
    """Answers each message with the same bytes; keeps the heads of what came and who sent it."""

    def __init__(self, answer: bytes) -> None:
        self.heads: list[str] = []
        self.clients: list[str] = []
        self.open: set[asyncio.Task[Any]] = set()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.open.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((line for line in head.splitlines() if line.startswith("Content-Length")), ":0")
                await reader.readexactly(int(length.partition(":")[2]))
                self.heads.append(head)
                if certificate := writer.get_extra_info("peercert"):
                    self.clients.append(dict(pair for (pair,) in certificate["subject"])["commonName"])
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def _serving(answer: str, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[_Server, int]]:
    served = _Server(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
    async with await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context) as server:
        yield served, server.sockets[0].getsockname()[1]
        await asyncio.gather(*served.open)


def _alertmanager(mask: Mask | None = None, /, **settings: Any) -> Alertmanager:
    context = Surroundings(Path("/"), {})
    configuration = AlertmanagerConfiguration.model_validate(settings, context=context)
    return Alertmanager(configuration, mask or Mask(), lambda: 0.0)


async def test_a_client_certificate_that_changes(authority: Authority, tmp_path: Path) -> None:
    """The next message shows the new certificate, without a restart."""
    pairs = {name: authority.issue(name) for name in ("server", "old", "new")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pairs["server"].certificate, pairs["server"].key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    file = tmp_path / "client.pem"
    for name in ("old", "new"):
        both = pairs[name].certificate.read_bytes() + pairs[name].key.read_bytes()
        (tmp_path / f"{name}-both.pem").write_bytes(both)
    shutil.copy(tmp_path / "old-both.pem", file)
    async with _serving("200 OK", context) as (served, port):
        tls = {"ca_file": str(authority.certificate), "cert_file": str(file)}
        alertmanager = _alertmanager(url=f"https://localhost:{port}", tls=tls)
        await alertmanager.load()
        await alertmanager.post([])
        shutil.copy(tmp_path / "new-both.pem", file)
        while served.clients[-1] == "old":
            assert (await alertmanager.post([])).verdict is Verdict.TAKEN
        await alertmanager.close()
    assert served.clients[-1] == "new"


async def test_through_a_proxy() -> None:
    """Its password may be any text, stands beside the credentials of Alertmanager, and is masked."""
    mask = Mask()
    async with _serving("200 OK") as (proxy, port):
        alertmanager = _alertmanager(
            mask,
            url="http://alertmanager.test:9093",
            proxy_url=f"http://user:pässwörd@127.0.0.1:{port}",
            basic_auth={"username": "noc", "password": "for the alertmanager"},
        )
        answer = await alertmanager.post([])
        await alertmanager.close()
    assert answer.verdict is Verdict.TAKEN
    assert proxy.heads[0].startswith("POST http://alertmanager.test:9093/api/v2/alerts HTTP/1.1")
    assert "Proxy-Authorization: Basic dXNlcjpww6Rzc3fDtnJk\r\n" in proxy.heads[0]
    assert "\r\nAuthorization: Basic bm9jOmZvciB0aGUgYWxlcnRtYW5hZ2Vy\r\n" in proxy.heads[0]
    assert mask("pässwörd, dXNlcjpww6Rzc3fDtnJk") == "***, ***"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password(scheme: str) -> None:
    """The failure is told of the proxy."""
    async with _serving("407 Proxy Authentication Required") as (_, port):
        alertmanager = _alertmanager(url=f"{scheme}://am.test", proxy_url=f"http://127.0.0.1:{port}")
        answer = await alertmanager.post([])
        await alertmanager.close()
    assert answer.verdict is Verdict.FAILED
    assert answer.detail.startswith("the proxy in proxy_url wants a user and password (HTTP 407)")


async def test_a_proxy_that_is_not_there() -> None:
    """Likewise; `url` is not to blame."""
    alertmanager = _alertmanager(url="https://am.test", proxy_url="http://127.0.0.1:1")
    answer = await alertmanager.post([])
    await alertmanager.close()
    assert answer == Answer(Verdict.FAILED, "no connection to the proxy in proxy_url: Connection refused")
