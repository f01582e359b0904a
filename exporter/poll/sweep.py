"""Sweeps, retries and first requests: when each target is due, and what is sent then."""

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple

from exporter.model import Query, Scope, Target
from exporter.poll import requests
from exporter.poll.context import SwitchContext
from exporter.poll.dispatcher import Dispatcher
from exporter.poll.fetch import Fetcher
from exporter.poll.planner import Plan, Targets
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Item
from exporter.request import Operation

_RETRY_SPREAD = 10.0

_AT_A_TIME = 500
"""Tenants that are looked at before it yields to the event loop: some 2 ms."""

Job = tuple[Query, Scope]


class _Due(NamedTuple):
    """When a target is due again, at this pace; at another one it is due at once."""

    at: float
    pace: float


class DueTargets:
    """When each target of a switch is asked again. Times are monotonic seconds.

    What takes long for 5,000 tenants yields to the event loop, so tenants may leave and come meanwhile.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        # One object for each target, shared by all that keep it: else each would keep its own.
        self._known: dict[Query, dict[str, Target]] = {}
        self._next: dict[Target, _Due] = {}

    async def items(self, query: Query, scope: Scope, now: float) -> Collection[Item]:
        """Return the requests of a sweep that starts now: to every target that is due.

        A tenant with a longer interval than the query's shortest is in only as many sweeps as it asks for.
        """
        if scope is Scope.SWITCH:
            return self._targets.for_switch(query)
        return await self._items(query, list(self._targets.tenants), due_at=now, now=now)

    async def items_for(self, query: Query, codes: Sequence[str], now: float) -> Collection[Item]:
        """Return the requests that ask these tenants now, whether they are due or not."""
        return await self._items(query, codes, due_at=math.inf, now=now)

    def item_for(self, target: Target, now: float) -> Item | None:
        """Return a request to one target, or None where it is not polled (any more)."""
        if not self._targets.is_polled(target):
            return None
        if target.scope is Scope.SWITCH:
            return self._targets.for_switch(target.query)[0]
        self._set_next_due(target, now, 1.0)
        return next(iter(self._requests(target.query, [target])), None)

    def forget(self, codes: Collection[str]) -> None:
        """Forget tenants that left."""
        for known in self._known.values():
            for code in known.keys() & codes:
                self._next.pop(known.pop(code), None)

    async def _items(
        self, query: Query, codes: Sequence[str], *, due_at: float, now: float
    ) -> Collection[Item]:
        due: list[Target] = []
        for start in range(0, len(codes), _AT_A_TIME):
            if start:
                await asyncio.sleep(0)
            due += self._due(query, codes[start : start + _AT_A_TIME], due_at)
        for start in range(0, len(due), _AT_A_TIME):
            if start:
                await asyncio.sleep(0)
            for position, target in enumerate(due[start : start + _AT_A_TIME], start=start + 1):
                self._set_next_due(target, now, position / len(due))
        return self._requests(query, [target for target in due if self._targets.is_polled(target)])

    def _due(self, query: Query, codes: Iterable[str], at: float) -> Iterable[Target]:
        known = self._known.setdefault(query, {})
        for code in codes:
            tenant = self._targets.tenants.get(code)
            if tenant is None or not self._targets.asks(query, tenant):
                continue
            target = known.get(code) or known.setdefault(code, Target(query, Scope.TENANT, code))
            turn, pace = self._next.get(target), self._targets.planned_interval(target)
            if pace < math.inf and (turn is None or turn.at <= at or turn.pace != pace):
                yield target

    def _set_next_due(self, target: Target, now: float, share: float) -> None:
        """Note that it is a target's turn. ``share`` tells the last one in a sweep, 1, from the others."""
        pace = self._targets.planned_interval(target)
        if pace == math.inf:
            return  # it has left meanwhile
        # Half a sweep is taken off, so that one that comes a little early counts as well.
        early = self._targets.plan.cycles[target.query, target.scope] / 2
        turn = self._next.get(target)
        if pace <= 2 * early or (turn and turn.pace == pace):
            share = 1.0  # asked together for the first time, the others would stay together for good
        self._next[target] = _Due(now + pace * share - early, pace)

    def _requests(self, query: Query, targets: list[Target]) -> Collection[Item]:
        operation = self._targets.operation(query, Scope.TENANT)
        if operation is not Operation.REGISTRATION:
            return requests.for_tenants(operation, targets)
        return requests.for_extensions(
            {target: self._targets.extensions(target.tenant) for target in targets},
            self._targets.registration_parameter,
        )


