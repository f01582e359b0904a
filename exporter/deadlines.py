"""A time limit for each of many requests, and one timer for all of them."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


class Deadlines:
    """Ends what takes longer than ``seconds``.

    Why not ``asyncio.timeout`` alone: it sets a timer for each request, and takes it back when the answer is
    there, which is a twentieth of what a request costs (docs/performance.md). Here all have one limit, so
    who began first ends first, and one timer, for that one, will do.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Timeout, float] = {}  # oldest first
        self._alarm: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[_Result]) -> _Result:
        """Return what ``work`` returns; cancel it where that takes too long, and raise TimeoutError."""
        async with asyncio.timeout(None) as limit:
            loop = asyncio.get_running_loop()
            self._ends[limit] = loop.time() + self.seconds
            if self._alarm is None:
                self._alarm = loop.call_later(self.seconds, self._ring, loop)
            try:
                return await work
            finally:
                self._ends.pop(limit, None)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        for limit, end in list(self._ends.items()):
            if end > loop.time():
                self._alarm = loop.call_at(end, self._ring, loop)
                return
            del self._ends[limit]
            limit.reschedule(end)  # which is over: it ends now
