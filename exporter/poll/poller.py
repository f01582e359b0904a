"""Polls one switch: joins the plan, the sweeps and the processing of responses."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from exporter import freshness
from exporter.client import Client
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll.config_metrics import ConfigMetrics
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.dispatcher import Dispatcher, Limiter
from exporter.poll.fetch import FailedAnswers, Fetcher
from exporter.poll.ingest import Ingester
from exporter.poll.memory import SwitchMemory
from exporter.poll.request_policy import RequestPolicy
from exporter.poll.requests import Job
from exporter.poll.sweep import Sweeps

_CLOCK_STEP = 1.0
"""Seconds. After a larger step of the wall clock, timestamps are computed again."""


class Poller:
    """Keeps the store of one switch up to date. The schedule calls ``sweep`` for each of ``jobs``."""

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
            shared=self._has_both_scopes(),
        )
        self.policy = RequestPolicy(configuration.name, self._limiter, self.targets.key_of)
        self._ingester = Ingester(context, self._discovery, self._update_tenants)
        self._fetcher = Fetcher(context, self.policy, self._ingester.ingest, self._ingester.next_window)
        self._dispatcher = Dispatcher(self._fetcher, self._limiter, context.clock)
        self._sweeps = Sweeps(context, self.policy, self._fetcher, self._dispatcher)
        self.memory = SwitchMemory(context, self._ingester.seen_peers)
        self._is_stopped = False
        self._preparing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._wall_offset = context.clock.wall() - context.clock.elapsed()
        self.store.set(catalogue.SERIES, "", 0)  # so that the first page counts this series, too
        self._config_metrics.set_switch()
        self._config_metrics.set_tenants(self.targets.tenants)

    @property
    def configuration(self) -> SwitchConfiguration:
        """The current configuration."""
        return self._context.configuration

    @property
    def client(self) -> Client:
        """The current client."""
        return self._context.client

    @property
    def jobs(self) -> list[Job]:
        """Every polled query, with its scope."""
        return list(self.targets.intervals)

    def period(self, query: Query, scope: Scope) -> float:
        """Return the planned seconds between the starts of two sweeps."""
        return self.targets.plan.cycles[query, scope]

    @property
    def shown_url(self) -> str:
        """The URL of the switch, with secrets masked."""
        return self._context.mask(str(self.client.url.with_user(None)))

    @property
    def answers(self) -> FailedAnswers:
        """The newest responses without a value."""
        return self._fetcher.answers

    @property
    def tenant_names(self) -> Mapping[str, str]:
        """The names of the discovered tenants, by code."""
        return self._discovery.names

    @property
    def requests_in_flight(self) -> int:
        """The number of requests in flight."""
        return self._limiter.in_flight

    # Called on a schedule

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Send the requests of all targets that are due; return when the last one was sent."""
        if not self._is_stopped:  # the schedule may start a sweep that a reload has just removed
            await self._sweeps.sweep(query, scope)

    async def retry(self) -> None:
        """Retry failed targets whose next sweep is far away."""
        if not self._is_stopped:
            await self._sweeps.retry()

    # Called for each page

    def refresh(self) -> None:
        """Update what depends on the clock. Called before each scrape."""
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
            self._prepare_tenants([], list(self.targets.tenants))

    def drop_stale(self) -> None:
        """Drop stale values."""
        dropped: dict[Job, list[str]] = {}
        for query, scope, tenant in self.store.expire(self._context.clock.elapsed()):
            dropped.setdefault((query, scope), []).append(tenant)
        for (query, scope), tenants in dropped.items():
            # One line per query: after a night asleep, 25,000 values are dropped at once.
            which = {"tenant": tenants[0]} if len(tenants) == 1 else {"targets": len(tenants)}
            self._context.log.warning("stale values dropped", query=query.value, scope=scope.value, **which)

    def is_up(self) -> bool | None:
        """Return whether the switch returns valid responses; None before the first attempt has ended."""
        if not self.store.attempted:
            return None
        return freshness.is_up(
            self.store.valid_at,
            self._context.clock.elapsed(),
            shortest_interval=min(self.targets.intervals.values(), default=0.0),
            timeout=self.configuration.timeout,
        )

    def is_tried(self) -> bool:
        """Return whether each query with any target was tried at least once."""
        return all(job in self.store.tried for job in self.targets.intervals if self.targets.requests(*job))

    # Changes

    def remember(self, parts: Iterable[Mapping[str, Any]], passed: float) -> int:
        """Restore what the previous run wrote ``passed`` seconds ago. Return how many parts are invalid."""
        invalid = self.memory.restore(parts, passed)
        self._note_tenants()
        return invalid

    def reconfigure(
        self, configuration: SwitchConfiguration, client: Client, label_names: tuple[str, ...]
    ) -> list[Job]:
        """Use another configuration of the same switch, and keep the values of everything still polled.

        The old client is closed after its requests in flight. Returns the queries with another cycle: their
        sweeps were cancelled and must be started again.
        """
        context, old, plan = self._context, self.configuration, self.targets.plan
        context.configuration, context.label_names = configuration, label_names
        if (old.url, old.proxy, old.tls) != (configuration.url, configuration.proxy, configuration.tls):
            self.policy.reset()
        self.reconnect(client)
        self.store.configure(stale_after=configuration.stale_after, max_series=configuration.max_series)
        self._ingester.trust_next_lists()
        self._update_tenants(self.targets.tenants)
        self._limiter.configure(
            configuration.max_concurrency,
            configuration.max_requests_per_second,
            shared=self._has_both_scopes(),
        )
        changed = self._sweeps.reconfigure(plan)
        self.policy.reconfigure(self.targets.is_polled, self.targets.intervals, self.targets.keys)
        self.store.drop({target for target in self.store.targets if not self.targets.has_values(target)})
        self.store.keep_queries(self.targets.intervals)
        self._ingester.drop_unpolled()
        self._config_metrics.set_switch()
        if self._discovery.is_in_doubt:
            self._sweeps.request_now(Target(Query.TENANTS, Scope.SWITCH))  # the operator waits for it
        return changed

    def reconnect(self, client: Client) -> None:
        """Use another client; close the old one after its requests in flight."""
        old, self._context.client = self._context.client, client
        closing = asyncio.create_task(self._close_after(self._dispatcher.requests, old))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def after_gap(self, seconds: float) -> list[Job]:
        """Resume after a gap in which the machine was asleep or paused.

        Returns the queries that missed a sweep: their sweeps must be started again.
        """
        return self._sweeps.after_gap(seconds)

    async def wait_until_prepared(self) -> None:
        """Wait until the configured values of new and changed tenants are set."""
        if self._preparing:
            await asyncio.wait({self._preparing})

    async def stop(self) -> None:
        """Cancel every request and close the connections."""
        self._is_stopped = True
        await self._sweeps.stop()
        await self._dispatcher.stop()
        await asyncio.gather(*self._closing)
        await self.client.session.close()

    def _has_both_scopes(self) -> bool:
        return len({scope for _, scope in self.targets.intervals}) > 1

    def _update_tenants(self, changed: Iterable[str]) -> None:
        """Poll the configured and discovered tenants, and drop all others.

        The configured values of the ``changed`` tenants are set again.
        """
        before = self.targets.tenants.keys()
        self.targets.configure(self.configuration, self._discovery.selected(self.configuration))
        gone = before - self.targets.tenants.keys()
        if gone:
            self.store.drop_tenants(gone)
            for part in (self.policy, self._ingester, self._sweeps):
                part.drop_tenants(gone)
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        new = [code for code in self.targets.tenants if code not in before]
        if new:
            self._context.log.info("tenants added", count=len(new))
        if new_or_changed := [*new, *changed]:
            self._prepare_tenants(new, new_or_changed)
        if gone:
            self._context.log.info("tenants removed", count=len(gone))
        self._note_tenants()

    def _note_tenants(self) -> None:
        if self._discovery.names or not self.configuration.discover_tenants.enabled:
            self.memory.note_tenants()  # before the first list, no tenant is known to be gone

    def _prepare_tenants(self, new: list[str], codes: Collection[str]) -> None:
        preparation = self._config_metrics.set_tenants_gradually(list(codes))
        self._preparing = self._sweeps.first_sweep(new, preparation)

    @staticmethod
    async def _close_after(requests: Iterable[asyncio.Task[None]], client: Client) -> None:
        await asyncio.gather(*requests, return_exceptions=True)
        await client.session.close()
