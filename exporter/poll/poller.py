"""Polls one switch: joins what to ask, when, and what to do with the answer."""

import asyncio
import math
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import structlog

from exporter import catalogue
from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.model import Answer, Failure, Peers, Query, Scope, SkipReason, Target, Tenants
from exporter.poll import declared
from exporter.poll.answers import Answers
from exporter.poll.asking import Asker
from exporter.poll.courtesy import Courtesy
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.intake import Intake
from exporter.poll.opening import OpeningHours
from exporter.poll.registrations import states_by_tenant
from exporter.poll.requests import Item
from exporter.poll.slots import Slots
from exporter.poll.sweep import Sweeper
from exporter.poll.targets import Targets
from exporter.store import Store

_TENANTS_AT_A_TIME = 20
"""How many tenants are declared, or their registrations taken in, before others have a turn: some 2 ms."""

_RETRY_SPREAD = 10.0

_JUMP = 1.0
"""Seconds by which the wall clock may drift from the monotonic one before what was dated is dated anew."""


class Poller:
    """Keeps the store of one switch up to date. ``sweep`` is called on a schedule for each of ``jobs``."""

    def __init__(
        self,
        configuration: SwitchConfiguration,
        client: Client,
        store: Store,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        *,
        label_names: tuple[str, ...],
    ) -> None:
        self.configuration = configuration
        self.store = store
        self.targets = Targets(configuration)
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._label_names = label_names
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)
        self._slots = Slots(
            configuration.max_concurrency,
            configuration.max_requests_per_second,
            clock.monotonic,
            shared=self._is_shared(),
        )
        self.courtesy = Courtesy(configuration.name, self._slots, self.targets.key_of)
        self._asker = Asker(
            configuration,
            client,
            self.targets,
            self.courtesy,
            store,
            instruments,
            mask,
            clock,
            hand_on=self._take_in,
        )
        self._sweeper = Sweeper(
            self._slots,
            self.courtesy.lane,
            self._skip,
            self._asker.ask,
            self._asker.skipped,
            clock,
            patience=configuration.timeout / 10,
        )
        self._intake = Intake(configuration, self.targets, store, instruments, clock)
        self._discovery = TenantDiscovery()
        self._opening_hours = OpeningHours(store, clock)
        self._last_start: dict[tuple[Query, Scope], float] = {}
        self._wall_offset = math.inf  # not known before the first page
        self._sweeps: dict[tuple[Query, Scope], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        store.set(catalogue.SERIES, "", 0)  # it counts itself, from the first page on
        self._declare_queries()
        self._declare_tenants(self.targets.tenants)

    # What is polled, and how fast

    @property
    def jobs(self) -> list[tuple[Query, Scope]]:
        """Every query that is polled, with its scope."""
        return list(self.targets.intervals)

    def period(self, query: Query, scope: Scope) -> float:
        """Return the seconds from the start of one sweep to the start of the next, as planned."""
        return self.targets.plan.cycles[query, scope]

    @property
    def shown_url(self) -> str:
        """The URL of the switch, without what could be secret in it."""
        return self._mask(str(self._asker.client.url.with_user(None)))

    @property
    def answers(self) -> Answers:
        """What the switch answered of late that gave no value."""
        return self._asker.answers

    @property
    def tenant_names(self) -> Mapping[str, str]:
        """What the switch calls its tenants, by code, as far as its list is asked."""
        return self._discovery.names

    @property
    def requests_in_flight(self) -> int:
        """How many requests the switch is answering, or not, at this moment."""
        return self._slots.in_flight

    # Called on a schedule

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Ask every target of a query that is due; return when the last request was sent."""
        if (query, scope) not in self.targets.intervals:
            return  # it was switched off when its turn had come
        now = self._clock.monotonic()
        before = self._last_start.get((query, scope))
        self._last_start[query, scope] = now
        spread = self._first_spread(query, scope) if before is None else self.period(query, scope)
        if before is not None:
            self.store.set_cycle(query, scope, now - before)
        run = self._start(self._run(self.targets.items(query, scope, now), spread, now))
        self._sweeps[query, scope] = run
        await _end_of(run)

    def _first_spread(self, query: Query, scope: Scope) -> float:
        return min(self.period(query, scope), self.targets.plan.first_sweep)

    async def retry(self) -> None:
        """Ask again what failed and has a long way to its next sweep."""
        now = self._clock.monotonic()
        if self.courtesy.breaker.is_open:
            return
        items = [self.targets.item(target, now) for target in self.courtesy.retries(now)]
        due = [item for item in items if item is not None]
        await _end_of(self._start(self._sweeper.run(due, _RETRY_SPREAD)))

    async def _run(self, items: list[Item], spread: float, now: float) -> None:
        if self.courtesy.breaker.is_open:
            await self._probe(items, now)
        await self._sweeper.run(items, spread)

    async def _probe(self, items: list[Item], now: float) -> None:
        if not self.courtesy.breaker.take_probe(now, min(self.targets.intervals.values())):
            return
        fastest = self.courtesy.breaker.probe_target
        item = self.targets.item(fastest, now) if fastest else None
        if item or items:
            self._asker.probing = item or items[0]
            await self._sweeper.probe(self._asker.probing)

    # Called by the pages

    def refresh(self) -> None:
        """Bring up to date what follows the clock and not an answer. Called before each scrape."""
        self.drop_stale()
        now = self._clock.monotonic()
        offset = self._clock.wall() - now
        if abs(offset - self._wall_offset) > _JUMP:
            self._wall_offset = offset
            self.store.follow_wall_clock(offset)
        up = self.is_up()
        if up is not None:
            self.store.set(catalogue.UP, "", float(up))
        self._opening_hours.refresh(self.targets.tenants.values())
        self.store.set(catalogue.SERIES_LIMITED, "", float(self.store.is_limited))
        self.store.set(catalogue.SERIES, "", self.store.series)
        self._instruments.breaker_open.labels(self.store.switch).set(self.courtesy.breaker.is_open)

    def drop_stale(self) -> None:
        """Drop the values that have become too old."""
        now = self._clock.monotonic()
        for target in self.store.expire(now):
            self._log.warning(
                "values dropped: no answer for too long",
                query=target.query.value,
                scope=target.scope.value,
                tenant=target.tenant,
            )

    def is_up(self) -> bool | None:
        """Tell whether the switch gives valid answers; None before the first attempt has ended."""
        if not self.store.attempted:
            return None
        valid_at = self.store.valid_at
        shortest = min(self.targets.intervals.values(), default=0.0)
        window = max(3 * shortest, 2 * self.configuration.timeout)
        return valid_at is not None and self._clock.monotonic() - valid_at <= window

    def is_tried(self) -> bool:
        """Tell whether each query was tried at least once, as far as there is anything to ask."""
        return all(
            (query, scope) in self.store.tried
            for query, scope in self.targets.intervals
            if self.targets.requests(query, scope)
        )

    # Changes

    async def reconfigure(
        self, configuration: SwitchConfiguration, client: Client, label_names: tuple[str, ...]
    ) -> list[tuple[Query, Scope]]:
        """Poll what another configuration of the same switch says; keep all values that it does not drop.

        Requests in flight end as they were begun; the old client is closed after them. Returns the queries
        that go at another pace now: their sweeps were cut short, and are to be started anew.
        """
        self.configuration = self._intake.configuration = self._asker.configuration = configuration
        self._label_names = label_names
        self._slots.configure(
            configuration.max_concurrency, configuration.max_requests_per_second, shared=self._is_shared()
        )
        self.store.configure(stale_after=configuration.stale_after, max_series=configuration.max_series)
        self._sweeper.patience = configuration.timeout / 10
        self._discovery.believe_next()
        self._intake.believe_next_lists()
        old, self._asker.client = self._asker.client, client
        closing = asyncio.create_task(self._close_after(self._sweeper.requests, old))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        before, polled = dict(self.targets.plan.cycles), self.targets.tenants.keys()
        joining = self._follow(self._discovery.wanted(configuration))
        cycles = self.targets.plan.cycles
        changed = [job for job in self.jobs if job in before and cycles[job] != before[job]]
        for query_and_scope, run in self._sweeps.items():
            if cycles.get(query_and_scope) != before.get(query_and_scope):
                run.cancel()  # it was spread over a time that is no more
        for target in [target for target in self.store.targets if not self._is_followed(target)]:
            self.store.drop(target)
        self.store.keep_queries(self.targets.intervals)
        for query_and_scope in self._last_start.keys() - self.targets.intervals.keys():
            del self._last_start[query_and_scope]  # the time it was off is no cycle
        self._declare_queries()
        self._declare_tenants(polled & self.targets.tenants.keys())
        listing = self.targets.item(Target(Query.TENANTS, Scope.SWITCH), self._clock.monotonic())
        if listing and self._discovery.is_in_doubt:
            self._start(self._sweeper.run([listing], 0.0))  # the operator waits for it to be believed
        if joining:
            await asyncio.wait({joining})  # likewise
        return changed

    async def stop(self) -> None:
        """End every request and close the connections."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sweeper.stop()
        await asyncio.gather(*self._closing)
        await self._asker.client.session.close()

    def _is_shared(self) -> bool:
        return len({scope for _, scope in self.targets.intervals}) > 1

    def _is_followed(self, target: Target) -> bool:
        in_one_list = (
            target.query is Query.REGISTRATIONS
            and (Query.REGISTRATIONS, Scope.SWITCH) in self.targets.intervals
            and target.tenant in self.targets.tenants
        )
        return in_one_list or self.targets.is_polled(target)

    def _follow(self, discovered: Iterable[str]) -> asyncio.Task[None] | None:
        """Poll the configured tenants and these; forget all others at once.

        Returns what declares the tenants that are new, where there are any.
        """
        before = self.targets.tenants.keys()
        self.targets.configure(self.configuration, discovered)
        gone = before - self.targets.tenants.keys()
        self.store.drop_tenants(gone)
        for code in gone:
            self.courtesy.drop(code)
            self._intake.drop(code)
        new = [code for code in self.targets.tenants if code not in before]
        joining = None
        if new:
            self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
            self._log.info("tenants joined", count=len(new))
            joining = self._start(self._declare_few_at_a_time(new))
            self._start(self._welcome(new, joining))
        if gone:
            self._log.info("tenants left", count=len(gone))
        return joining

    async def _declare_few_at_a_time(self, codes: list[str]) -> None:
        """Declare tenants so that 5,000 do not hold up everything else for a third of a second."""
        for start in range(0, len(codes), _TENANTS_AT_A_TIME):
            few = codes[start : start + _TENANTS_AT_A_TIME]
            self._declare_tenants(code for code in few if code in self.targets.tenants)
            await asyncio.sleep(0)

    async def _welcome(self, codes: list[str], joining: asyncio.Task[None]) -> None:
        """Ask tenants that are new for the first time, without waiting for the next sweep."""
        await joining
        sweeps = []
        for query, scope in self.jobs:
            if scope is Scope.TENANT and (query, scope) in self.targets.intervals:  # there may be a reload
                items = self.targets.items_of(query, codes, self._clock.monotonic())
                sweeps.append((items, self._first_spread(query, scope)))
                await asyncio.sleep(0)
        await asyncio.gather(*(self._sweeper.run(items, spread) for items, spread in sweeps))

    def _declare_queries(self) -> None:
        declared.declare_switch(self.store, self.configuration)
        for (query, scope), interval in self.targets.intervals.items():
            self.store.set_interval(query, scope, interval)
            self._instruments.start_at_zero(self.store.switch, query, scope)

    def _declare_tenants(self, codes: Iterable[str]) -> None:
        for code in codes:
            name = self._discovery.names.get(code, "")
            declared.declare_tenant(
                self.store, self.targets.tenants[code], name=name, label_names=self._label_names
            )
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        self._opening_hours.forget()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _close_after(requests: Iterable[asyncio.Task[None]], client: Client) -> None:
        await asyncio.gather(*requests, return_exceptions=True)
        await client.session.close()

    # One answer

    def _skip(self, target: Target, now: float) -> SkipReason | None:
        if not self.targets.is_polled(target):
            return None  # it left while the sweep was on; nothing is sent to it
        if target.scope is Scope.TENANT and self.store.withholds_tenants and not self._is_watched(target):
            return SkipReason.BUDGET  # what it would say would not be kept
        return self.courtesy.skip(target, now)

    def _is_watched(self, target: Target) -> bool:
        return target.query is Query.REGISTRATIONS and bool(self.targets.tenants[target.tenant].watch)

    async def _take_in(self, item: Item, outcome: Answer | Failure) -> None:
        match outcome:
            case Tenants():
                before, polled = self._discovery.names, self.targets.tenants.keys()
                doubt = self._discovery.take_in(outcome)
                self._intake.take_in(item, doubt or outcome)
                if doubt is None:
                    self._follow(self._discovery.wanted(self.configuration))
                    names = self._discovery.names
                    self._declare_tenants(
                        [
                            code
                            for code in polled & self.targets.tenants.keys()
                            if names.get(code) != before.get(code)
                        ]
                    )
            case Peers(rows=rows) if rows:
                await self._take_in_peers(item, outcome)
            case _:
                self._intake.take_in(item, outcome)

    async def _take_in_peers(self, item: Item, listed: Peers) -> None:
        found = await asyncio.to_thread(states_by_tenant, listed)
        codes = [item.target.tenant] if item.target.tenant else list(self.targets.tenants)
        for position, code in enumerate(codes):
            if code in self.targets.tenants and self.targets.is_polled(item.target):
                self._intake.take_in_peers(item.target, code, found.get(code, {}))
            if position % _TENANTS_AT_A_TIME == _TENANTS_AT_A_TIME - 1:
                await asyncio.sleep(0)
        self._intake.take_in(item, listed)


async def _end_of(run: asyncio.Task[None]) -> None:
    """Wait for the end of a run that the poller may cut short; raise what it raised."""
    try:
        await asyncio.wait({run})
    finally:
        run.cancel()
    if not run.cancelled():
        run.result()
