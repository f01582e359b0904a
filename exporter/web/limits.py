"""Limits on connections, on concurrent requests and on the duration of a request.

Each connection uses a file descriptor. Without a limit, 1,024 idle clients left none for switches, files and
scrapes (seen 2026-11).
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
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

SCRAPES = 40
"""Concurrent scrapes, as in node_exporter. A slow reader's scrape of 100,000 series holds 10 MB."""

STATUSES = 8
"""Concurrent requests for the status. A status with 5,000 tenants takes 0.1 s of CPU (2026-11)."""

REQUEST_SECONDS = 120.0
"""Maximum duration of a request: longer than any scrape_timeout, so the reader has already given up."""

_MOST_CONNECTIONS = 500
_DESCRIPTORS = 65_536
_PROTECTED = 1.0
"""Seconds for which a new request does not end a running one: most scrapes are finished by then."""

# The standard library's logger: exporter.logs limits how often it repeats a line.
_log = logging.getLogger("exporter.web.connection")


@dataclass(eq=False, slots=True)
class Connection:
    """An open connection. ``end`` closes it at once, without waiting for its client."""

    socket: socket.socket
    client: str
    active_at: float
    end: Callable[[], object]
    requests: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it still has its file descriptor."""
        return self.socket.fileno() >= 0


class Connections:
    """The open connections, at most ``most``."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._by_descriptor: dict[int, Connection] = {}

    def admit(self, sock: socket.socket, address: str) -> Connection | None:
        """Return a new connection, or None if it must be refused.

        Beyond the limit, a connection of the client with the most connections is closed: its longest idle
        connection, or else the one with the oldest request.
        """
        if len(self._by_descriptor) >= self._most:
            self._by_descriptor = {n: one for n, one in self._by_descriptor.items() if one.is_open}
        if len(self._by_descriptor) >= self._most and not self.end_one():
            _log.warning("connection refused: all others are busy")
            return None
        connection = Connection(sock, client_of(address), self._clock(), sock.close)
        self._by_descriptor[sock.fileno()] = connection
        return connection

    def end_one(self) -> bool:
        """End the least useful connection; return whether there was one."""
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
        _log.warning("too many connections: closed the one that was idle for longest")
        self._by_descriptor.pop(min(candidates)[2]).end()
        return True

    @contextlib.contextmanager
    def request(self, descriptor: int) -> Iterator[None]:
        """Mark a connection as busy with a request."""
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
        """End all connections."""
        for connection in self._by_descriptor.values():
            if connection.is_open:
                connection.end()
        self._by_descriptor = {}


def client_of(address: str) -> str:
    """Return the key of a client: its IPv4 address, or its IPv6 /64, which usually belongs to one client."""
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
    """Raise this process's limit on file descriptors to the maximum, up to 65,536, as Go does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Return the limit on connections: half of the file descriptors, and 500 at most.

    The other half is for switches, Alertmanagers and files.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(_MOST_CONNECTIONS, soft // 2))


@dataclass(frozen=True, eq=False, slots=True)
class _Running:
    request: web.Request
    client: str
    since: float


def bounded(handler: Handler, most: int = SCRAPES, clock: Callable[[], float] = time.monotonic) -> Handler:
    """Limit the concurrent requests of a handler.

    Beyond the limit, the oldest request of the client with the most requests is aborted, so that slow readers
    do not block others. If no request is older than a second, and no client has more than its share, the new
    request is refused. The handler must write its whole response: a request counts only until it returns.
    """
    running: set[_Running] = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        new = _Running(request, client_of(request.remote or ""), clock())
        if len(running) >= most:
            slowest = _slowest(running, new)
            if slowest is None:
                return web.Response(
                    status=HTTPStatus.SERVICE_UNAVAILABLE,
                    text=f"Too many concurrent requests for this page: the limit is {most}. Try again.\n",
                    headers={hdrs.RETRY_AFTER: "1"},
                )
            _log.warning("too many concurrent requests: ended the oldest one")
            running.discard(slowest)
            _abort(slowest.request)
        running.add(new)
        try:
            return await handler(request)
        finally:
            running.discard(new)

    return handle


def _slowest(running: Collection[_Running], new: _Running) -> _Running | None:
    counts = Counter(one.client for one in running)
    most = max(counts.values())
    if counts[new.client] + 1 < most:
        candidates = [one for one in running if counts[one.client] == most]
    else:
        candidates = [one for one in running if new.since - one.since >= _PROTECTED]
    return min(candidates, key=lambda one: one.since, default=None)


def _abort(request: web.Request) -> None:
    # Closing would wait until the client has read everything, which may be never.
    if request.transport:
        request.transport.abort()


def limit_duration(
    application: web.Application, connections: Connections, seconds: float = REQUEST_SECONDS
) -> None:
    """Limit the time of a request until its response is written and little of it is unread.

    aiohttp itself would start the next request of a connection with any number of unread responses.
    """

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        sock = request.get_extra_info("socket")
        with connections.request(sock.fileno() if sock else -1):
            try:
                async with asyncio.timeout(seconds):
                    return await _finished(request, handler)
            except (TimeoutError, ConnectionError):  # ConnectionError: the client left early
                _abort(request)
                return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)

    application.middlewares.append(limited)


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
