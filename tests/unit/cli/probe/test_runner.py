import asyncio
import ssl

from exporter.cli.probe.runner import certificate_names
from tests.certificates import Authority
from tests.conftest import Configured


async def test_the_names_of_a_certificate(authority: Authority, configured: Configured) -> None:
    """They are told where the certificate is trusted, and nothing is sent for it; else none are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("switch", names="DNS:switch.test,DNS:*.switch.test")
    context.load_cert_chain(pair.certificate, pair.key)
    trust = {"ca_file": str(authority.certificate)}
    sent = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        trusted = configured(url=url, tls=trust)
        assert await certificate_names(trusted) == ("switch.test",)
        assert await certificate_names(configured(url=url)) == ()
        proxied = configured(url=url, proxy_url="http://127.0.0.1:9", tls=trust)
        assert await certificate_names(proxied) == ()
        file = authority.directory / "gone.pem"
        file.write_bytes(authority.certificate.read_bytes())
        spoilt = configured(url=url, tls={"ca_file": str(file)})
        file.unlink()
        assert await certificate_names(spoilt) == ()
    assert await certificate_names(configured(url="https://127.0.0.1:9/api")) == ()
    assert not any(sent)
