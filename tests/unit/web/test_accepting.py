import asyncio
import errno
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator

import pytest

from exporter.web.accepting import Accepting
from exporter.web.connections import Connections
from tests.certificates import Authority


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)


class _Exhausted(socket.socket):
    """A listening socket to which the system gives no connection a few times."""

    failures = 3

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def _bound(kind: type[socket.socket] = socket.socket) -> socket.socket:
    sock = kind()
    sock.bind(("127.0.0.1", 0))
    return sock


async def _talk(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    return reader, writer


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    """Return room for three, of which none is left open."""
    made = Connections(3)
    yield made
    made.close()


async def test_a_newcomer_is_served_and_the_oldest_ends(connections: Connections) -> None:
    """There are never more than the limit, and whoever comes last is served."""
    accepting = Accepting([_bound()], _Echo, None, connections)
    address = accepting.sockets[0].getsockname()
    clients = [await _talk(address) for _ in range(5)]
    async with asyncio.timeout(10):
        for ended, _ in clients[:2]:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await ended.readexactly(1)
    assert not any(reader.at_eof() for reader, _ in clients[2:])
    for _, writer in clients:
        writer.close()
    accepting.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_no_descriptor_is_left(connections: Connections, caplog: pytest.LogCaptureFixture) -> None:
    """It waits before it tries again, tells it each time in the same words, and serves who has waited."""
    accepting = Accepting([_bound(_Exhausted)], _Echo, None, connections)
    started = time.monotonic()
    async with asyncio.timeout(20):
        _, writer = await _talk(accepting.sockets[0].getsockname())
    writer.close()
    assert time.monotonic() - started > 1
    accepting.close()
    assert {record.getMessage() for record in caplog.records if record.levelno == logging.ERROR} == {
        "connections cannot be accepted: no file descriptor or memory is left for them"
    }
    assert len(caplog.records) <= 4


async def test_who_does_not_shake_hands_counts(connections: Connections, authority: Authority) -> None:
    """With TLS, a client that says nothing has a place like any other, and loses it to those who come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("exporter")
    context.load_cert_chain(pair.certificate, pair.key)
    accepting = Accepting([_bound()], _Echo, context, connections)
    address = accepting.sockets[0].getsockname()
    silent = [await asyncio.open_connection(*address) for _ in range(3)]
    client = ssl.create_default_context(cafile=authority.certificate)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*address, ssl=client, server_hostname="localhost")
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await silent[0][0].readexactly(1)
    accepting.close()
    writer.close()
    for _, one in silent:
        one.close()


async def test_a_context_that_changes(connections: Connections, authority: Authority) -> None:
    """Connections that come afterwards are made with it."""
    accepting = Accepting([_bound()], _Echo, None, connections)
    address = accepting.sockets[0].getsockname()
    _, writer = await _talk(address)
    writer.close()
    accepting.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("exporter")
    accepting.context.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=authority.certificate)
    async with asyncio.timeout(20):
        _, writer = await asyncio.open_connection(*address, ssl=client, server_hostname="localhost")
    writer.close()
    accepting.close()
