"""How much scrapers and browsers can make the exporter do at a time."""

import asyncio
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

SCRAPES = 40
"""At a time, as node_exporter has it. A scrape of 100,000 series is 10 MB that wait for who reads slowly."""

STATUSES = 8
"""At a time. One of 5,000 tenants takes a tenth of a second of CPU (2026-11)."""

SCRAPE_SECONDS = 120.0
"""Longer than anybody's scrape_timeout: who still reads then does not count what was read."""


def bounded(handler: Handler, most: int = SCRAPES, seconds: float = SCRAPE_SECONDS) -> Handler:
    """Return a handler that answers so many requests at a time, and ends one that takes too long."""
    running = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal running
        if running >= most:
            return _come_back(f"{most} such requests are being answered, and no more at a time; try again.\n")
        running += 1
        try:
            async with asyncio.timeout(seconds):
                return await handler(request)
        except TimeoutError:
            # Closing would wait until everything that was written is read, which may be never.
            if request.transport:
                request.transport.abort()
            return _come_back("")
        finally:
            running -= 1

    return handle


def _come_back(sentence: str) -> web.Response:
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=sentence, headers={hdrs.RETRY_AFTER: "1"})
