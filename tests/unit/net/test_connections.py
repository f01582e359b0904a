import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from yarl import URL

from exporter.net import connections
from exporter.net.connections import Connector, NoAnswer, Request, UnusableAnswer, retry_on_new_connection
from exporter.net.resolver import Resolver

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


@dataclass
class _Server:
    """A server that gives ``answer`` the number of the request on its connection, from 1.

    ``requests`` has this number for each request that came.
    """

    answer: Answer
    requests: list[int] = field(default_factory=list)
    url: str = ""

    open: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open[writer] = asyncio.create_task(self._serve(reader, writer))

    async def stop(self) -> None:
        for writer in self.open:
            writer.transport.abort()
        for task in self.open.values():
            task.cancel()
        await asyncio.gather(*self.open.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                number += 1
                self.requests.append(number)
                await self.answer(writer, number)
                await writer.drain()
        writer.transport.abort()


@dataclass
class _Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def _serving(answer: Answer, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[_Server]:
    server = _Server(answer)
    async with await asyncio.start_server(server.enter, address, port) as listening:
        server.url = f"http://{address}:{listening.sockets[0].getsockname()[1]}/"
        try:
            yield server
        finally:
            await server.stop()


@contextlib.asynccontextmanager
async def _session(
    clock: _Clock | None = None, resolver: Resolver | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    connector = Connector(resolver or Resolver(), clock=clock or _Clock(), limit=4)
    async with aiohttp.ClientSession(
        connector=connector,
        request_class=Request,
        middlewares=(retry_on_new_connection,),
        max_line_size=connections.HEADER_LIMIT,
        max_field_size=connections.HEADER_LIMIT,
        max_headers=connections.HEADERS_LIMIT,
    ) as session:
        yield session


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with asyncio.timeout(10), session.get(url) as response:
        return await response.read()


def _says(body: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(_ANSWER + body)

    return answer


async def test_a_connection_is_reused_for_five_minutes() -> None:
    """After that, a new one is opened."""
    clock = _Clock()
    async with _serving(_says(b"1")) as server, _session(clock) as session:
        for _ in range(3):
            await _get(session, server.url)
        assert server.requests == [1, 2, 3]

        clock.now = connections.GREATEST_AGE - 1
        await _get(session, server.url)
        clock.now = connections.GREATEST_AGE
        await _get(session, server.url)

    assert server.requests == [1, 2, 3, 4, 1]


async def test_a_name_that_moves_is_followed() -> None:
    """The old server still responds, and is not used after five minutes."""
    clock = _Clock()
    address = "127.0.0.1"

    def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (address, 0))]

    resolver = Resolver(lookup, clock)
    async with _serving(_says(b"1")) as old, _session(clock, resolver) as session:
        port = URL(old.url).port
        assert port is not None
        async with _serving(_says(b"2"), "127.0.0.2", port):
            url = f"http://pbx.test:{port}/"
            assert await _get(session, url) == b"1"
            address = "127.0.0.2"
            clock.now = 60.0
            assert await _get(session, url) == b"1"
            clock.now = connections.GREATEST_AGE
            assert await _get(session, url) == b"2"


async def test_connections_that_the_server_has_just_closed() -> None:
    """Each request on a dead kept connection succeeds on a new one."""
    at_once = asyncio.Barrier(4)

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        if number > 1:
            writer.transport.abort()  # as if it had been closed after the first answer
            return
        if len(server.requests) <= 4:
            await at_once.wait()  # so that four connections are open
        writer.write(_ANSWER + b"1")

    async with _serving(answer) as server, _session() as session:
        for _ in range(4):
            assert await asyncio.gather(*[_get(session, server.url) for _ in range(4)]) == [b"1"] * 4
    assert server.requests.count(1) + server.requests.count(2) == len(server.requests)
    assert server.requests.count(1) == 16


async def test_a_request_is_retried_once() -> None:
    """Aiohttp does not retry it as well."""

    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        writer.transport.abort()

    async with _serving(answer) as server, _session() as session:
        with pytest.raises(NoAnswer) as raised:
            await _get(session, server.url)
    assert isinstance(raised.value.__cause__, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    assert server.requests == [1, 1]


async def test_a_post_is_repeated_with_its_body() -> None:
    """The retry contains the whole request."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0])
        bodies.append(await reader.readexactly(length))
        if len(bodies) == 2:
            writer.write(_ANSWER + b"1")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening, _session() as session:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        async with session.post(url, data=b"[1, 2]") as response:
            assert await response.read() == b"1"
    assert bodies == [b"[1, 2]"] * 2


@pytest.mark.parametrize("count", [1, connections._INTERIM_LIMIT])
async def test_a_few_interim_responses(count: int) -> None:
    """Responses such as `100 Continue` are ignored."""

    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(_CONTINUE * count + _ANSWER + b"1")

    async with _serving(answer) as server, _session() as session:
        assert await _get(session, server.url) == b"1"
        assert await _get(session, server.url) == b"1"
    assert server.requests == [1, 2]


async def _endless(piece: bytes) -> tuple[Exception, int]:
    """Return the error of a request that is answered with this without end, and the bytes that were sent."""
    sent = 0

    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" if piece[:1] == b"X" else b"")
        while True:
            writer.write(piece * 1000)
            sent += len(piece) * 1000
            await writer.drain()

    async with _serving(answer) as server, _session() as session:
        with pytest.raises(aiohttp.ClientError) as raised:
            await _get(session, server.url)
    return raised.value, sent


async def test_endless_interim_responses() -> None:
    """An endless sequence of `100 Continue` is stopped after a few."""
    error, sent = await _endless(_CONTINUE)

    assert isinstance(error, UnusableAnswer)
    assert str(error) == "is preceded by more than 20 interim responses (HTTP 100)"
    assert sent < 16 * 2**20


async def test_a_head_that_is_too_large() -> None:
    """Headers within their limits are too large together."""

    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 60_000) for number in range(20))
        writer.write(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: 0\r\n\r\n")

    async with _serving(answer) as server, _session() as session:
        with pytest.raises(UnusableAnswer, match="head of more than 512 KiB"):
            await _get(session, server.url)


@pytest.mark.parametrize("unasked", [_ANSWER + b"9", _CONTINUE])
async def test_unrequested_data_closes_the_connection(unasked: bytes) -> None:
    """Data on an idle connection is not taken for the response to the next request."""
    is_closed = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(_ANSWER + b"%d" % len(server.requests))
        await writer.drain()
        if len(server.requests) == 1:
            await idle.wait()
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(unasked * 1000)
                    await writer.drain()
            is_closed.set()

    idle = asyncio.Event()
    async with _serving(answer) as server, _session() as session:
        assert await _get(session, server.url) == b"1"
        idle.set()
        async with asyncio.timeout(10):
            await is_closed.wait()
        assert await _get(session, server.url) == b"2"


async def test_data_before_the_first_request_is_rejected() -> None:
    """A server that sends first does not speak HTTP."""

    class Early(Connector):
        async def _create_connection(self, *arguments: Any, **named: Any) -> Any:
            protocol = await super()._create_connection(*arguments, **named)
            protocol.data_received(_ANSWER + b"9")
            return protocol

    async with (
        _serving(_says(b"1")) as server,
        aiohttp.ClientSession(connector=Early(Resolver()), request_class=Request) as session,
    ):
        with pytest.raises(UnusableAnswer, match="arrived before a request was sent"):
            await _get(session, server.url)
    assert not server.requests
