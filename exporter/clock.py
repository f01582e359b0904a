"""The clocks, as an argument: nothing that decides reads the time behind one's back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

_JUMP = 1.0
"""Seconds. A smaller step of the wall clock is jitter of reading it, or a correction that changes no age."""


boot_time: Callable[[], float] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)
"""Returns the seconds since boot, time asleep included.

On Linux ``time.monotonic`` stands still meanwhile (clock_gettime(2)); elsewhere there is no other clock.
"""


@dataclass(slots=True)
class Clock:
    """Three clocks, in seconds.

    ``elapsed()`` is for ages, backoffs and whatever else goes on while the machine sleeps. ``monotonic`` is
    for rate limits, timeouts and durations: it stands still while the machine sleeps, as asyncio's timers do.
    ``wall`` is for people: seconds since 1970. A test that sets ``monotonic`` alone has a machine that never
    sleeps.
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
        """Return seconds that never go back, and go on while the machine sleeps or is paused.

        All that a virtual machine sees of having been paused is that its wall clock is set forward later. So
        every forward step of the wall clock counts. It may as well be the correction of a wrong clock, but to
        take good values for old costs one request more, and to take old values for good is wrong.
        """
        boot = self._boot()
        offset = self.wall() - boot
        before = offset if self._offset is None else self._offset
        if offset - before > _JUMP:
            # Once more: the process may have been stopped between the two readings.
            offset = self._wall_offset()
        if offset - before > _JUMP:
            self._jumped += offset - before
            before = offset
        self._offset = min(offset, before)
        return boot + self._jumped

    def since_boot(self) -> float:
        """Return the seconds since boot, time asleep included: the same for every process."""
        return self._boot()

    def _wall_offset(self) -> float:
        boot = self._boot()
        return self.wall() - boot
