"""An event loop whose clock skips waiting, so that hours of polling take seconds.

The clock stands still while there is work, and jumps to the next timer when the loop would wait. Results
depend on the design and not on the load of the machine. Requests and responses are real, over the loopback.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

Result = TypeVar("Result")

_DELIVERY_TIME = 0.0003
"""Real seconds within which data sent over the loopback arrives."""

_THREAD_STEP = 0.001
"""Real seconds between two looks whether a thread has ended."""


class _SkippingSelector(selectors.DefaultSelector):
    """Advances ``now`` instead of waiting, unless a thread is running or data arrives."""

    now = 1000.0
    executor_jobs = 0

    def __init__(self) -> None:
        super().__init__()
        self._threads_before = set(threading.enumerate())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.executor_jobs:
            return super().select(None)
        if self._threads_are_running():
            return super().select(_THREAD_STEP)
        # With one file, the loop's own, no data can arrive: only what a thread sent before it ended.
        if len(self.get_map()) > 1:
            time.sleep(_DELIVERY_TIME)  # epoll waits at least a millisecond
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready

    def _threads_are_running(self) -> bool:
        """Return whether a thread that the exporter started still runs, apart from idle executor threads."""
        return any(thread.daemon for thread in threading.enumerate() if thread not in self._threads_before)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the seconds of the loop's own clock."""
        return self._skipping.now

    def run_in_executor(  # type: ignore[override]  # the type of the result does not matter here
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread; the clock stops until it ends."""
        self._skipping.executor_jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._end_job)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- as in Python 3.12
        """End the idle threads. The time limit of Python 3.12 and newer would pass at once on this clock."""
        await super().shutdown_default_executor()

    def _end_job(self, _: object) -> None:
        self._skipping.executor_jobs -= 1


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a loop in which waiting takes no time."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(scenario)


async def wait_until_empty(remaining: Callable[[], Collection[object]], seconds: float, step: float) -> None:
    """Wait until nothing remains, or raise AssertionError after ``seconds``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while left := remaining():
        assert loop.time() <= end, left
        await asyncio.sleep(step)
