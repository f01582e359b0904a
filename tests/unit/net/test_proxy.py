import asyncio
import contextlib
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable

import pytest

from exporter.client import open_client
from exporter.config import SwitchConfiguration
from exporter.model import Content, Failure, Reason
from exporter.request import Operation, Request
from tests.certificates import Authority, Pair

Configured = Callable[..., SwitchConfiguration]

_KEY = "s3cr3t"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5"


class _Proxy:
    """Answers every request with the same bytes, or, without any, connects to the port that CONNECT names."""

    def __init__(self, answer: bytes | None) -> None:
        self.asked: list[list[str]] = []
        self.port = 0
        self.serving: list[asyncio.Task[None] | None] = []
        self._answer = answer

    def authorization(self) -> str | None:
        """Return user and password of the newest request, as they were meant."""
        for line in self.asked[-1]:
            name, _, value = line.partition(": ")
            if name.lower() == "proxy-authorization":
                return b64decode(value.removeprefix("Basic ")).decode()
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2])
            if self._answer is not None:
                writer.write(self._answer)
            else:
                await self._connect(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(self.asked[-1][0].split()[1].rpartition(":")[2])
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@contextlib.asynccontextmanager
async def _proxy(answer: bytes | None = None, context: ssl.SSLContext | None = None) -> AsyncIterator[_Proxy]:
    proxy = _Proxy(answer)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
    await asyncio.gather(*(task for task in proxy.serving if task))


async def _ask(configuration: SwitchConfiguration) -> Content | Failure:
    opened = open_client(configuration)
    try:
        async with opened.send(Request(Operation.COUNT_PEERS), _KEY, max_bytes=1000) as body:
            return body
    finally:
        await opened.session.close()


def _server(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def _failure(outcome: Content | Failure) -> Failure:
    assert isinstance(outcome, Failure)
    assert not [secret for secret in (_KEY, "p4ss") if secret in outcome.detail]
    return outcome


@pytest.mark.parametrize("password", ["p4ss", "pässwörd", "\N{SNOWMAN}"])
async def test_a_password_for_the_proxy(password: str, configured: Configured, authority: Authority) -> None:
    """It may be any text, and is sent to the proxy only, for http and for https."""
    async with _proxy(_ANSWER) as proxy:
        proxy_url = f"http://user:{password}@127.0.0.1:{proxy.port}"
        assert await _ask(configured(url="http://pbx.test/api", proxy_url=proxy_url)) == b"5"
        assert proxy.authorization() == f"user:{password}"
    async with _proxy() as proxy, _proxy(_ANSWER, _server(authority.issue("switch"))) as switch:
        proxy_url = f"http://user:{password}@127.0.0.1:{proxy.port}"
        url, tls = f"https://localhost:{switch.port}/api", {"ca_file": str(authority.certificate)}
        assert await _ask(configured(url=url, proxy_url=proxy_url, tls=tls)) == b"5"
        assert proxy.asked[0][0] == f"CONNECT localhost:{switch.port} HTTP/1.1"
        assert proxy.authorization() == f"user:{password}"
        assert switch.authorization() is None


@pytest.mark.parametrize("url", ["http://pbx.test/api", "https://pbx.test/api"])
@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ("", "the proxy in proxy_url requires a user and password (HTTP 407)"),
        ("user:p4ss@", "the proxy in proxy_url rejects its user and password (HTTP 407)"),
    ],
)
async def test_a_proxy_that_requires_a_password(
    url: str, credentials: str, expected: str, configured: Configured
) -> None:
    """A 407 is a failure of the proxy; the switch was not reached."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with _proxy(refusal) as proxy:
        proxy_url = f"http://{credentials}127.0.0.1:{proxy.port}"
        failure = _failure(await _ask(configured(url=url, proxy_url=proxy_url)))
    assert failure.reason is Reason.CONNECT
    assert failure.detail.startswith(expected)


async def test_a_proxy_that_does_not_connect(configured: Configured) -> None:
    """Its response to CONNECT is reported as the proxy's."""
    async with _proxy(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        failure = _failure(await _ask(configured(url="https://pbx.test/api", proxy_url=proxy_url)))
    assert failure == Failure(
        Reason.CONNECT, "the proxy in proxy_url returned HTTP 503 instead of connecting"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_closes_the_connection(scheme: str, configured: Configured) -> None:
    """Either side may have closed it, so both are named."""
    async with _proxy(b"") as proxy:
        configuration = configured(url=f"{scheme}://pbx.test/api", proxy_url=f"http://127.0.0.1:{proxy.port}")
        failure = _failure(await _ask(configuration))
    assert failure.detail.startswith("the switch, or the proxy in proxy_url, closed the connection")


@pytest.mark.parametrize("url", ["http://pbx.test/api", "https://pbx.test/api"])
@pytest.mark.parametrize(
    ("proxy_url", "expected"),
    [
        ("http://user:p4ss@127.0.0.1:1", "no connection to the proxy in proxy_url: Connection refused"),
        ("https://127.0.0.1:1", "no connection to the proxy in proxy_url: Connection refused"),
        ("http://proxy.invalid:3128", "the name of the proxy in proxy_url cannot be resolved: "),
        (
            f"http://{'p' * 64}.invalid:3128",
            "the name of the proxy in proxy_url cannot be resolved: not a valid host",
        ),
    ],
    ids=["refused", "refused TLS", "unknown", "no name"],
)
async def test_a_proxy_that_is_not_there(
    url: str, proxy_url: str, expected: str, configured: Configured
) -> None:
    """The failure names the proxy and not `url`."""
    failure = _failure(await _ask(configured(url=url, proxy_url=proxy_url)))
    assert failure.reason is Reason.CONNECT
    assert failure.detail.startswith(expected)


async def test_tls_to_the_proxy(configured: Configured, authority: Authority) -> None:
    """Its certificate is verified like that of the switch, and a failure names the proxy."""
    pair = authority.issue("both")
    trusted = {"ca_file": str(authority.certificate)}
    async with _proxy(None, _server(pair)) as proxy, _proxy(_ANSWER, _server(pair)) as switch:
        proxy_url, url = f"https://localhost:{proxy.port}", f"https://localhost:{switch.port}/api"
        assert await _ask(configured(url=url, proxy_url=proxy_url, tls=trusted)) == b"5"
        failure = _failure(await _ask(configured(url=url, proxy_url=proxy_url)))
        assert failure.reason is Reason.TLS
        assert failure.detail.startswith("the certificate of the proxy in proxy_url was not accepted: ")
    async with _proxy() as proxy, _proxy(_ANSWER, _server(pair)) as switch:
        url = f"https://localhost:{switch.port}/api"
        failure = _failure(await _ask(configured(url=url, proxy_url=f"http://127.0.0.1:{proxy.port}")))
        assert failure.detail.startswith("the certificate of the switch was not accepted: ")


async def test_a_proxy_without_tls(configured: Configured) -> None:
    """An https:// proxy that speaks plain HTTP is named, with the reason of OpenSSL."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy_url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        failure = _failure(await _ask(configured(url="https://pbx.test/api", proxy_url=proxy_url)))
    assert failure == Failure(Reason.TLS, "TLS to the proxy in proxy_url failed: WRONG_VERSION_NUMBER")
