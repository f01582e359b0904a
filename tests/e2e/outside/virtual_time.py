"""Clocks of one process that stand still while there is work to do, and jump where it would wait.

``install`` exchanges the clocks of the standard library, ``start`` the event loop. Requests and answers are
real, over the loopback. So an hour of polling takes seconds, and what is recorded does not depend on how busy
the machine is.
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
"""What the monotonic clock shows at the start."""

_ON_ITS_WAY = 0.002
"""Real seconds after which what was sent over the loopback has arrived."""

_LONGEST_WAY = 0.3
"""Real seconds after which a receiver that takes nothing does so on purpose."""

_BYTES_NOT_SENT = 0x894B
"""SIOCOUTQNSD of Linux."""

_real_monotonic = time.monotonic

_DIGITS = 6
"""Timers of one microsecond run in the order in which they were set, whatever the last bits of a sum are."""

_TICK = 10.0**-_DIGITS

Companion = Callable[[], Coroutine[Any, Any, None]]


class _Now:
    monotonic = START


def monotonic() -> float:
    """Return seconds of the virtual clock."""
    return _Now.monotonic


def wall() -> float:
    """Return seconds since 1970 of the virtual clock."""
    return EPOCH + _Now.monotonic - START


def _unsent(descriptor: int) -> int:
    """Return the bytes that the kernel has not sent yet."""
    try:
        answer = fcntl.ioctl(descriptor, _BYTES_NOT_SENT, b"\0\0\0\0")
    except OSError:  # no socket that is connected
        return 0
    return int.from_bytes(answer, sys.byteorder)


_PERMANENT_THREADS = {"watchdog", "output"}
"""Threads of the exporter that run until it exits. All of its other threads end with a piece of work."""


class _Selector(selectors.DefaultSelector):
    """Moves the clock instead of waiting, unless a thread has work or data may be on its way."""

    threads = 0
    is_quiet = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            self.is_quiet = False
            return ready
        if timeout is not None and timeout <= 0:
            return ready
        if timeout is None or self.threads:
            self.is_quiet = False
            return super().select(None)
        if any(thread.daemon and thread.name not in _PERMANENT_THREADS for thread in threading.enumerate()):
            self.is_quiet = False
            return super().select(_ON_ITS_WAY)
        if not self.is_quiet:
            ready = self._arriving()
            if ready:
                return ready
            self.is_quiet = True
        _Now.monotonic = round(_Now.monotonic + timeout, _DIGITS)
        return ready

    def _arriving(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what becomes ready without the clock. Of a long body a part waits for the receiver."""
        ready, end = super().select(_ON_ITS_WAY), _real_monotonic() + _LONGEST_WAY
        while not ready and self._has_unsent() and _real_monotonic() < end:
            ready = super().select(_ON_ITS_WAY)
        return ready

    def _has_unsent(self) -> bool:
        keys = self.get_map().values()
        return any(key.events & selectors.EVENT_WRITE or _unsent(key.fd) for key in keys)

    def register(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_quiet = False
        return super().register(*arguments)

    def modify(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_quiet = False
        return super().modify(*arguments)

    def unregister(self, *arguments: Any) -> selectors.SelectorKey:
        self.is_quiet = False
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
        """Return seconds of the virtual clock."""
        return _Now.monotonic

    def call_at(  # type: ignore[override]  # the signature of the standard library has more names
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a moment of the virtual clock; calls of one moment run in the order of their arrival."""
        now, moment = self.time(), round(when, _DIGITS)
        if moment <= now < when:  # whoever waits for the last bits of a sum must not wait again for them
            moment = round(now + _TICK, _DIGITS)
        timer = _Timer(moment, callback, args, self, context)
        timer.number = next(self._numbers)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def run_in_executor(  # type: ignore[override]  # what a thread returns is of no interest here
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread; the clock stands still until it has ended."""
        self._virtual.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._end_thread)
        return future

    def _end_thread(self, _: object) -> None:
        self._virtual.threads -= 1


def _watch_sending(selector: _Selector) -> None:
    send = socket.socket.send

    def sending(*arguments: Any) -> int:
        selector.is_quiet = False
        return send(*arguments)

    socket.socket.send = sending  # type: ignore[method-assign]  # a recorder sees every sending


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, companion: Companion) -> None:
        super().__init__()
        self._companion = companion
        self._task: asyncio.Task[None] | None = None

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = VirtualLoop()
        self._task = loop.create_task(self._companion(), name="companion")
        return loop


class _OfRealClass(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


_REAL = dt.datetime


class _VirtualDatetime(_REAL, metaclass=_OfRealClass):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return _REAL.fromtimestamp(wall(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _REAL.fromtimestamp(wall(), dt.UTC).replace(tzinfo=None)


def install() -> None:
    """Exchange the clocks of this process, before any module of the program is loaded."""
    time.monotonic = time.perf_counter = monotonic
    time.time = wall
    time.clock_gettime = lambda clock: wall() if clock == time.CLOCK_REALTIME else monotonic()
    time.thread_time = time.process_time = lambda: 0.0
    dt.datetime = _VirtualDatetime  # type: ignore[misc]  # it is what this module is for


def start(companion: Companion) -> None:
    """Let every event loop of this process go by the virtual clock, and run ``companion`` first of all."""
    asyncio.set_event_loop_policy(_Policy(companion))
