"""The clocks, passed as an argument to everything that depends on the time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

_JUMP = 1.0
"""Seconds. A smaller step of the wall clock is jitter, or a correction too small to change an age."""


boot_time: Callable[[], float] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)
"""Returns the seconds since boot, including sleep.

On Linux ``time.monotonic`` excludes sleep (clock_gettime(2)). Other systems have no such clock.
"""


@dataclass(slots=True)
class Clock:
    """Three clocks, in seconds.

    ``elapsed()`` is for ages and backoffs, which continue while the machine sleeps. ``monotonic`` is for rate
    limits, timeouts and durations: it stops during sleep, as asyncio's timers do. ``wall`` is for people:
    seconds since 1970. A test that sets only ``monotonic`` simulates a machine that never sleeps.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    boot: Callable[[], float] | None = None
    _boot: Callable[[], float] = field(init=False, repr=False)
    _offset: float | None = field(init=False, repr=False, default=None)
    _jumped: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        is_real = self.monotonic is time.monotonic
        self._boot = self.boot or (boot_time if is_real else self.monotonic)

    def elapsed(self) -> float:
        """Return seconds that never go back, and include the time that the machine was asleep or paused.

        A virtual machine that was paused only sees a forward step of its wall clock, so every forward step
        counts. If the step only corrected a wrong clock, fresh values count as stale, which costs one extra
        request. The opposite error would serve stale values as fresh.
        """
        boot = self._boot()
        offset = self.wall() - boot
        before = offset if self._offset is None else self._offset
        if offset - before > _JUMP:
            # Read again: the process may have been stopped between the two readings.
            boot_again = self._boot()
            offset = self.wall() - boot_again
        if offset - before > _JUMP:
            self._jumped += offset - before
            before = offset
        self._offset = min(offset, before)
        return boot + self._jumped

    def since_boot(self) -> float:
        """Return the seconds since boot, including sleep; the same for every process."""
        return self._boot()
