"""Runs sweeps, retries and first requests: decides when each target is due, and which requests to send."""

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple

from exporter.model import Query, Scope, Target
from exporter.poll.context import SwitchContext
from exporter.poll.dispatcher import Dispatcher
from exporter.poll.fetch import Fetcher
from exporter.poll.planner import Targets
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Item, Job, Plan
from exporter.slices import slices

_RETRY_SPREAD = 10.0

_BATCH = 500
"""Tenants to check before yielding to the event loop, which takes about 2 ms."""


class _Due(NamedTuple):
    """When a target is due again. Not valid if its interval is no longer ``interval``."""

    at: float
    interval: float


class DueTargets:
    """When each target of a switch is due. Times are those of ``Clock.elapsed``.

    Loops over all tenants yield to the event loop, because there may be 5,000. Meanwhile, tenants may be
    added or removed.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._next: dict[Target, _Due] = {}

    async def items(self, query: Query, scope: Scope, now: float) -> Collection[Item]:
        """Return the requests of a sweep that starts now: one or more for each target that is due."""
        if scope is Scope.SWITCH:
            return self._targets.switch_items(query)
        return await self._items(query, list(self._targets.tenants), due_at=now, now=now)

    async def items_for(self, query: Query, codes: Sequence[str], now: float) -> Collection[Item]:
        """Return the requests for these tenants, whether they are due or not."""
        return await self._items(query, codes, due_at=math.inf, now=now)

    def item_for(self, target: Target, now: float) -> Item | None:
        """Return one request for a target, or None if it is not polled."""
        if not self._targets.is_polled(target):
            return None
        if target.scope is Scope.SWITCH:
            return self._targets.switch_items(target.query)[0]
        self._set_next_due(target, now, 1.0)
        return next(iter(self._targets.tenant_items(target.query, [target])), None)

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._next = {target: due for target, due in self._next.items() if target.tenant not in codes}

    async def _items(
        self, query: Query, codes: Sequence[str], *, due_at: float, now: float
    ) -> Collection[Item]:
        due: list[Target] = []
        async for some in slices(codes, _BATCH):
            due += self._due(query, some, due_at)
        async for numbered in slices(enumerate(due, start=1), _BATCH):
            for position, target in numbered:
                self._set_next_due(target, now, position / len(due))
        still_polled = [target for target in due if self._targets.is_polled(target)]
        return self._targets.tenant_items(query, still_polled)

    def _due(self, query: Query, codes: Iterable[str], at: float) -> Iterable[Target]:
        for code in codes:
            target = Target(query, Scope.TENANT, code)
            due, interval = self._next.get(target), self._targets.planned_interval(target)
            if interval < math.inf and (due is None or due.at <= at or due.interval != interval):
                yield target

    def _set_next_due(self, target: Target, now: float, share: float) -> None:
        """Set when a target is due again. ``share``: its position in the sweep, 1 for the last target."""
        interval = self._targets.planned_interval(target)
        if interval == math.inf:
            return
        # Half a cycle early, so that a sweep that starts slightly early still includes the target.
        early = self._targets.plan.cycles[target.query, target.scope] / 2
        due = self._next.get(target)
        if interval <= 2 * early or (due and due.interval == interval):
            share = 1.0  # only the first sweep spreads targets with a longer interval over several sweeps
        self._next[target] = _Due(now + interval * share - early, interval)


class Sweeps:
    """The running sweeps of one switch, and when the latest sweep of each query started.

    A cycle excludes time that the machine was asleep. Values are kept for three cycles by default: if a night
    asleep counted, they would be kept for three nights.
    """

    def __init__(
        self, context: SwitchContext, policy: RequestPolicy, fetcher: Fetcher, dispatcher: Dispatcher
    ) -> None:
        self._context = context
        self._targets = context.targets
        self._clock = context.clock
        self._policy = policy
        self._fetcher = fetcher
        self._dispatcher = dispatcher
        self._due = DueTargets(context.targets)
        self._last_start: dict[Job, float] = {}
        self._sweeps: dict[Job, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Send requests to all targets that are due. Returns when the last one has been sent."""
        job = query, scope
        if job not in self._targets.intervals:
            return  # disabled by a reload
        now, started = self._clock.elapsed(), self._clock.monotonic()
        before = self._last_start.get(job)
        self._last_start[job] = started
        spread = self._first_spread(job)
        if before is not None:
            spread = self._targets.plan.cycles[job]
            self._context.store.set_cycle(query, scope, started - before)
        run = self._start(self._run(query, scope, spread, now), name=f"sweep {query} {scope}")
        self._sweeps[job] = run
        await _end_of(run)
        if before is None and query is Query.EXTENSIONS and self._targets.tenants:
            self._start(self._request_registrations())

    async def retry(self) -> None:
        """Retry failed targets whose interval is too long to wait for the next sweep."""
        now = self._clock.elapsed()
        items = [self._due.item_for(target, now) for target in self._policy.due_retries(now)]
        due = [item for item in items if item is not None]
        await _end_of(self._start(self._dispatcher.run(due, _RETRY_SPREAD)))

    def first_sweep(self, codes: Sequence[str], preparation: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start ``preparation``, and send the first requests to new tenants when it has finished.

        Returns the task of ``preparation``.
        """
        preparing = self._start(preparation)
        self._start(self._first_sweep(codes, preparing))
        return preparing

    def request_now(self, target: Target) -> None:
        """Send a request to one target now, if it is polled. Does not wait for the response."""
        if item := self._due.item_for(target, self._clock.elapsed()):
            self._start(self._dispatcher.run([item], 0.0))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._due.drop_tenants(codes)

    def reconfigure(self, before: Plan) -> list[Job]:
        """Adapt to the plan that replaced ``before``.

        Returns the queries whose cycle changed. Their sweeps are cancelled: start them again.
        """
        cycles = self._targets.plan.cycles
        for job, run in self._sweeps.items():
            if cycles.get(job) != before.cycles.get(job):
                run.cancel()  # it was spread over the old cycle
        for job in self._last_start.keys() - cycles.keys():
            del self._last_start[job]  # a cycle must not include the time that the query was off
        return [job for job in cycles if job in before.cycles and cycles[job] != before.cycles[job]]

    def after_gap(self, seconds: float) -> list[Job]:
        """Resume after a gap of ``seconds``, in which the machine was asleep or paused.

        Returns the queries that missed a sweep. Their sweeps are cancelled: start them again. If the gap is
        at least as long as the timeout, all requests in flight are cancelled, too.
        """
        if seconds >= self._context.configuration.timeout:
            self._start(self._dispatcher.stop())
        missed = [job for job, cycle in self._targets.plan.cycles.items() if cycle <= seconds]
        for job in missed:
            self._last_start.pop(job, None)  # a cycle must not include the gap
            if run := self._sweeps.get(job):
                run.cancel()
        return missed

    async def stop(self) -> None:
        """Cancel everything that is running."""
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    def _first_spread(self, job: Job) -> float:
        return min(self._targets.plan.cycles[job], self._targets.plan.first_sweep)

    async def _run(self, query: Query, scope: Scope, spread: float, now: float) -> None:
        items = await self._due.items(query, scope, now)
        await self._probe(items, now)
        await self._dispatcher.run(items, spread)

    async def _probe(self, items: Collection[Item], now: float) -> None:
        if not self._policy.take_probe(now, min(self._targets.intervals.values(), default=0.0)):
            return
        fastest = self._policy.breaker.probe_target
        item = self._due.item_for(fastest, now) if fastest else None
        item = item or next(iter(items), None)
        if item:
            self._fetcher.probing = item
            await self._dispatcher.probe(item)

    async def _first_sweep(self, codes: Sequence[str], preparing: asyncio.Task[None]) -> None:
        await preparing
        sweeps = []
        for query, scope in list(self._targets.intervals):
            if scope is Scope.TENANT:
                items = await self._due.items_for(query, codes, self._clock.elapsed())
                if (query, scope) in self._targets.intervals:  # a reload may have disabled it
                    sweeps.append((items, self._first_spread((query, scope))))
        await asyncio.gather(*(self._dispatcher.run(items, spread) for items, spread in sweeps))
        if codes and (Query.EXTENSIONS, Scope.TENANT) in self._targets.intervals:
            await self._request_registrations()

    async def _request_registrations(self) -> None:
        """Request the list of all peers, if it is polled, once the lists of extensions have arrived.

        Which extensions are looked up in the list of peers depends on these lists, and the next sweep may be
        minutes away.
        """
        if in_flight := self._dispatcher.requests:
            await asyncio.wait(in_flight)
        self.request_now(Target(Query.REGISTRATIONS, Scope.SWITCH))

    def _start(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _end_of(run: asyncio.Task[None]) -> None:
    """Wait for a task to end, and raise its exception. Another task may cancel it meanwhile."""
    try:
        await asyncio.wait({run})
    finally:
        run.cancel()
    if not run.cancelled():
        run.result()
