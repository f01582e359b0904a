"""How much scrapers and browsers can make the exporter do at a time."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.web.connections import Connections, client_of

SCRAPES = 40
"""At a time, as node_exporter has it. A scrape of 100,000 series is 10 MB that wait for who reads slowly."""

STATUSES = 8
"""At a time. One of 5,000 tenants takes a tenth of a second of CPU (2026-11)."""

REQUEST_SECONDS = 120.0
"""Longer than anybody's scrape_timeout: who still reads then does not count what was read."""

_FRESH = 1.0
"""Seconds for which a request may take its place from no other one: most scrapes are read by then."""


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
                return _come_back(most)
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
    """Return the request that gives its place to a newcomer."""
    counts = Counter(one.client for one in running)
    most = max(counts.values())
    if counts[newcomer.client] + 1 < most:
        candidates = [one for one in running if counts[one.client] == most]
    else:
        candidates = [one for one in running if newcomer.since - one.since >= _FRESH]
    return min(candidates, key=lambda one: one.since, default=None)


def finish_each(
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


def _come_back(most: int) -> web.Response:
    return web.Response(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        text=f"{most} such requests are being answered, and no more at a time; try again.\n",
        headers={hdrs.RETRY_AFTER: "1"},
    )
