import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from exporter.alerting.alertmanager import Alertmanager, Verdict
from exporter.config import AlertmanagerConfiguration
from exporter.config.fields import ValidationContext
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
    context = ValidationContext(Path("/"), {})
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
            assert (await alertmanager.post([])).verdict is Verdict.ACCEPTED
        await alertmanager.close()
    assert served.clients[-1] == "new"
