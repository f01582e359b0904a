"""Polls one switch: joins what to ask, when, and what to do with the answer."""

import asyncio
from collections.abc import Collection, Iterable, Mapping

from exporter import freshness
from exporter.client import Client
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll.config_metrics import ConfigMetrics
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.dispatcher import Dispatcher
from exporter.poll.fetch import FailedAnswers, Fetcher
from exporter.poll.ingest import Ingester
from exporter.poll.limiter import Limiter
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.sweep import Job, Sweeps

_CLOCK_STEP = 1.0
"""Seconds by which the wall clock may drift from the monotonic one before timestamps are computed again."""


class Poller:
    """Keeps the store of one switch up to date. ``sweep`` is called on a schedule for each of ``jobs``."""

    def __init__(self, context: SwitchContext) -> None:
        self.store = context.store
        self.targets = context.targets
        self._context = context
        self._discovery = TenantDiscovery()
        self._config_metrics = ConfigMetrics(context, self._discovery)
        configuration = context.configuration
        self._limiter = Limiter(
            configuration.max_concurrency,
            configuration.max_requests_per_second,
            context.clock.monotonic,
            shared=self._is_shared(),
        )
        self.policy = RequestPolicy(configuration.name, self._limiter, self.targets.key_of)
        self._ingester = Ingester(context, self._discovery, self._discovered)
        self._fetcher = Fetcher(context, self.policy, self._ingester.ingest)
        self._dispatcher = Dispatcher(self._fetcher, self._limiter, context.clock)
        self._sweeps = Sweeps(context, self.policy, self._fetcher, self._dispatcher)
        self._preparing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._wall_offset = context.clock.wall() - context.clock.elapsed()
        self.store.set(catalogue.SERIES, "", 0)  # it counts itself, from the first page on
        self._config_metrics.set_switch()
        self._config_metrics.set_tenants(self.targets.tenants)

    # What is polled, and how fast

    @property
    def configuration(self) -> SwitchConfiguration:
        """The configuration that is in use."""
        return self._context.configuration

    @property
    def client(self) -> Client:
        """What requests are sent through."""
        return self._context.client

    @property
    def jobs(self) -> list[Job]:
        """Every query that is polled, with its scope."""
        return list(self.targets.intervals)

    def period(self, query: Query, scope: Scope) -> float:
        """Return the seconds from the start of one sweep to the start of the next, as planned."""
        return self.targets.plan.cycles[query, scope]

    @property
    def shown_url(self) -> str:
        """The URL of the switch, without what could be secret in it."""
        return self._context.mask(str(self.client.url.with_user(None)))

    @property
    def answers(self) -> FailedAnswers:
        """The newest answers that gave no value."""
        return self._fetcher.answers

    @property
    def tenant_names(self) -> Mapping[str, str]:
        """What the switch calls its tenants, by code, as far as its list is asked."""
        return self._discovery.names

    @property
    def requests_in_flight(self) -> int:
        """How many requests are in flight."""
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
        self.drop_stale()
        clock, store = self._context.clock, self.store
        offset = clock.wall() - clock.elapsed()
        if abs(offset - self._wall_offset) > _CLOCK_STEP:
            self._wall_offset = offset
            store.follow_wall_clock(offset)
        up = self.is_up()
        if up is not None:
            store.set(catalogue.UP, "", float(up))
        self._config_metrics.refresh()
        store.set(catalogue.SERIES_LIMITED, "", float(store.is_limited))
        store.set(catalogue.SERIES, "", store.series)
        self._context.instruments.breaker_open.labels(store.switch).set(self.policy.breaker.is_open)
        if store.take_room_for_configured():
            self._set_tenants_and_ask([], list(self.targets.tenants))

    def drop_stale(self) -> None:
        """Drop the values that have become too old."""
        dropped: dict[Job, list[str]] = {}
        for query, scope, tenant in self.store.expire(self._context.clock.elapsed()):
            dropped.setdefault((query, scope), []).append(tenant)
        for (query, scope), tenants in dropped.items():
            # One line for all of a query: after a night asleep there are 25,000 values to drop at once.
            which = {"tenant": tenants[0]} if len(tenants) == 1 else {"targets": len(tenants)}
            self._context.log.warning(
                "values dropped: no answer for too long", query=query.value, scope=scope.value, **which
            )

    def is_up(self) -> bool | None:
        """Tell whether the switch gives valid answers; None before the first attempt has ended."""
        if not self.store.attempted:
            return None
        return freshness.is_up(
            self.store.valid_at,
            self._context.clock.elapsed(),
            shortest_interval=min(self.targets.intervals.values(), default=0.0),
            timeout=self.configuration.timeout,
        )

    def is_tried(self) -> bool:
        """Tell whether each query was tried at least once, as far as there is anything to ask."""
        return all(job in self.store.tried for job in self.targets.intervals if self.targets.requests(*job))

    # Changes

    def reconfigure(
        self, configuration: SwitchConfiguration, client: Client, label_names: tuple[str, ...]
    ) -> list[Job]:
        """Poll what another configuration of the same switch says; keep all values that it does not drop.

        Requests in flight end as they were begun; the old client is closed after them. Returns the queries
        whose cycle has changed: their sweeps were cancelled, and must be started again.
        """
        context, old, plan = self._context, self.configuration, self.targets.plan
        context.configuration, context.label_names = configuration, label_names
        if (old.url, old.proxy, old.tls) != (configuration.url, configuration.proxy, configuration.tls):
            self.policy.reset()
        self.reconnect(client)
        self.store.configure(stale_after=configuration.stale_after, max_series=configuration.max_series)
        self._ingester.trust_next_lists()
        self._follow(self._discovery.wanted(configuration), changed=self.targets.tenants)
        self._limiter.configure(
            configuration.max_concurrency, configuration.max_requests_per_second, shared=self._is_shared()
        )
        changed = self._sweeps.reconfigure(plan)
        self.policy.reconfigure(self.targets.is_polled, self.targets.intervals, self.targets.keys)
        self.store.drop({target for target in self.store.targets if not self.targets.is_followed(target)})
        self.store.keep_queries(self.targets.intervals)
        self._config_metrics.set_switch()
        if self._discovery.is_in_doubt:
            self._sweeps.ask_now(Target(Query.TENANTS, Scope.SWITCH))  # the operator waits for it
        return changed

    def reconnect(self, client: Client) -> None:
        """Send requests through another client from now on; the old one is closed after those in flight."""
        old, self._context.client = self._context.client, client
        closing = asyncio.create_task(self._close_after(self._dispatcher.requests, old))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def after_gap(self, seconds: float) -> list[Job]:
        """Go on after so many seconds in which the machine slept or was paused.

        Returns the queries that were due meanwhile: their sweeps must be started again.
        """
        return self._sweeps.after_gap(seconds)

    async def wait_until_declared(self) -> None:
        """Wait until the configured values of new and changed tenants are set."""
        if self._preparing:
            await asyncio.wait({self._preparing})

    async def stop(self) -> None:
        """End every request and close the connections."""
        await self._sweeps.stop()
        await self._dispatcher.stop()
        await asyncio.gather(*self._closing)
        await self.client.session.close()

    def _is_shared(self) -> bool:
        return len({scope for _, scope in self.targets.intervals}) > 1

    def _discovered(self, renamed: Collection[str]) -> None:
        self._follow(self._discovery.wanted(self.configuration), changed=renamed)

    def _follow(self, discovered: Iterable[str], *, changed: Iterable[str]) -> None:
        """Poll the configured tenants and these; forget all others at once.

        The configured values of the ``changed`` may be others now.
        """
        before = self.targets.tenants.keys()
        self.targets.configure(self.configuration, discovered)
        gone = before - self.targets.tenants.keys()
        if gone:
            self.store.drop_tenants(gone)
            for part in (self.policy, self._ingester, self._sweeps):
                part.forget(gone)
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        new = [code for code in self.targets.tenants if code not in before]
        if new:
            self._context.log.info("tenants joined", count=len(new))
        if new_or_changed := [*new, *changed]:
            self._set_tenants_and_ask(new, new_or_changed)
        if gone:
            self._context.log.info("tenants left", count=len(gone))

    def _set_tenants_and_ask(self, new: list[str], codes: list[str]) -> None:
        preparation = self._config_metrics.set_tenants_gradually(codes)
        self._preparing = self._sweeps.first_sweep(new, preparation)

    @staticmethod
    async def _close_after(requests: Iterable[asyncio.Task[None]], client: Client) -> None:
        await asyncio.gather(*requests, return_exceptions=True)
        await client.session.close()
