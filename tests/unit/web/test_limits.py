import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from exporter.web.limits import Connection, Connections, bounded, client_of, limit_duration, most_connections
from exporter.web.responses import send


class _Site:
    """Connections with a clock that tests set and sockets that are not connected."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.connections = Connections(3, lambda: self.now)
        self.sockets: list[socket.socket] = []

    def open(self, address: str) -> Connection | None:
        self.now += 1
        self.sockets.append(socket.socket())
        return self.connections.admit(self.sockets[-1], address)

    def open_some(self, *addresses: str) -> list[Connection]:
        opened = [self.open(address) for address in addresses]
        return [connection for connection in opened if connection is not None]


@pytest.fixture
def site() -> Iterator[_Site]:
    """Return a site with a limit of three connections."""
    made = _Site()
    yield made
    for sock in made.sockets:
        sock.close()


def test_the_longest_idle_connection_ends(site: _Site) -> None:
    """A new connection beyond the limit is accepted and ends another one."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    with site.connections.request(first.socket.fileno()):
        site.now += 1
    assert site.open("192.0.2.1")
    assert [one.is_open for one in (first, second, third)] == [True, False, True]


def test_the_largest_client_loses_connections(site: _Site) -> None:
    """A connection of the client with the most connections ends, even if others are idle for longer."""
    idle, first, second = site.open_some("192.0.2.2", "192.0.2.1", "192.0.2.1")
    for _ in range(10):
        assert site.open("192.0.2.1")
    assert site.open("192.0.2.3")
    assert [one.is_open for one in (idle, first, second)] == [True, False, False]


def test_a_busy_connection_ends_last(site: _Site) -> None:
    """It ends if none is idle, and only after a second; else the new connection is refused."""
    one, *others = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    with site.connections.request(one.socket.fileno()):
        for other in others:
            assert site.open("192.0.2.1")
            assert not other.is_open
        newest = [sock.fileno() for sock in site.sockets[-2:]]
        with site.connections.request(newest[0]), site.connections.request(newest[1]):
            site.now = one.active_at - 0.5
            assert site.open("192.0.2.1") is None
            assert one.is_open
            site.now += 10
            assert site.open("192.0.2.1")
            assert not one.is_open