class Sweeps:
    """The sweeps of one switch that are under way, and when the newest of each query began.

    Time asleep is no part of a cycle: values would be kept for three nights because of one.
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
        """Ask every target of a query that is due; return when the last request was sent."""
        if (query, scope) not in self._targets.intervals:
            return  # it was switched off when its turn had come
        now, started = self._clock.elapsed(), self._clock.monotonic()
        before = self._last_start.get((query, scope))
        self._last_start[query, scope] = started
        cycle = self._targets.plan.cycles[query, scope]
        spread = self._first_spread(query, scope) if before is None else cycle
        if before is not None:
            self._context.store.set_cycle(query, scope, started - before)
        run = self._start(self._run(query, scope, spread, now), name=f"sweep {query} {scope}")
        self._sweeps[query, scope] = run
        await _end_of(run)
        if before is None and query is Query.EXTENSIONS and self._targets.tenants:
            self._start(self._request_registrations())

    async def retry(self) -> None:
        """Ask again what failed and has a long way to its next sweep."""
        now = self._clock.elapsed()
        items = [self._due.item_for(target, now) for target in self._policy.due_retries(now)]
        due = [item for item in items if item is not None]
        await _end_of(self._start(self._dispatcher.run(due, _RETRY_SPREAD)))

    def first_sweep(self, codes: Sequence[str], preparation: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Ask tenants that are new for the first time, without waiting for the next sweep.

        They are asked after the ``preparation``. Returns the task that does that.
        """
        preparing = self._start(preparation)
        self._start(self._first_sweep(codes, preparing))
        return preparing

    def ask_now(self, target: Target) -> None:
        """Ask one target at once, if it is polled."""
        if item := self._due.item_for(target, self._clock.elapsed()):
            self._start(self._dispatcher.run([item], 0.0))

    def forget(self, codes: Collection[str]) -> None:
        """Forget tenants that left."""
        self._due.forget(codes)

    def reconfigure(self, before: Plan) -> list[Job]:
        """Follow the plan that has replaced ``before``.

        Returns the queries whose cycle has changed: their sweeps were cancelled, and must be started again.
        """
        cycles = self._targets.plan.cycles
        for job, run in self._sweeps.items():
            if cycles.get(job) != before.cycles.get(job):
                run.cancel()  # it was spread over the old cycle
        for job in self._last_start.keys() - cycles.keys():
            del self._last_start[job]  # the time during which it is off is no cycle
        return [job for job in cycles if job in before.cycles and cycles[job] != before.cycles[job]]

    def after_gap(self, seconds: float) -> list[Job]:
        """Go on after so many seconds in which the machine slept or was paused.

        Returns the queries that were due at least once in the meantime: their sweeps were cancelled, and
        must be started again, as after a start. Requests that were in flight for longer than the timeout end.
        """
        if seconds >= self._context.configuration.timeout:
            self._start(self._dispatcher.stop())
        missed = [job for job, cycle in self._targets.plan.cycles.items() if cycle <= seconds]
        for job in missed:
            self._last_start.pop(job, None)  # the time with the gap in it is no cycle
            if run := self._sweeps.get(job):
                run.cancel()
        return missed

    async def stop(self) -> None:
        """End all that is under way."""
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    def _first_spread(self, query: Query, scope: Scope) -> float:
        return min(self._targets.plan.cycles[query, scope], self._targets.plan.first_sweep)

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
                if (query, scope) in self._targets.intervals:  # there may have been a reload
                    sweeps.append((items, self._first_spread(query, scope)))
        await asyncio.gather(*(self._dispatcher.run(items, spread) for items, spread in sweeps))
        if codes and (Query.EXTENSIONS, Scope.TENANT) in self._targets.intervals:
            await self._request_registrations()

    async def _request_registrations(self) -> None:
        """Ask for the list of all peers, where there is one, when the lists of extensions have come.

        Only now is it known which extensions to look for in it, and its next sweep may be minutes away.
        """
        if requests := self._dispatcher.requests:
            await asyncio.wait(requests)
        item = self._due.item_for(Target(Query.REGISTRATIONS, Scope.SWITCH), self._clock.elapsed())
        if item:
            await self._dispatcher.run([item], 0.0)

    def _start(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _end_of(run: asyncio.Task[None]) -> None:
    """Wait for the end of a run that may be cancelled by others; raise what it raised."""
    try:
        await asyncio.wait({run})
    finally:
        run.cancel()
    if not run.cancelled():
        run.result()
