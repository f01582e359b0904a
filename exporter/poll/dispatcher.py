"""Sends the requests of a sweep evenly, within the slots, and without waiting for slow targets.

A request needs one of a fixed number of slots while it is in flight. Slots are granted in order of arrival,
except that

- installation-wide queries may not take all slots, and neither may tenant queries: one slot is always left
  for the other kind, and
- tenants whose newest request timed out share a quarter of the slots: otherwise a few hanging tenants would
  fill all slots until the timeout.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection, Hashable
from enum import StrEnum
from typing import Protocol

import structlog

from exporter.clock import Clock
from exporter.model import Scope, SkipReason, Target
from exporter.poll.requests import Item

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
                if not granted.done() and not self._is_full(lane):
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

    def _is_full(self, lane: Lane) -> bool:
        """Return whether a request in this lane has to wait although there is a free slot."""
        of_switch = self._taken[Lane.SWITCH]
        if lane is Lane.SWITCH:
            return of_switch >= self._size_of_scope
        of_tenants = self.in_flight - of_switch
        return of_tenants >= self._size_of_scope or (lane is Lane.SUSPECT and self.suspects_are_full)

    def _ring(self) -> None:
        self._alarm = None
        self._grant()


_SHORTEST_WAIT = 0.001
"""Seconds. A shorter wait is a rounding error, and would be repeated many times."""


class Sender(Protocol):
    """Sends single requests, and decides whether a target may be requested."""

    @property
    def patience(self) -> float:
        """Seconds that a sweep waits for a target with a request in flight before it skips the target."""

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target is not requested now, or None if it may be."""

    def count_skip(self, target: Target, reason: SkipReason) -> None:
        """Count a request that was not sent."""

    async def send(self, item: Item) -> None:
        """Send a request and store its result."""


class Dispatcher:
    """Runs the sweeps of one switch; each request goes through ``sender``."""

    def __init__(self, sender: Sender, limiter: Limiter, clock: Clock) -> None:
        self._sender = sender
        self._limiter = limiter
        self._clock = clock
        self._in_flight: dict[Hashable, float] = {}
        self._requests: dict[Hashable, tuple[asyncio.Task[None], Lane]] = {}
        self._ended = asyncio.Event()
        self._log = structlog.get_logger("exporter.poll")

    async def run(self, items: Collection[Item], spread: float) -> None:
        """Send every item, evenly over ``spread`` seconds; return when the last request was sent.

        Targets with another request in flight come last.
        """
        started = self._clock.monotonic()
        busy = []
        for position, item in enumerate(items):
            wait = started + position * spread / len(items) - self._clock.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            lock = _lock(item)
            if lock in self._in_flight:
                busy.append(item)
            else:
                await self._start(item, lock)
        await self._finish(busy)

    async def probe(self, item: Item) -> None:
        """Send one request without asking the policy, unless its target has one in flight."""
        lock = _lock(item)
        if lock not in self._in_flight:
            await self._send(item, lock)

    @property
    def requests(self) -> frozenset[asyncio.Task[None]]:
        """The requests in flight."""
        return frozenset(task for task, _ in self._requests.values())

    async def stop(self) -> None:
        """Cancel every request in flight."""
        requests = self.requests
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        for lock in [lock for lock, (request, _) in self._requests.items() if request in requests]:
            self._end(lock)  # cancelled before it had started

    async def _finish(self, busy: list[Item]) -> None:
        while busy:
            self._ended.clear()
            still_busy = []
            for item in busy:
                lock = _lock(item)
                if lock not in self._in_flight:
                    await self._start(item, lock)
                elif self._clock.monotonic() - self._in_flight[lock] >= self._sender.patience:
                    self._sender.count_skip(item.target, SkipReason.IN_FLIGHT)
                else:
                    still_busy.append(item)
            busy = still_busy
            if busy:
                oldest = min(self._in_flight.get(_lock(item), self._clock.monotonic()) for item in busy)
                wait = oldest + self._sender.patience - self._clock.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(max(_SHORTEST_WAIT, wait), self._sender.patience)):
                        await self._ended.wait()

    async def _start(self, item: Item, lock: Hashable) -> None:
        reason = self._sender.skip_reason(item.target, self._clock.elapsed())
        if reason is not None:
            self._sender.count_skip(item.target, reason)
            await asyncio.sleep(0)  # a sweep that sends nothing must still yield to the event loop
        else:
            await self._send(item, lock)

    async def _send(self, item: Item, lock: Hashable) -> None:
        lane = self._sender.lane(item.target)
        self._in_flight[lock] = math.inf  # while it waits for a slot, its target is not slow
        try:
            await self._limiter.acquire(lane)
        except asyncio.CancelledError:
            self._release(lock)
            raise
        self._in_flight[lock] = self._clock.monotonic()
        self._requests[lock] = asyncio.create_task(self._complete(item, lock)), lane

    async def _complete(self, item: Item, lock: Hashable) -> None:
        try:
            await self._sender.send(item)
        except Exception:  # noqa: BLE001 -- the next request must be sent all the same
            self._log.exception("response could not be processed; please report this defect")
        finally:
            self._end(lock)

    def _end(self, lock: Hashable) -> None:
        _, lane = self._requests.pop(lock)
        self._release(lock)
        self._limiter.release(lane)

    def _release(self, lock: Hashable) -> None:
        del self._in_flight[lock]
        self._ended.set()


def _lock(item: Item) -> Hashable:
    # One request at a time per tenant, whatever the query; installation-wide, one per query and node.
    return item.target.tenant if item.target.scope is Scope.TENANT else (item.target.query, item.part)
