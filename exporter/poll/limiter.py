"""Who may send the next request: fair slots, and never more requests a second than allowed.

A switch answers slowly, and some of its tenants may not answer at all. Three rules keep one kind of
target from starving the others:

- whole-installation queries and the tenants each leave the other at least one slot;
- tenants whose newest request timed out share a quarter of the slots, so that a few that hang
  for ever cannot hold all slots for a timeout at a time;
- who waits longest goes first, among those who may go.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

_TIMER_SLACK = 0.02
"""Seconds. Timers ring a little late; so much may be caught up on, or the rate would never be reached."""


class Lane(StrEnum):
    """What kind of target asks for a slot."""

    SWITCH = "switch"
    TENANT = "tenant"
    SUSPECT = "suspect"  # a tenant whose newest request timed out


class Limiter:
    """Hands out slots. ``most`` is how many there are, ``rate`` how many may start in a second.

    ``shared`` says whether both the whole installation and tenants are asked.
    """

    def __init__(self, most: int, rate: float, monotonic: Callable[[], float], *, shared: bool) -> None:
        self.configure(most, rate, shared=shared)
        self._monotonic = monotonic
        self._taken = Counter(dict.fromkeys(Lane, 0))
        self._next_start = float("-inf")
        self._waiting: dict[asyncio.Future[None], Lane] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def configure(self, most: int, rate: float, *, shared: bool) -> None:
        """Change the limits; requests that are under way keep their slots."""
        self.most = most
        self._most_of_one_kind = max(1, most - 1) if shared else most
        self._most_suspects = max(1, most // 4)
        self._gap = 1 / rate

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return self._taken.total()

    def is_full(self, lane: Lane) -> bool:
        """Tell whether a request of this kind would have to wait for another one to end."""
        whole = self._taken[Lane.SWITCH]
        tenants = self._taken[Lane.TENANT] + self._taken[Lane.SUSPECT]
        if whole + tenants >= self.most:
            return True
        if lane is Lane.SWITCH:
            return whole >= self._most_of_one_kind
        return tenants >= self._most_of_one_kind or (lane is Lane.SUSPECT and self.suspects_are_full)

    @property
    def suspects_are_full(self) -> bool:
        """Whether as many suspects are in flight as may be."""
        return self._taken[Lane.SUSPECT] >= self._most_suspects

    async def acquire(self, lane: Lane) -> None:
        """Wait for a slot and for the rate to allow a request. Give the slot back with ``release``."""
        if not self._waiting and not self.is_full(lane) and self._next_start <= self._monotonic():
            self._start(lane)  # as it is most of the time: going round through the event loop costs 5 µs
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = lane
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, None) is None:  # it was granted and then not wanted
                self.release(lane)
            raise

    def release(self, lane: Lane) -> None:
        """Give a slot back."""
        self._taken[lane] -= 1
        self._grant()

    def _grant(self) -> None:
        while self._alarm is None:
            turn = next(
                # One that is done was cancelled, and has not woken up to take itself off yet.
                (turn for turn, lane in self._waiting.items() if not turn.done() and not self.is_full(lane)),
                None,
            )
            if turn is None:
                return
            wait = self._next_start - self._monotonic()
            if wait > 0:
                self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)
                return
            self._start(self._waiting.pop(turn))
            turn.set_result(None)

    def _start(self, lane: Lane) -> None:
        self._taken[lane] += 1
        self._next_start = max(self._next_start, self._monotonic() - _TIMER_SLACK) + self._gap

    def _ring(self) -> None:
        self._alarm = None
        self._grant()
