"""Threads for work that may hang: limited for each purpose, and never awaited at exit.

asyncio's default pool has six threads on two cores, shared by everything, and the interpreter joins it before
it exits. Eight host names whose lookup hung kept a healthy switch's lists from being decoded, and the status
page from being rendered (seen 2026-11).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


class ThreadLimit:
    """Runs blocking work in threads, at most ``size`` at a time.

    Each piece of work has its own daemon thread, so one that never returns occupies one place of this
    purpose, and does not delay the exit. Starting a thread takes some 50 us.
    """

    def __init__(self, purpose: str, size: int) -> None:
        self._purpose = purpose
        self._places = asyncio.Semaphore(size)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what ``work`` returns, or raise what it raises. Raises RuntimeError if no thread starts.

        A cancelled caller stops waiting; the thread continues, and keeps its place until it ends.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future: Future[_Result] = Future()
        future.set_running_or_notify_cancel()  # a cancelled caller must not cancel the work

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 -- raised where the result is awaited
                future.set_exception(error)
            else:
                future.set_result(result)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed, and the program ends
                    loop.call_soon_threadsafe(self._places.release)

        try:
            threading.Thread(target=run, name=self._purpose, daemon=True).start()
        except BaseException:
            self._places.release()
            raise
        return await asyncio.wrap_future(future)
