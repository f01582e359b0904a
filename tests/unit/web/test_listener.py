import asyncio
import contextlib
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from exporter.web import Sources, serve
from exporter.web.limits import Connections
from exporter.web.listener import Listener, every_interface
from tests.certificates import Authority


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)


async def _talk(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    return reader, writer


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    """Return a limit of three connections; all are closed at the end."""
    made = Connections(3)
    yield made
    made.close()


@contextlib.asynccontextmanager
async def _listening(
    connections: Connections, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Listener, tuple[str, int]]]:
    listener = Listener(_Echo, connections, context)
    await listener.start([("127.0.0.1", 0)])
    try:
        yield listener, listener.addresses[0]
    finally:
        listener.close()


def _server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("exporter")
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_connections_are_limited(connections: Connections) -> None:
    """A new connection is served, and the oldest beyond the limit ends."""
    async with _listening(connections) as (_, address), asyncio.timeout(10):
        clients = [await _talk(address) for _ in range(5)]
        for ended, _ in clients[:2]:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await ended.readexactly(1)
        assert not any(reader.at_eof() for reader, _ in clients[2:])
        for _, writer in clients:
            writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_running_out_of_descriptors(connections: Connections, caplog: pytest.LogCaptureFixture) -> None:
    """It waits half a second before each retry, logs the same message, and serves the client afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    loop = asyncio.get_running_loop()

    def errors() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    async with _listening(connections) as (_, address), asyncio.timeout(60):
        with socket.socket() as client:
            client.setblocking(False)  # noqa: FBT003 -- of the standard library
            highest = os.dup(client.fileno())
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            began = loop.time()
            try:
                await loop.sock_connect(client, address)
                os.close(highest)
                while len(errors()) < 2:  # noqa: ASYNC110 -- log records have no event
                    await asyncio.sleep(0.01)
                assert loop.time() - began > 0.4
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await loop.sock_sendall(client, b"x")
            assert await loop.sock_recv(client, 1) == b"x"
    assert {*errors()} == {"cannot accept connections: no file descriptors or memory left"}


async def test_clients_without_handshake_count(connections: Connections, authority: Authority) -> None:
    """With TLS, a silent client counts as a connection and ends for a new one."""
    client = ssl.create_default_context(cafile=authority.certificate)
    async with _listening(connections, _server_context(authority)) as (_, address), asyncio.timeout(20):
        silent = [await asyncio.open_connection(*address) for _ in range(3)]
        reader, writer = await asyncio.open_connection(*address, ssl=client, server_hostname="localhost")
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await silent[0][0].readexactly(1)
        for one in (writer, *(writer for _, writer in silent)):
            one.close()


async def test_a_new_context(connections: Connections, authority: Authority) -> None:
    """It applies to new connections."""
    client = ssl.create_default_context(cafile=authority.certificate)
    async with _listening(connections) as (listener, address), asyncio.timeout(20):
        _, plain = await _talk(address)
        listener.context = _server_context(authority)
        _, writer = await asyncio.open_connection(*address, ssl=client, server_hostname="localhost")
        plain.close()
        writer.close()


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 5).close()
    except OSError:
        return False
    return True


def test_a_machine_without_ipv6() -> None:
    """IPv4 works without IPv6."""
    with every_interface(0, dual_stack=False) as bound:
        assert bound.family is socket.AF_INET
        assert _connects("127.0.0.1", bound.getsockname()[1])


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /metrics HTTP/1.1\r\nAuthorization: Basic S3CRET\x00S3CRET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization: " + b"S3CRET" * 4000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization S3CRET\r\n\r\n",
        b"GET /S3CRET\x01 HTTP/1.1\r\n\r\n",
        b"S3CRET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03S3CRET\r\n\r\n",
    ],
)
async def test_malformed_requests_are_rejected_and_not_logged(
    request_line: bytes, sources: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    """The status is 400. The log has nothing of it: it may contain a password, and anyone can send many."""
    server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"healthy.\n")  # aiohttp logs less about a first request
    writer.write(request_line)
    answer = await reader.read()
    writer.close()
    await server.close()

    assert answer.split()[1] == b"400"
    assert "S3CRET" not in caplog.text
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
