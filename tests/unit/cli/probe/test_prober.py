import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli.probe.prober import certificate_names
from exporter.config import SwitchConfiguration

Configured = Callable[..., SwitchConfiguration]

_COMMAND = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=switch.test "
    "-addext subjectAltName=DNS:switch.test,DNS:*.switch.test"
)


@pytest.fixture
def certificate(tmp_path: Path, require_program: Callable[[str, str], str]) -> Path:
    """Make a self-signed certificate for ``switch.test``, with its private key in one file."""
    path, key = tmp_path / "switch.pem", tmp_path / "switch.key"
    openssl = require_program("openssl", "openssl")
    command = [openssl, *_COMMAND.split(), "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


async def test_the_names_of_a_certificate(certificate: Path, configured: Configured) -> None:
    """They are told where the certificate is trusted, and nothing is sent for it; else none are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sent = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        trusted = configured(url=url, tls={"ca_file": str(certificate)})
        assert await certificate_names(trusted) == ("switch.test",)
        assert await certificate_names(configured(url=url)) == ()
        proxied = configured(url=url, proxy_url="http://127.0.0.1:9", tls={"ca_file": str(certificate)})
        assert await certificate_names(proxied) == ()
    assert await certificate_names(configured(url="https://127.0.0.1:9/api")) == ()
    assert not any(sent)
