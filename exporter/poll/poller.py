"""Polls one switch: joins what to ask, when, and what to do with the answer."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

import structlog

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics import catalogue
from exporter.metrics.self_metrics import Instruments
from exporter.model import Answer, Failure, Peers, Query, Scope, SkipReason, Target, Tenants, names_all
from exporter.poll import config_metrics
from exporter.poll.config_metrics import OpeningHours
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.dispatcher import Dispatcher
from exporter.poll.fetch import FailedAnswers, Fetcher
from exporter.poll.ingest import Ingester
from exporter.poll.key_health import KeyHealth
from exporter.poll.limiter import Limiter
from exporter.poll.options import all_options
from exporter.poll.planner import Targets
from exporter.poll.registrations import states_by_tenant
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Item
from exporter.poll.sweep import DueTargets, Sweeps
from exporter.poll.upkeep import Upkeep
from exporter.store import Store

_TENANTS_AT_A_TIME = 20
"""How many tenants are declared, or their registrations taken in, before others have a turn: some 2 ms."""


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
        self._limiter = Limiter(
            configuration.max_concurrency,
            configuration.max_requests_per_second,
            clock.monotonic,
            shared=self._is_shared(),
        )
        self.policy = RequestPolicy(configuration.name, self._limiter, self.targets.key_of)
        self._fetcher = Fetcher(
            configuration,
            client,
            self.targets,
            self.policy,
            store,
            instruments,
            mask,
            clock,
            on_outcome=self._take_in,
        )
        self._dispatcher = Dispatcher(
            self._limiter,
            self.policy.lane,
            self._skip,
            self._fetcher.ask,
            self._fetcher.skipped,
            clock,
            patience=configuration.timeout / 10,
        )
        self._ingester = Ingester(configuration, self.targets, store, instruments, clock)
        self._discovery = TenantDiscovery()
        self._opening_hours = OpeningHours(store, clock)
        self._due = DueTargets(self.targets)
        self._sweeps = Sweeps(
            self.targets, self._due, self.policy, self._fetcher, self._dispatcher, store, clock
        )
        self._upkeep = Upkeep(
            configuration, self.targets, self.policy, store, self._opening_hours, instruments, clock
        )
        self._joining: asyncio.Task[None] | None = None
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
    def client(self) -> Client:
        """What requests are sent through."""
        return self._fetcher.client

    @property
    def shown_url(self) -> str:
        """The URL of the switch, without what could be secret in it."""
        return self._mask(str(self._fetcher.client.url.with_user(None)))

    @property
    def answers(self) -> FailedAnswers:
        """What the switch answered of late that gave no value."""
        return self._fetcher.answers

    @property
    def tenant_names(self) -> Mapping[str, str]:
        """What the switch calls its tenants, by code, as far as its list is asked."""
        return self._discovery.names

    @property
    def requests_in_flight(self) -> int:
        """How many requests the switch is answering, or not, at this moment."""
        return self._limiter.in_flight

    # Called on a schedule

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Ask every target of a query that is due; return when the last request was sent."""
        await self._sweeps.sweep(query, scope)

    async def retry(self) -> None:
        """Ask again what failed and has a long way to its next sweep."""
        await self._sweeps.retry()

    # Called by the pages

    def refresh(self) -> None:
        """Bring up to date what follows the clock and not an answer. Called before each scrape."""
        self._upkeep.refresh()
        if self.store.take_lack_of_declared():
            self._joining = self._sweeps.first_sweep(
                [], self._declare_few_at_a_time(list(self.targets.tenants))
            )

    def drop_stale(self) -> None:
        """Drop the values that have become too old."""
        self._upkeep.drop_stale()

    def is_up(self) -> bool | None:
        """Tell whether the switch gives valid answers; None before the first attempt has ended."""
        return self._upkeep.is_up()

    def is_tried(self) -> bool:
        """Tell whether each query was tried at least once, as far as there is anything to ask."""
        return all(
            (query, scope) in self.store.tried
            for query, scope in self.targets.intervals
            if self.targets.requests(query, scope)
        )

    # Changes

    def reconfigure(
        self, configuration: SwitchConfiguration, client: Client, label_names: tuple[str, ...]
    ) -> list[tuple[Query, Scope]]:
        """Poll what another configuration of the same switch says; keep all values that it does not drop.

        Requests in flight end as they were begun; the old client is closed after them. Returns the queries
        that go at another pace now: their sweeps were cut short, and are to be started anew.
        """
        reached_by = self.configuration.url, self.configuration.proxy, self.configuration.tls
        if reached_by != (configuration.url, configuration.proxy, configuration.tls):
            self.policy.reset()
        self.configuration = configuration
        self._ingester.configuration = self._upkeep.configuration = configuration
        self._fetcher.options = all_options(configuration)
        self._label_names = label_names
        self._limiter.configure(
            configuration.max_concurrency, configuration.max_requests_per_second, shared=self._is_shared()
        )
        self.store.configure(stale_after=configuration.stale_after, max_series=configuration.max_series)
        self._dispatcher.patience = configuration.timeout / 10
        self._discovery.trust_next()
        self._ingester.trust_next_lists()
        self.reconnect(client)
        before = self.targets.plan
        self._follow(self._discovery.wanted(configuration), changed=self.targets.tenants)
        changed = self._sweeps.reconfigure(before)
        self.policy.reconfigure(self.targets.is_polled, self.targets.intervals, self.targets.keys)
        self.store.drop({target for target in self.store.targets if not self._is_followed(target)})
        self.store.keep_queries(self.targets.intervals)
        self._declare_queries()
        listing = self._due.item_for(Target(Query.TENANTS, Scope.SWITCH), self._clock.elapsed())
        if listing and self._discovery.is_in_doubt:
            self._sweeps.ask_now(listing)  # the operator waits for it to be believed
        return changed

    def reconnect(self, client: Client) -> None:
        """Send requests through another client from now on; the old one is closed after those in flight."""
        old, self._fetcher.client = self._fetcher.client, client
        closing = asyncio.create_task(self._close_after(self._dispatcher.requests, old))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def after_gap(self, seconds: float) -> list[tuple[Query, Scope]]:
        """Go on after so many seconds in which the machine slept or was paused.

        Returns the queries that were due meanwhile: their sweeps are to be started anew.
        """
        return self._sweeps.after_gap(seconds, self.configuration.timeout)

    async def wait_until_declared(self) -> None:
        """Wait until the tenants that are new, or may have changed, are declared."""
        if self._joining:
            await asyncio.wait({self._joining})

    async def stop(self) -> None:
        """End every request and close the connections."""
        await self._sweeps.stop()
        await self._dispatcher.stop()
        await asyncio.gather(*self._closing)
        await self._fetcher.client.session.close()

    def _is_shared(self) -> bool:
        return len({scope for _, scope in self.targets.intervals}) > 1

    def _is_followed(self, target: Target) -> bool:
        in_one_list = (
            target.query is Query.REGISTRATIONS
            and (Query.REGISTRATIONS, Scope.SWITCH) in self.targets.intervals
            and target.tenant in self.targets.tenants
        )
        return in_one_list or self.targets.is_polled(target)

    def _follow(self, discovered: Iterable[str], *, changed: Iterable[str]) -> None:
        """Poll the configured tenants and these; forget all others at once.

        Of the ``changed`` what is declared may have changed.
        """
        before = self.targets.tenants.keys()
        self.targets.configure(self.configuration, discovered)
        gone = before - self.targets.tenants.keys()
        if gone:
            self.store.drop_tenants(gone)
            self.policy.forget_tenants(gone)
            self._ingester.drop(gone)
            self._due.forget(gone)
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        new = [code for code in self.targets.tenants if code not in before]
        if new:
            self._log.info("tenants joined", count=len(new))
        if changed_or_new := [*new, *changed]:
            self._joining = self._sweeps.first_sweep(new, self._declare_few_at_a_time(changed_or_new))
        if gone:
            self._log.info("tenants left", count=len(gone))

    async def _declare_few_at_a_time(self, codes: list[str]) -> None:
        """Declare tenants so that 5,000 do not hold up everything else for a third of a second."""
        for start in range(0, len(codes), _TENANTS_AT_A_TIME):
            few = codes[start : start + _TENANTS_AT_A_TIME]
            self._declare_tenants(code for code in few if code in self.targets.tenants)  # it may have left
            await asyncio.sleep(0)

    def _declare_queries(self) -> None:
        config_metrics.set_switch_metrics(self.store, self.configuration)
        for (query, scope), interval in self.targets.intervals.items():
            self.store.set_interval(query, scope, interval)
            self._instruments.start_at_zero(self.store.switch, query, scope)

    def _declare_tenants(self, codes: Iterable[str]) -> None:
        for code in codes:
            name = self._discovery.names.get(code, "")
            config_metrics.set_tenant_metrics(
                self.store, self.targets.tenants[code], name=name, label_names=self._label_names
            )
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        self._opening_hours.forget()

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
        reason = self.policy.skip_reason(target, now)
        if reason is not None:
            self.policy.record_skip(target, now, self.targets.planned_interval(target))
        return reason

    def _is_watched(self, target: Target) -> bool:
        return target.query is Query.REGISTRATIONS and bool(self.targets.tenants[target.tenant].watch)

    async def _take_in(self, item: Item, outcome: Answer | Failure, sent_with: KeyHealth) -> None:
        match outcome:
            case Tenants():
                before = self._discovery.names
                doubt = self._discovery.accept(outcome)
                self._ingester.ingest(item, doubt or outcome)
                if doubt is None:
                    names = self._discovery.names
                    renamed = [code for code in self.targets.tenants if names.get(code) != before.get(code)]
                    self._follow(self._discovery.wanted(self.configuration), changed=renamed)
            case Peers(rows=rows) if rows:
                await self._take_in_peers(item, outcome)
            case _:
                self._ingester.ingest(item, outcome, calls_were_counted=sent_with.has_counted_calls)

    async def _take_in_peers(self, item: Item, listed: Peers) -> None:
        work = partial(self._fetcher.client.bodies.decode, partial(states_by_tenant, listed))
        found = await self._fetcher.decoding.run(work)
        codes = [item.target.tenant] if item.target.tenant else list(self.targets.tenants)
        is_complete = names_all(listed)
        for position, code in enumerate(codes):
            if code in self.targets.tenants and self.targets.is_polled(item.target):
                self._ingester.ingest_peers(item.target, code, found.get(code, {}), is_complete=is_complete)
            if position % _TENANTS_AT_A_TIME == _TENANTS_AT_A_TIME - 1:
                await asyncio.sleep(0)
        self._ingester.ingest(item, listed)
