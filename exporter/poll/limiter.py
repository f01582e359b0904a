"""Limits how many requests are in flight and how many are sent per second.

A request needs one of a fixed number of slots while it is in flight. Slots are granted in order of arrival,
except that

- installation-wide queries may not take all slots, and neither may tenant queries: one slot is always left
  for the other kind, and
- tenants whose newest request timed out share a quarter of the slots: otherwise a few hanging tenants would
  fill all slots until the timeout.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

_TIMER_SLACK = 0.02
"""Seconds of delay that the next requests make up for. Timers always fire a little late. Without this,
the delays would add up, and the actual rate would stay below the limit."""


class Lane(StrEnum):
    """The kind of target that needs a slot."""

    SWITCH = "switch"
    TENANT = "tenant"
    SUSPECT = "suspect"  # a tenant whose newest request timed out


class Limiter:
    """Grants at most ``size`` slots at a time, and at most ``rate`` per second.

    ``shared``: both installation-wide queries and tenant queries are polled. If ``size`` is 1, both use the
    one slot in order of arrival. ``in_flight``: the number of taken slots.
    """

    def __init__(self, size: int, rate: float, monotonic: Callable[[], float], *, shared: bool) -> None:
        self.configure(size, rate, shared=shared)
        self._monotonic = monotonic
        self.in_flight = 0
        self._taken = dict.fromkeys(Lane, 0)
        self._next_start = float("-inf")
        self._waiting: dict[asyncio.Future[None], Lane] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def configure(self, size: int, rate: float, *, shared: bool) -> None:
        """Change the limits; requests in flight keep their slots."""
        self._size = size
        self._size_of_scope = max(1, size - 1) if shared else size
        self._size_of_suspects = max(1, size // 4)
        self._gap = 1 / rate

    def is_full(self, lane: Lane) -> bool:
        """Return whether a request in this lane has to wait for another one to end."""
        of_switch = self._taken[Lane.SWITCH]
        if self.in_flight >= self._size:
            return True
        if lane is Lane.SWITCH:
            return of_switch >= self._size_of_scope
        of_tenants = self.in_flight - of_switch
        return of_tenants >= self._size_of_scope or (lane is Lane.SUSPECT and self.suspects_are_full)

    @property
    def suspects_are_full(self) -> bool:
        """Whether all slots for tenants that time out are taken."""
        return self._taken[Lane.SUSPECT] >= self._size_of_suspects

    async def acquire(self, lane: Lane) -> None:
        """Wait for a slot and for the rate limit. Call ``release`` when the request has ended."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting[granted] = lane
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if self._waiting.pop(granted, None) is None:  # granted, and then cancelled
                self.release(lane)
            raise

    def release(self, lane: Lane) -> None:
        """Free a slot."""
        self.in_flight -= 1
        self._taken[lane] -= 1
        self._grant()

    def _grant(self) -> None:
        while self._alarm is None and self.in_flight < self._size:
            for granted, lane in self._waiting.items():
                # A future that is done was cancelled; its `acquire` has not removed it yet.
                if not granted.done() and not self.is_full(lane):
                    break
            else:
                return
            now = self._monotonic()
            if self._next_start > now:
                self._alarm = asyncio.get_running_loop().call_later(self._next_start - now, self._ring)
                return
            del self._waiting[granted]
            self.in_flight += 1
            self._taken[lane] += 1
            self._next_start = max(self._next_start, now - _TIMER_SLACK) + self._gap
            granted.set_result(None)

    def _ring(self) -> None:
        self._alarm = None
        self._grant()
