"""How many connections there may be, and how many requests at a time.

Each connection holds a file descriptor. Without a limit 1,024 idle clients left none for the switches, for
files and for scrapes (seen 2026-11).
"""

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

SCRAPES = 40
"""At a time, as node_exporter has it. A scrape of 100,000 series is 10 MB that wait for who reads slowly."""

STATUSES = 8
"""At a time. One of 5,000 tenants takes a tenth of a second of CPU (2026-11)."""

REQUEST_SECONDS = 120.0
"""Longer than anybody's scrape_timeout: who still reads then does not count what was read."""

_MOST_CONNECTIONS = 500
_DESCRIPTORS = 65_536
_PROTECTED = 1.0
"""Seconds for which a request is not ended in favor of a new one: most scrapes are read by then."""


class Connection:
    """One of them. ``end`` closes it at once, without waiting for its client."""

    __slots__ = ("active_at", "client", "end", "requests", "socket")

    def __init__(self, sock: socket.socket, client: str, now: float) -> None:
        self.socket = sock
        self.client = client
        self.active_at = now
        self.requests = 0
        self.end: Callable[[], object] = sock.close

    @property
    def is_open(self) -> bool:
        """Whether it still holds its file descriptor."""
        return self.socket.fileno() >= 0


class Connections:
    """All of them, at most ``most``."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._by_descriptor: dict[int, Connection] = {}
        # The standard library's: exporter.logs limits how often its lines are repeated.
        self._log = logging.getLogger("exporter.web.connection")

    def admit(self, sock: socket.socket, address: str) -> Connection | None:
        """Return a new connection; None, and nothing is kept, where it must be refused.

        Beyond the limit, another connection is ended: of the client with the most connections, the one that
        has been idle for longest, or else the one whose request has been running for longest.
        """
        client = client_of(address)
        if len(self._by_descriptor) >= self._most:
            self._by_descriptor = {n: open_ for n, open_ in self._by_descriptor.items() if open_.is_open}
        if len(self._by_descriptor) >= self._most and not self.end_one():
            self._log.warning("connection refused: all others are busy")
            return None
        connection = Connection(sock, client, self._clock())
        self._by_descriptor[sock.fileno()] = connection
        return connection

    def end_one(self) -> bool:
        """End the connection that is needed least; return whether there was one."""
        now = self._clock()
        counts = Counter(connection.client for connection in self._by_descriptor.values())
        most = max(counts.values(), default=0)
        candidates = [
            (connection.requests > 0, connection.active_at, descriptor)
            for descriptor, connection in self._by_descriptor.items()
            if counts[connection.client] == most
            and (not connection.requests or now - connection.active_at >= _PROTECTED)
        ]
        if not candidates:
            return False
        self._log.warning("too many connections: the one that has been idle for longest is ended")
        self._by_descriptor.pop(min(candidates)[2]).end()
        return True

    @contextlib.contextmanager
    def request(self, descriptor: int) -> Iterator[None]:
        """Take note that a request of a connection is being answered."""
        connection = self._by_descriptor.get(descriptor)
        if connection is None:
            yield
            return
        connection.requests += 1
        connection.active_at = self._clock()
        try:
            yield
        finally:
            connection.requests -= 1
            connection.active_at = self._clock()

    def close(self) -> None:
        """End all of them."""
        for connection in self._by_descriptor.values():
            if connection.is_open:
                connection.end()
        self._by_descriptor = {}


def client_of(address: str) -> str:
    """Return the key of a client: its IPv4 address, or its /64 of IPv6, which one client has for itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def raise_descriptor_limit() -> None:
    """Let this process have as many file descriptors as it may, up to 65,536, as programs in Go do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Return how many connections of clients there may be: half of the file descriptors, and 500 at most.

    The other half is for the switches, for Alertmanagers and for files.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(_MOST_CONNECTIONS, soft // 2))


class _Running:
    """A request that is being answered. ``end`` aborts its connection."""

    __slots__ = ("client", "end", "since")

    def __init__(self, request: web.Request, now: float) -> None:
        self.client = client_of(request.remote or "")
        self.since = now
        transport = request.transport
        self.end = transport.abort if transport else lambda: None


def bounded(handler: Handler, most: int = SCRAPES, clock: Callable[[], float] = time.monotonic) -> Handler:
    """Return a handler that answers so many requests at a time.

    One more ends the oldest request of the client that has the most of them, so that slow readers keep nobody
    out. Where none is older than a second, and no client has more than its share, it is refused. A handler
    has to write its whole answer: what aiohttp writes afterwards is not counted.
    """
    running: set[_Running] = set()
    log = logging.getLogger("exporter.web.connection")  # lines of it that repeat are limited

    async def handle(request: web.Request) -> web.StreamResponse:
        one = _Running(request, clock())
        if len(running) >= most:
            slowest = _slowest(running, one)
            if slowest is None:
                return _too_many(most)
            log.warning("too many requests at a time: the oldest one is ended")
            running.discard(slowest)
            slowest.end()
        running.add(one)
        try:
            return await handler(request)
        finally:
            running.discard(one)

    return handle


def _slowest(running: Collection[_Running], newcomer: _Running) -> _Running | None:
    """Return the request to end in favor of a new one."""
    counts = Counter(one.client for one in running)
    most = max(counts.values())
    if counts[newcomer.client] + 1 < most:
        candidates = [one for one in running if counts[one.client] == most]
    else:
        candidates = [one for one in running if newcomer.since - one.since >= _PROTECTED]
    return min(candidates, key=lambda one: one.since, default=None)


def limit_duration(
    application: web.Application, connections: Connections, seconds: float = REQUEST_SECONDS
) -> None:
    """Let each request take so long at most, until its answer is on its way and little of it is unread.

    aiohttp would take up the next request of a connection while any number of answers are unread.
    """

    @web.middleware
    async def finished(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        sock = transport.get_extra_info("socket") if transport else None
        with connections.request(sock.fileno() if sock else -1):
            try:
                async with asyncio.timeout(seconds):
                    return await _finished(request, handler)
            except (TimeoutError, ConnectionError):  # the latter: the client left before it had read all
                # Closing would wait until everything that was written is read, which may be never.
                if request.transport:
                    request.transport.abort()
                return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)

    application.middlewares.append(finished)


async def _finished(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        await _write(request, error)
        raise
    await _write(request, response)
    return response


async def _write(request: web.Request, response: web.StreamResponse) -> None:
    await response.prepare(request)
    await response.write_eof()
    await request.writer.drain()


def _too_many(most: int) -> web.Response:
    return web.Response(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        text=f"{most} such requests are being answered, and no more at a time; try again.\n",
        headers={hdrs.RETRY_AFTER: "1"},
    )
