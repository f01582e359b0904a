"""Threads for work that may hang: bounded for each purpose, and never waited for at exit.

asyncio's own pool has six threads on two cores, shared by everything. Eight names whose lookup hung kept a
healthy switch's lists from being decoded and the page from being built (seen 2026-11), and the interpreter
joins that pool before it exits.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class ThreadLimit:
    """Runs blocking work in threads, at most ``size`` at a time; further work waits for its turn.

    Each piece of work has a daemon thread of its own, so one that never returns costs one place of its
    own purpose, and does not delay the exit. Starting a thread takes some 50 us.
    """

    def __init__(self, purpose: str, size: int) -> None:
        self._executor = _DaemonThreads(purpose)
        self._places = asyncio.Semaphore(size)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what ``work`` returns, or raise what it raises.

        A caller that is cancelled stops waiting; the thread goes on and keeps its place until it ends.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        try:
            result = loop.run_in_executor(self._executor, self._keeping_place(work, loop))
        except _NotStartedError as error:
            self._places.release()
            raise RuntimeError("no thread can be started") from error
        except BaseException:
            self._places.release()
            raise
        return await result

    def _keeping_place(
        self, work: Callable[[], _Result], loop: asyncio.AbstractEventLoop
    ) -> Callable[[], _Result]:
        def keep() -> _Result:
            try:
                return work()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
                    loop.call_soon_threadsafe(self._places.release)

        return keep


class _NotStartedError(Exception):
    """The system starts no further thread."""


class _DaemonThreads(Executor):
    """Starts a daemon thread for each piece of work."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose

    def submit(
        self, fn: Callable[_Arguments, _Result], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Future[_Result]:
        future: Future[_Result] = Future()
        future.set_running_or_notify_cancel()  # a caller that stops waiting does not cancel the work
        work = partial(_run, future, partial(fn, *args, **kwargs))
        try:
            threading.Thread(target=work, name=self._purpose, daemon=True).start()
        except RuntimeError as error:
            raise _NotStartedError from error
        return future


def _run(future: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 -- it is raised where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
