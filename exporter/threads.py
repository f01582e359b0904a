"""Threads for work that may hang: bounded for each purpose, and never waited for at exit.

asyncio's own pool has six threads on two cores, shared by everything. Eight names whose lookup hung kept a
healthy switch's lists from being decoded and the page from being built (seen 2026-11), and the interpreter
joins that pool before it exits.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


class ThreadLimit:
    """Runs blocking work in threads, at most ``size`` at a time; further work waits for its turn.

    Each piece of work has a daemon thread of its own, so one that never returns costs one place of its
    own purpose, and does not delay the exit. Starting a thread takes some 50 us.
    """

    def __init__(self, purpose: str, size: int) -> None:
        self._purpose = purpose
        self._places = asyncio.Semaphore(size)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what ``work`` returns, or raise what it raises.

        A caller that is cancelled stops waiting; the thread goes on and keeps its place until it ends.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Result] = loop.create_future()

        def finish(settle: Callable[[], None]) -> None:
            self._places.release()
            if not done.done():  # the caller was cancelled
                settle()

        def in_thread() -> None:
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 -- it is raised where the result is awaited
                error = raised
                outcome: Callable[[], None] = lambda: done.set_exception(error)  # noqa: E731 -- one of two
            else:
                outcome = lambda: done.set_result(result)  # noqa: E731 -- likewise
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
                loop.call_soon_threadsafe(finish, outcome)

        try:
            threading.Thread(target=in_thread, name=self._purpose, daemon=True).start()
        except BaseException:
            self._places.release()
            raise
        return await done
