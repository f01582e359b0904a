"""How much scrapers can make the exporter do at a time."""

import asyncio
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

SCRAPES = 40
"""At a time, as node_exporter has it. A scrape of 100,000 series is 10 MB that wait for who reads slowly."""

SCRAPE_SECONDS = 120.0
"""Longer than anybody's scrape_timeout: who still reads then does not count what was read."""


def bounded(scrape: Handler, most: int = SCRAPES, seconds: float = SCRAPE_SECONDS) -> Handler:
    """Return a handler that answers so many scrapes at a time, and ends one that takes longer than it may."""
    running = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal running
        if running >= most:
            return _come_back(f"{most} scrapes are being answered, and no more are at a time; try again.\n")
        running += 1
        try:
            async with asyncio.timeout(seconds):
                return await scrape(request)
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
