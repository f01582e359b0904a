"""Clocks of a process that stop while there is work to do, and jump to the next timer when it is idle.

``install`` replaces the clocks of the standard library, ``start`` the event loop. Requests and responses are
real and use the loopback interface. An hour of polling takes seconds, and the load of the machine does not
change what is recorded.
"""

import asyncio
import datetime as dt
import fcntl
import heapq
import itertools
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from typing import Any

EPOCH = 1_700_000_000.0
"""Seconds since 1970 at which the virtual clock starts: 2023-11-14, 22:13:20 UTC, a Tuesday."""

START = 1000.0
"""The monotonic clock at the start."""

_TRANSIT = 0.002
"""Real seconds after which bytes sent over the loopback interface have arrived."""

_STALLED = 0.3
"""Real seconds after which a receiver that reads nothing does so on purpose."""

_SIOCOUTQNSD = 0x894B
"""The ioctl of Linux for the bytes not sent yet."""

_real_monotonic = time.monotonic

_DIGITS = 6
"""Timers due in the same microsecond run in the order in which they were set, despite rounding errors."""

_TICK = 10.0**-_DIGITS

Companion = Callable[[], Coroutine[Any, Any, None]]


class _Now:
    monotonic = START


def monotonic() -> float:
    """Return the seconds of the virtual clock."""
    return _Now.monotonic


def wall() -> float:
    """Return seconds since 1970 of the virtual clock."""
    return EPOCH + _Now.monotonic - START


def _unsent(descriptor: int) -> int:
    """Return how many bytes the kernel has not sent yet."""
    try:
        count = fcntl.ioctl(descriptor, _SIOCOUTQNSD, b"\0\0\0\0")
    except OSError:  # not a connected socket
        return 0
    return int.from_bytes(count, sys.byteorder)


_PERMANENT_THREADS = {"watchdog", "output"}
"""Threads of the exporter that run until it exits. All other daemon threads end with a piece of work."""


class _Selector(selectors.DefaultSelector):
    """Advances the clock instead of waiting, unless a thread is running or data may be in transit."""

    executor_jobs = 0
    is_idle = False
    """Whether nothing can be in transit: the last wait found nothing, and nothing was sent since."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            self.is_idle = False
            return ready
        if timeout is not None and timeout <= 0:
            return ready
        if timeout is None or self.executor_jobs:
            self.is_idle = False
            return super().select(None)
        if any(thread.daemon and thread.name not in _PERMANENT_THREADS for thread in threading.enumerate()):
            self.is_idle = False
            return super().select(_TRANSIT)
        if not self.is_idle:
            if ready := self._in_transit():
                return ready
            self.is_idle = True
        _Now.monotonic = round(_Now.monotonic + timeout, _DIGITS)
        return ready

    def _in_transit(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what arrives while the clock is stopped. Part of a long body waits for the receiver."""
        ready, end = super().select(_TRANSIT), _real_monotonic() + _STALLED
        while not ready and self._has_unsent() and _real_monotonic() < end:
            ready = super().select(_TRANSIT)
        return ready

    def _has_unsent(self) -> bool:
        keys = self.get_map().values()
        return any(key.events & selectors.EVENT_WRITE or _unsent(key.fd) for key in keys)

    def register(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_idle = False
        return super().register(*arguments)

    def modify(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_idle = False
        return super().modify(*arguments)

    def unregister(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_idle = False
        return super().unregister(*arguments)


class _Timer(asyncio.TimerHandle):
    number = 0
    _scheduled: bool

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.number) < (other.when(), other.number)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on the virtual clock."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._clock_resolution = _TICK / 2
        self._numbers = itertools.count()
        _watch_sending(self._virtual)

    def time(self) -> float:
        """Return the seconds of the virtual clock."""
        return _Now.monotonic

    def call_at(  # type: ignore[override]  # the signature of the standard library has more names
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a time of the virtual clock. Calls at the same time run in the order they were set."""
        now, moment = self.time(), round(when, _DIGITS)
        if moment <= now < when:  # rounded down to now: a caller that waits for ``when`` would loop
            moment = round(now + _TICK, _DIGITS)
        timer = _Timer(moment, callback, args, self, context)
        timer.number = next(self._numbers)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def run_in_executor(  # type: ignore[override]  # the result type does not matter here
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread; the clock is stopped until it has ended."""
        self._virtual.executor_jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._end_thread)
        return future

    def _end_thread(self, _: object) -> None:
        self._virtual.executor_jobs -= 1


def _watch_sending(selector: _Selector) -> None:
    send = socket.socket.send

    def sending(*arguments: Any) -> int:
        selector.is_idle = False
        return send(*arguments)

    socket.socket.send = sending  # type: ignore[method-assign]  # data may be in transit after every call


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, companion: Companion) -> None:
        super().__init__()
        self._companion = companion
        self._task: asyncio.Task[None] | None = None

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = VirtualLoop()
        self._task = loop.create_task(self._companion(), name="companion")
        return loop


class _RealInstances(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


_REAL = dt.datetime


class _VirtualDatetime(_REAL, metaclass=_RealInstances):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return _REAL.fromtimestamp(wall(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _REAL.fromtimestamp(wall(), dt.UTC).replace(tzinfo=None)


def install() -> None:
    """Replace the clocks of this process. Call it before a module of the program is imported."""
    time.monotonic = time.perf_counter = monotonic
    time.time = wall
    time.clock_gettime = lambda clock: wall() if clock == time.CLOCK_REALTIME else monotonic()
    time.thread_time = time.process_time = lambda: 0.0
    dt.datetime = _VirtualDatetime  # type: ignore[misc]  # the purpose of this module


def start(companion: Companion) -> None:
    """Make event loops of this process use the virtual clock, and run ``companion`` as their first task."""
    asyncio.set_event_loop_policy(_Policy(companion))
