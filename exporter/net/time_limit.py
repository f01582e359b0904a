"""A time limit for many concurrent requests, with one timer for all of them.

``asyncio.timeout`` has a timer for each request, which took a tenth of the CPU time of polling (2026-12).
Requests with the same limit expire in the order in which they started, so a timer for the oldest is enough.
"""

import asyncio
from types import TracebackType


class TimeLimit:
    """Limits requests to ``seconds`` each. ``with TimedRequest(limit): ...`` is as ``asyncio.timeout``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadlines: dict[TimedRequest, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: "TimedRequest") -> None:
        """Start the time of a request."""
        loop = asyncio.get_running_loop()
        self._deadlines[request] = deadline = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)

    def remove(self, request: "TimedRequest") -> None:
        """Stop the time of a request, if it has not expired."""
        self._deadlines.pop(request, None)

    def _expire(self) -> None:
        """Cancel the requests whose time has expired, and set the timer for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._deadlines:
            request, deadline = next(iter(self._deadlines.items()))
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._expire)
                return
            del self._deadlines[request]
            request.expire()


class TimedRequest:
    """The part of a task that is cancelled after the time of ``limit``, and then raises TimeoutError."""

    __slots__ = ("_cancellations", "_is_expired", "_limit", "_task")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._is_expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancellations = task.cancelling()
        self._limit.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limit.remove(self)
        # As in asyncio.timeout: if the task was also cancelled from outside, it stays cancelled.
        is_only_one = self._is_expired and self._task.uncancel() <= self._cancellations
        if is_only_one and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task."""
        self._is_expired = True
        self._task.cancel()
