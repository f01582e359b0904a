"""Starts what is asked when its time has come: sweeps, retries, and the first questions to new tenants."""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from exporter.clock import Clock
from exporter.model import Query, Scope, Target
from exporter.poll.asking import Asker
from exporter.poll.courtesy import Courtesy
from exporter.poll.plan import Plan
from exporter.poll.requests import Item
from exporter.poll.sweep import Sweeper
from exporter.poll.targets import Targets
from exporter.poll.turns import Turns
from exporter.store import Store

_RETRY_SPREAD = 10.0

Job = tuple[Query, Scope]


class Rounds:
    """The runs of one switch that are under way, and when the newest of each query began.

    Time asleep is no part of a cycle: values would be kept for three nights because of one.
    """

    def __init__(
        self,
        targets: Targets,
        turns: Turns,
        courtesy: Courtesy,
        asker: Asker,
        sweeper: Sweeper,
        store: Store,
        clock: Clock,
    ) -> None:
        self._targets = targets
        self._turns = turns
        self._courtesy = courtesy
        self._asker = asker
        self._sweeper = sweeper
        self._store = store
        self._clock = clock
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
            self._store.set_cycle(query, scope, started - before)
        run = self._start(self._run(query, scope, spread, now))
        self._sweeps[query, scope] = run
        await _end_of(run)
        if before is None and query is Query.EXTENSIONS and self._targets.tenants:
            self._start(self._look_who_is_registered())

    async def retry(self) -> None:
        """Ask again what failed and has a long way to its next sweep."""
        now = self._clock.elapsed()
        items = [self._turns.item(target, now) for target in self._courtesy.retries(now)]
        due = [item for item in items if item is not None]
        await _end_of(self._start(self._sweeper.run(due, _RETRY_SPREAD)))

    def welcome(self, codes: list[str], declaring: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Ask tenants that are new for the first time, without waiting for the next sweep.

        They are asked once they are declared. Returns the task that does that.
        """
        joining = self._start(declaring)
        self._start(self._welcome(codes, joining))
        return joining

    def ask(self, item: Item) -> None:
        """Ask one thing at once."""
        self._start(self._sweeper.run([item], 0.0))

    def follow(self, before: Plan) -> list[Job]:
        """Go at the pace of the plan that has taken the place of ``before``.

        Returns the queries that go at another pace now: their sweeps were cut short, and are to be started
        anew.
        """
        cycles = self._targets.plan.cycles
        for job, run in self._sweeps.items():
            if cycles.get(job) != before.cycles.get(job):
                run.cancel()  # it was spread over a time that is no more
        for job in self._last_start.keys() - cycles.keys():
            del self._last_start[job]  # the time it was off is no cycle
        return [job for job in cycles if job in before.cycles and cycles[job] != before.cycles[job]]

    def after_gap(self, seconds: float, timeout: float) -> list[Job]:
        """Go on after so many seconds in which the machine slept or was paused.

        Returns the queries that were due at least once in the meantime: their sweeps were cut short, and are
        to be started anew, as after a start. What was in flight for longer than ``timeout`` is ended.
        """
        if seconds >= timeout:
            self._start(self._sweeper.stop())
        missed = [job for job, cycle in self._targets.plan.cycles.items() if cycle <= seconds]
        for job in missed:
            self._last_start.pop(job, None)  # what it took with the gap in it is no cycle
            if run := self._sweeps.get(job):
                run.cancel()
        return missed

    async def stop(self) -> None:
        """End all that is under way."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            # Since Python 3.12 gather does not yield to the event loop if all tasks have ended, and their
            # callbacks, which take them out of the set, would never run (seen 2026-11, 3.13).
            await asyncio.sleep(0)

    def _first_spread(self, query: Query, scope: Scope) -> float:
        return min(self._targets.plan.cycles[query, scope], self._targets.plan.first_sweep)

    async def _run(self, query: Query, scope: Scope, spread: float, now: float) -> None:
        items = await self._turns.items(query, scope, now)
        await self._probe(items, now)
        await self._sweeper.run(items, spread)

    async def _probe(self, items: Collection[Item], now: float) -> None:
        if not self._courtesy.take_probe(now, min(self._targets.intervals.values(), default=0.0)):
            return
        fastest = self._courtesy.breaker.probe_target
        item = self._turns.item(fastest, now) if fastest else None
        item = item or next(iter(items), None)
        if item:
            self._asker.probing = item
            await self._sweeper.probe(self._asker.probing)

    async def _welcome(self, codes: Sequence[str], joining: asyncio.Task[None]) -> None:
        await joining
        sweeps = []
        for query, scope in list(self._targets.intervals):
            if scope is Scope.TENANT:
                items = await self._turns.items_of(query, codes, self._clock.elapsed())
                if (query, scope) in self._targets.intervals:  # there may have been a reload
                    sweeps.append((items, self._first_spread(query, scope)))
        await asyncio.gather(*(self._sweeper.run(items, spread) for items, spread in sweeps))
        if codes and (Query.EXTENSIONS, Scope.TENANT) in self._targets.intervals:
            await self._look_who_is_registered()

    async def _look_who_is_registered(self) -> None:
        """Ask for the list of all peers, where there is one, when the lists of extensions have come.

        Only now it is known who is to be looked for in it, and its next turn may be minutes away.
        """
        if requests := self._sweeper.requests:
            await asyncio.wait(requests)
        item = self._turns.item(Target(Query.REGISTRATIONS, Scope.SWITCH), self._clock.elapsed())
        if item:
            await self._sweeper.run([item], 0.0)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _end_of(run: asyncio.Task[None]) -> None:
    """Wait for the end of a run that may be cut short; raise what it raised."""
    try:
        await asyncio.wait({run})
    finally:
        run.cancel()
    if not run.cancelled():
        run.result()
