"""Sends the requests of a sweep: evenly, within the slots, and without waiting for stragglers."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Hashable
from typing import Protocol

import structlog

from exporter.clock import Clock
from exporter.model import Scope, SkipReason, Target
from exporter.poll.limiter import Lane, Limiter
from exporter.poll.requests import Item

_LEAST_WAIT = 0.001
"""Seconds. Less than that is rounding, and would be waited for again and again."""


class Sender(Protocol):
    """Sends single requests, and decides whether a target may be asked."""

    @property
    def patience(self) -> float:
        """Seconds after which a request in flight is a straggler, for which no sweep waits."""

    def lane(self, target: Target) -> Lane:
        """Return which slots a request to this target may take."""

    def skip_reason(self, target: Target, now: float) -> SkipReason | None:
        """Return why a target is not asked now, or None where it may be."""

    def count_skip(self, target: Target, reason: SkipReason) -> None:
        """Count a request that is not sent."""

    async def send(self, item: Item) -> None:
        """Send a request and take in its answer."""


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
        """Send every item, evenly over ``spread`` seconds; return when the last one was sent, not answered.

        A target that is busy with another request is asked at the end.
        """
        started = self._clock.monotonic()
        late = []
        for position, item in enumerate(items):
            wait = started + position * spread / len(items) - self._clock.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if _lock(item) in self._in_flight:
                late.append(item)
            else:
                await self._start(item)
        await self._finish(late)

    async def probe(self, item: Item) -> None:
        """Send one request without asking the policy, unless one like it is in flight."""
        if _lock(item) not in self._in_flight:
            await self._send(item)

    @property
    def requests(self) -> frozenset[asyncio.Task[None]]:
        """The requests that are in flight."""
        return frozenset(task for task, _ in self._requests.values())

    async def stop(self) -> None:
        """End every request that is in flight."""
        requests = self.requests
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        for lock in [lock for lock, (request, _) in self._requests.items() if request in requests]:
            self._end(lock)  # it was cancelled before it began

    async def _finish(self, late: list[Item]) -> None:
        while late:
            self._ended.clear()
            still_late = []
            for item in late:
                if _lock(item) not in self._in_flight:
                    await self._start(item)
                elif self._is_straggling(item):
                    self._sender.count_skip(item.target, SkipReason.IN_FLIGHT)
                else:
                    still_late.append(item)
            late = still_late
            if late:
                oldest = min(self._in_flight.get(_lock(item), self._clock.monotonic()) for item in late)
                wait = oldest + self._sender.patience - self._clock.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(max(_LEAST_WAIT, wait), self._sender.patience)):
                        await self._ended.wait()

    def _is_straggling(self, item: Item) -> bool:
        return self._clock.monotonic() - self._in_flight[_lock(item)] >= self._sender.patience

    async def _start(self, item: Item) -> None:
        reason = self._sender.skip_reason(item.target, self._clock.elapsed())
        if reason is not None:
            self._sender.count_skip(item.target, reason)
            await asyncio.sleep(0)  # where nothing is sent, nothing else yields to the event loop
        else:
            await self._send(item)

    async def _send(self, item: Item) -> None:
        lane = self._sender.lane(item.target)
        lock = _lock(item)
        self._in_flight[lock] = math.inf  # not sent yet: who only waits for a slot is no straggler
        try:
            await self._limiter.acquire(lane)
        except asyncio.CancelledError:
            self._release(lock)
            raise
        self._in_flight[lock] = self._clock.monotonic()
        self._requests[lock] = asyncio.create_task(self._see_through(item, lock)), lane

    async def _see_through(self, item: Item, lock: Hashable) -> None:
        try:
            await self._sender.send(item)
        except Exception:  # noqa: BLE001 -- the next request must go out all the same
            self._log.exception("an answer could not be taken in: this is a defect")
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
    # One request at a time for each tenant, whatever the query; of the whole installation one of each kind.
    return item.target.tenant if item.target.scope is Scope.TENANT else (item.target.query, item.part)