def test_closed_connections_do_not_count(site: _Site) -> None:
    """No connection ends to make room that a closed one has left."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    second.socket.close()
    assert site.open("192.0.2.1")
    assert first.is_open
    assert third.is_open


def test_close_ends_all(site: _Site) -> None:
    """All connections are closed."""
    opened = site.open_some("192.0.2.1", "192.0.2.2")
    site.connections.close()
    assert not [one for one in opened if one.is_open]


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::3", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_client_keys(address: str, client: str) -> None:
    """A client is an IPv4 address, or an IPv6 /64."""
    assert client_of(address) == client


Client = TestClient[web.Request, web.Application]

_LARGE = "x" * (16 * 2**20)
"""More than the buffers of a connection."""


def _application(scrape: Handler, seconds: float = 60.0) -> web.Application:
    application = web.Application()
    limit_duration(application, Connections(500), seconds)
    application.router.add_get("/metrics", scrape)
    return application


@contextlib.asynccontextmanager
async def _serving(scrape: Handler, seconds: float = 60.0) -> AsyncIterator[Client]:
    server = TestServer(_application(scrape, seconds))
    async with TestClient(server) as client, asyncio.timeout(30):
        yield client


async def _large(request: web.Request) -> web.StreamResponse:
    return await send(request, _LARGE, {})


@contextlib.contextmanager
def _unread(client: Client, host: str = "127.0.0.1", count: int = 1) -> Iterator[list[socket.socket]]:
    """Open connections from an address that read nothing."""
    connections = []
    try:
        for _ in range(count):
            connection = socket.socket()
            connections.append(connection)
            connection.bind((host, 0))
            connection.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                connection.connect(("127.0.0.1", client.port))
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def _request(connections: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    for connection in connections:
        await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


def _buffered(client: Client) -> list[int]:
    """Return the size of the write buffer of each connection."""
    assert isinstance(client.server, TestServer)
    assert client.server.runner
    assert client.server.runner.server
    transports = [protocol.transport for protocol in client.server.runner.server.connections]
    return [transport.get_write_buffer_size() for transport in transports if transport]


async def _until(condition: object) -> None:
    while not condition():  # type: ignore[operator]  # noqa: ASYNC110 -- conditions have no events
        await asyncio.sleep(0.01)


async def test_concurrent_requests_are_limited() -> None:
    """Beyond the limit a request gets 503, until another one has ended."""
    resume = asyncio.Event()
    started = asyncio.Semaphore(0)

    async def slow(_: web.Request) -> web.Response:
        started.release()
        await resume.wait()
        return web.Response(text="a page")

    async with _serving(bounded(slow, most=2, clock=lambda: 0.0)) as client:
        first = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
        for _ in first:
            await started.acquire()
        beyond = await client.get("/metrics")
        assert (beyond.status, beyond.headers["Retry-After"]) == (503, "1")
        assert "the limit is 2. Try again." in await beyond.text()
        resume.set()
        assert [(await task).status for task in first] == [200, 200]
        assert (await client.get("/metrics")).status == 200


async def test_slow_readers_do_not_block_others() -> None:
    """A new scrape ends the oldest one that has been read for more than a second."""
    now = 0.0
    started: list[web.Request] = []

    async def scrape(request: web.Request) -> web.StreamResponse:
        started.append(request)
        return await _large(request) if "User-Agent" not in request.headers else web.Response(text="read")

    async with _serving(bounded(scrape, most=3, clock=lambda: now)) as client:
        with _unread(client, count=3) as slow:
            for number, connection in enumerate(slow):
                await _request([connection])
                await _until(lambda number=number: len(started) == number + 1)
                now += 0.4
            assert (await client.get("/metrics")).status == 200  # the first is 1.2 s old
            await _until(lambda: started[0].transport is None)
            assert [request.transport is None for request in started[:3]] == [True, False, False]


async def test_the_largest_client_loses_requests() -> None:
    """The oldest request of the client with the most ends, however young it is."""
    started: list[web.Request] = []

    async def scrape(request: web.Request) -> web.StreamResponse:
        started.append(request)
        return await _large(request)

    async with _serving(bounded(scrape, most=4, clock=lambda: 0.0)) as client:
        with _unread(client, "127.0.0.2", 1) as one, _unread(client, "127.0.0.3", 3) as many:
            await _request([*one, *many])
            await _until(lambda: len(started) == 4)
            answer = await client.get("/metrics")  # from 127.0.0.1
            assert answer.status == 200
            assert [request.transport is None for request in started if request.remote == "127.0.0.2"] == [
                False
            ]
            await _until(
                lambda: [r.transport is None for r in started if r.remote == "127.0.0.3"].count(True)
            )
            answer.close()


async def test_pipelined_requests_wait_for_their_reader() -> None:
    """The next request of a connection starts after the previous responses have been read."""
    served = 0

    async def small(_: web.Request) -> web.Response:
        nonlocal served
        served += 1
        return web.Response(text="x" * 10_000)

    async with _serving(small) as client:
        with _unread(client) as connections:
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            sending = asyncio.ensure_future(
                asyncio.get_running_loop().sock_sendall(connections[0], request * 50_000)
            )
            await _until(lambda: any(buffered > 50_000 for buffered in _buffered(client)))
            before = -1
            while before != served:
                before = served
                await asyncio.sleep(0.2)
            assert max(_buffered(client)) < 200_000
            sending.cancel()


def _end(connection: socket.socket) -> bytes:
    """Read until the connection ends, and return the last bytes."""
    end = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**20):
            end = (end + part)[-5:]
    return end


async def test_clients_that_do_not_read_are_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends after the time limit, its place is free again, and nothing is logged."""
    started = asyncio.Event()

    async def scrape(request: web.Request) -> web.StreamResponse:
        started.set()
        return await _large(request) if request.query else web.Response()

    async with _serving(bounded(scrape, most=1, clock=lambda: 0.0), seconds=0.3) as client:
        with socket.create_connection(("127.0.0.1", client.port or 0), 10) as connection:
            connection.sendall(b"GET /metrics?large=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await started.wait()
            assert await _status(client) == 503
            while await _status(client) != 200:  # noqa: ASYNC110 -- a page has no event
                await asyncio.sleep(0.05)
            await _until(lambda: not _buffered(client))
            assert len(await asyncio.to_thread(_end, connection)) < len(_LARGE), "it looks complete"
    assert not caplog.records


async def _status(client: Client) -> int:
    async with client.get("/metrics", headers={"Connection": "close"}) as answer:
        return answer.status


async def test_a_failed_request_frees_its_place() -> None:
    """A handler that raises does not count any more."""

    async def broken(_: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    async with _serving(bounded(broken, most=1)) as client:
        assert [(await client.get("/metrics")).status for _ in range(3)] == [500] * 3


async def test_a_client_that_leaves_early_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged. This uses no TestServer, because that cancels its handlers."""
    requested, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def scrape(request: web.Request) -> web.StreamResponse:
        requested.set()
        await gone.wait()
        try:
            return await send(request, _LARGE, {})
        finally:
            ended.set()

    runner = web.AppRunner(_application(scrape))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await requested.wait()
        writer.transport.abort()
        await reader.read()
        gone.set()
        await ended.wait()
        await runner.cleanup()

    assert caplog.records == []


@pytest.mark.parametrize(("descriptors", "most"), [(300, 150), (1024, 500)])
def test_the_limit_leaves_descriptors_for_polling(descriptors: int, most: int) -> None:
    """The limit is half of the process's limit, and 500 at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        assert most_connections() == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
