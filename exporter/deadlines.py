"""A time limit for each of many requests, and one timer for all of them."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


class Deadlines:
    """Ends what takes longer than ``seconds``.

    Why not ``asyncio.timeout``: it sets a timer for each request and takes it back, a fifteenth of what a
    request costs (docs/performance.md). Here all have one limit: who began first ends first, and one timer,
    for that one, will do.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Task[object], float] = {}  # of what goes on, oldest first
        self._alarm: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[_Result]) -> _Result:
        """Return what ``work`` returns; cancel it where that takes too long, and raise TimeoutError.

        A task has one such limit at a time.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 -- for the type checker: a coroutine that runs is in one
        cancelled_before = task.cancelling()
        self._ends[task] = loop.time() + self._seconds
        if self._alarm is None:
            self._alarm = loop.call_later(self._seconds, self._ring, loop)
        try:
            return await work
        except asyncio.CancelledError:
            # As in asyncio.Timeout: a task that somebody else has cancelled as well is to end.
            if task not in self._ends and task.cancelling() == cancelled_before + 1:
                raise TimeoutError from None
            raise
        finally:
            if self._ends.pop(task, None) is None:
                task.uncancel()

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        for task, end in list(self._ends.items()):
            if end > loop.time():
                self._alarm = loop.call_at(end, self._ring, loop)
                return
            del self._ends[task]
            task.cancel()
