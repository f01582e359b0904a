import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from exporter.web.limits import Connection, Connections, bounded, client_of, limit_duration, most_connections
from exporter.web.streaming import send

Open = Callable[..., Connection | None]


class _Site:
    """Connections whose clock is set by hand, with sockets that lead nowhere."""

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
    """Return a site that has room for three."""
    made = _Site()
    yield made
    for sock in made.sockets:
        sock.close()


def test_the_one_that_has_been_idle_for_longest_ends(site: _Site) -> None:
    """One more than there may be ends another one, and is kept itself."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    with site.connections.request(first.socket.fileno()):
        site.now += 1
    assert site.open("192.0.2.1")
    assert [one.is_open for one in (first, second, third)] == [True, False, True]


def test_a_crowd_ends_its_own(site: _Site) -> None:
    """Of the client that has the most connections one ends, however idle others are."""
    idle, first, second = site.open_some("192.0.2.2", "192.0.2.1", "192.0.2.1")
    for _ in range(10):
        assert site.open("192.0.2.1")
    assert site.open("192.0.2.3")
    assert [one.is_open for one in (idle, first, second)] == [True, False, False]


def test_a_request_that_runs_is_ended_last(site: _Site) -> None:
    """It is ended when nothing is idle, and then only after a second; else the newcomer is refused."""
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


def test_a_closed_connection_needs_no_room(site: _Site) -> None:
    """Whatever closed it: none ends for those that are not there any more."""
    first, second, third = site.open_some("192.0.2.1", "192.0.2.1", "192.0.2.1")
    second.socket.close()
    assert site.open("192.0.2.1")
    assert first.is_open
    assert third.is_open


def test_the_end(site: _Site) -> None:
    """All of them are closed."""
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
def test_who_is_one_client(address: str, client: str) -> None:
    """An IPv4 address, or a network of IPv6 that one client has for itself."""
    assert client_of(address) == client


Client = TestClient[web.Request, web.Application]

_LARGE = "x" * (16 * 2**20)
"""More than the buffers of a connection hold."""


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
    """Ask for a page from this address, several times, and read nothing of it."""
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


async def _ask(connections: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    for connection in connections:
        await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


def _buffered(client: Client) -> list[int]:
    """Return how much waits in each connection of the server."""
    assert isinstance(client.server, TestServer)
    assert client.server.runner
    assert client.server.runner.server
    transports = [protocol.transport for protocol in client.server.runner.server.connections]
    return [transport.get_write_buffer_size() for transport in transports if transport]


async def _until(condition: object) -> None:
    while not condition():  # type: ignore[operator]  # noqa: ASYNC110 -- a lambda of each test; nobody tells
        await asyncio.sleep(0.01)


async def test_so_many_at_a_time_and_the_next_is_told() -> None:
    """503 with a sentence for those beyond, and as soon as one has ended the next is answered."""
    go_on = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slow(_: web.Request) -> web.Response:
        begun.release()
        await go_on.wait()
        return web.Response(text="a page")

    async with _serving(bounded(slow, most=2, clock=lambda: 0.0)) as client:
        first = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
        for _ in first:
            await begun.acquire()
        beyond = await client.get("/metrics")
        assert (beyond.status, beyond.headers["Retry-After"]) == (503, "1")
        assert (
            await beyond.text() == "2 such requests are being answered, and no more at a time; try again.\n"
        )
        go_on.set()
        assert [(await task).status for task in first] == [200, 200]
        assert (await client.get("/metrics")).status == 200


async def test_slow_readers_keep_nobody_out() -> None:
    """A scrape ends the oldest of those that have been read slowly for a second, and is answered."""
    now = 0.0
    begun: list[web.Request] = []

    async def scrape(request: web.Request) -> web.StreamResponse:
        begun.append(request)
        return await _large(request) if "User-Agent" not in request.headers else web.Response(text="read")

    async with _serving(bounded(scrape, most=3, clock=lambda: now)) as client:
        with _unread(client, count=3) as slow:
            for number, connection in enumerate(slow):
                await _ask([connection])
                await _until(lambda number=number: len(begun) == number + 1)
                now += 0.4
            assert (await client.get("/metrics")).status == 200  # the first is 1.2 s old
            await _until(lambda: begun[0].transport is None)
            assert [request.transport is None for request in begun[:3]] == [True, False, False]


async def test_a_client_with_many_requests_makes_room_for_others() -> None:
    """However young they are: of the client that has the most, the oldest gives its place to another one."""
    begun: list[web.Request] = []

    async def scrape(request: web.Request) -> web.StreamResponse:
        begun.append(request)
        return await _large(request)

    async with _serving(bounded(scrape, most=4, clock=lambda: 0.0)) as client:
        with _unread(client, "127.0.0.2", 1) as one, _unread(client, "127.0.0.3", 3) as many:
            await _ask([*one, *many])
            await _until(lambda: len(begun) == 4)
            answer = await client.get("/metrics")  # from 127.0.0.1
            assert answer.status == 200
            assert [request.transport is None for request in begun if request.remote == "127.0.0.2"] == [
                False
            ]
            await _until(lambda: [r.transport is None for r in begun if r.remote == "127.0.0.3"].count(True))
            answer.close()


async def test_pages_that_nobody_reads_wait_nowhere() -> None:
    """An answer counts until it is read: of 60 unread ones two are answered, and little is kept of them."""
    async with _serving(bounded(_large, most=2)) as client:
        with _unread(client, count=60) as connections:
            await _ask(connections)
            await _until(lambda: len(_buffered(client)) == 60 and sum(map(bool, _buffered(client))) == 2)
            assert max(_buffered(client)) < 300_000


async def test_pipelined_requests_wait_for_their_reader() -> None:
    """The next request of a connection is answered when the answers before it have been read."""
    answered = 0

    async def small(_: web.Request) -> web.Response:
        nonlocal answered
        answered += 1
        return web.Response(text="x" * 10_000)

    async with _serving(small) as client:
        with _unread(client) as connections:
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            sending = asyncio.ensure_future(
                asyncio.get_running_loop().sock_sendall(connections[0], request * 50_000)
            )
            await _until(lambda: any(buffered > 50_000 for buffered in _buffered(client)))
            before = -1
            while before != answered:
                before = answered
                await asyncio.sleep(0.2)
            assert max(_buffered(client)) < 200_000
            sending.cancel()


def _end(connection: socket.socket) -> bytes:
    """Read until the connection ends, and return the end of what came."""
    end = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**20):
            end = (end + part)[-5:]
    return end


async def test_who_does_not_read_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends without having been read, the place is free again, and nothing is logged of it."""
    begun = asyncio.Event()

    async def scrape(request: web.Request) -> web.StreamResponse:
        begun.set()
        return await _large(request) if request.query else web.Response()

    async with _serving(bounded(scrape, most=1, clock=lambda: 0.0), seconds=0.3) as client:
        with socket.create_connection(("127.0.0.1", client.port or 0), 10) as connection:
            connection.sendall(b"GET /metrics?large=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.wait()
            assert await _status(client) == 503
            while await _status(client) != 200:  # noqa: ASYNC110 -- a page tells nobody
                await asyncio.sleep(0.05)
            await _until(lambda: not _buffered(client))
            assert len(await asyncio.to_thread(_end, connection)) < len(_LARGE), "it looks complete"
    assert not caplog.records


async def _status(client: Client) -> int:
    async with client.get("/metrics", headers={"Connection": "close"}) as answer:
        return answer.status


async def test_a_scrape_that_fails_frees_its_place() -> None:
    """However it ends."""

    async def broken(_: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    async with _serving(bounded(broken, most=1)) as client:
        assert [(await client.get("/metrics")).status for _ in range(3)] == [500] * 3


async def test_a_client_that_leaves_early_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Its answer goes nowhere, and nothing is logged. No TestServer here: that cancels its handlers."""
    asked, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def scrape(request: web.Request) -> web.StreamResponse:
        asked.set()
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
        await asked.wait()
        writer.transport.abort()
        await reader.read()
        gone.set()
        await ended.wait()
        await runner.cleanup()

    assert caplog.records == []


@pytest.mark.parametrize(("descriptors", "most"), [(300, 150), (1024, 500)])
def test_the_limit_leaves_descriptors_for_polling(descriptors: int, most: int) -> None:
    """Half of what the process may open, and 500 at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        assert most_connections() == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
