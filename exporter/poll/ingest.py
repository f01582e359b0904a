"""Stores the outcome of a request: values in the store, success or failure in metrics and the log."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import partial

from exporter.metrics import catalogue
from exporter.model import (
    Answer,
    Counts,
    Extensions,
    Failure,
    Number,
    Peers,
    Query,
    Reason,
    Registration,
    RegistrationState,
    Scope,
    Skipped,
    Target,
    Tenants,
    names_all,
)
from exporter.poll.backoff import KeyHealth
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import ExtensionDiscovery, TenantDiscovery
from exporter.poll.registrations import (
    Registrations,
    registration_families,
    states_by_tenant,
    states_in_list,
    states_of_peers,
)
from exporter.poll.requests import Item
from exporter.poll.scope_check import ScopeChecks
from exporter.queries import QUERIES, Families

_BATCH = 20
"""Tenants to store, in about 2 ms, before yielding to the event loop."""


class Ingester:
    """Stores the outcomes of one switch. ``on_tenants`` receives the tenants whose names have changed."""

    def __init__(
        self,
        context: SwitchContext,
        discovery: TenantDiscovery,
        on_tenants: Callable[[Collection[str]], None],
    ) -> None:
        self._context = context
        self._store = context.store
        self._targets = context.targets
        self._tenants = discovery
        self._on_tenants = on_tenants
        self._extensions = ExtensionDiscovery()
        self._registrations: defaultdict[str, Registrations] = defaultdict(Registrations)
        self._scope_checks = ScopeChecks(context)
        self._with_skipped_rows: set[Target] = set()

    async def ingest(self, item: Item, outcome: Answer | Failure, health: KeyHealth) -> None:
        """Store one outcome of a request that was sent with the key of ``health``.

        Yields to the event loop only for a list of peers: while a thread groups the peers by tenant, and
        between batches of tenants.
        """
        if isinstance(outcome, Tenants):
            self._ingest_tenants(item, outcome)
            return
        if isinstance(outcome, Peers) and outcome.rows:
            await self._ingest_peers(item.target, outcome)
        self._ingest(item, outcome, health)

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._with_skipped_rows = {target for target in self._with_skipped_rows if target.tenant not in codes}
        self._extensions.drop_tenants(codes)
        self._scope_checks.drop_tenants(codes)
        for code in codes:
            self._registrations.pop(code, None)

    def trust_next_lists(self) -> None:
        """Accept the next of each list that is in doubt now. Called when the operator reloads."""
        self._tenants.trust_next()
        self._extensions.trust_next()

    def _ingest(self, item: Item, outcome: Answer | Failure, health: KeyHealth | None) -> None:
        target = item.target
        if not self._targets.is_polled(target):
            return  # removed while the request was in flight
        if isinstance(outcome, Answer):
            self._count_skipped_rows(target, outcome.skipped)
        outcome = self._reject_empty_list(target, outcome)
        outcome = self._empty_as_zero(target, outcome, health)
        if isinstance(outcome, Number | Counts) and not item.part:
            outcome = self._scope_checks.check(target, outcome)
        if isinstance(outcome, Failure):
            self._count_failure(target, outcome)
        if target.query is Query.REGISTRATIONS:
            self._ingest_registrations(item, outcome)
        elif item.part:
            self._ingest_node(item, outcome)
        elif isinstance(outcome, Failure):
            self._record(target, outcome)
        elif isinstance(outcome, Extensions):
            self._ingest_extensions(target, outcome)
        else:
            if not isinstance(outcome, Tenants):
                self._put(target, self._families(target, outcome))
            self._record(target, None)

    def _record(self, target: Target, failure: Failure | None) -> None:
        """Record the result of an attempt, and log it if it is a change."""
        clock, log = self._context.clock, self._context.log
        attempt = self._store.record(target, failure, now=clock.elapsed(), wall=clock.wall())
        before = attempt.failure if attempt else None
        names = {"query": target.query.value, "scope": target.scope.value, "tenant": target.tenant}
        if failure is None:
            if before is not None:
                log.info("query recovered", **names, after=before.reason.value)
        elif failure.reason is Reason.SCOPE_IGNORED:
            pass  # logged once for the query, not for each tenant
        elif before is None or before.reason is not failure.reason:
            log.warning("query failing", **names, reason=failure.reason.value, detail=failure.detail)

    def _count_failure(self, target: Target, failure: Failure) -> None:
        failures = self._context.instruments.request_failures
        failures.labels(self._store.switch, target.query, failure.reason).inc()

    def _count_skipped_rows(self, target: Target, skipped: Skipped | None) -> None:
        if skipped is None:
            self._with_skipped_rows.discard(target)
            return
        query, scope, tenant = target
        self._context.instruments.rows_skipped.labels(self._store.switch, query).inc(skipped.rows)
        if target not in self._with_skipped_rows:
            self._with_skipped_rows.add(target)
            self._context.log.warning(
                "unreadable rows skipped",
                query=query.value,
                scope=scope.value,
                tenant=tenant,
                rows=skipped.rows,
                first=skipped.first,
            )

    def _put(self, target: Target, values: Families, part: str = "") -> None:
        interval = self._targets.planned_interval(target)
        self._store.put(target, values, interval=interval, now=self._context.clock.elapsed(), part=part)

    def _reject_empty_list(self, target: Target, outcome: Answer | Failure) -> Answer | Failure:
        """Return a failure for an empty list, so that known registrations are kept.

        An empty list is valid only for a tenant without configured extensions: an installation always has
        peers.
        """
        if target.query is not Query.REGISTRATIONS or not isinstance(outcome, Extensions | Peers):
            return outcome
        has_phones = isinstance(outcome, Peers) or self._targets.tenants[target.tenant].polled
        if outcome.rows or not has_phones:
            return outcome
        return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")

    def _empty_as_zero(
        self, target: Target, outcome: Answer | Failure, health: KeyHealth | None
    ) -> Answer | Failure:
        """Return 0 for an empty COUNTCALLS, if configured and if this key has returned a number before.

        An idle tenant and a denied request both give a response of 0 bytes (seen, wire notes 2026-10).
        """
        if not isinstance(outcome, Failure) or outcome.reason is not Reason.EMPTY:
            return outcome
        self._context.instruments.empty_answers.labels(self._store.switch, target.query).inc()
        spec = QUERIES[target.query]
        if spec.empty_is_zero is None or health is None or not health.has_counted_calls:
            return outcome
        section = self._context.configuration.queries.options(spec)
        return Number(0) if spec.empty_is_zero(section) else outcome

    # Counts and nodes

    def _families(self, target: Target, answer: Answer) -> Families:
        spec = QUERIES[target.query]
        fills = spec.endpoint(self._context.configuration.queries.options(spec), target.scope).fills
        if fills is None:
            raise TypeError(f"{target.query} declares no `fills` for {type(answer).__name__}")
        if target.query is Query.LIMITS and self._targets.tenants[target.tenant].channels_limit is not None:
            return {}  # the configured limit overrides it
        values: Families = fills(answer)
        if target.scope is Scope.SWITCH and isinstance(answer, Counts):
            return {**values, **self._nodes(target, answer)}
        return values

    def _nodes(self, target: Target, answer: Counts) -> Families:
        """Return the presence of each node, and set whether channels need a request per node."""
        known = self._targets.presence.known
        if target.query is Query.CHANNELS:
            self._targets.channels_node_by_node = answer.nodes is None
            if answer.nodes is not None:
                self._drop_nodes(known)
            return {}
        if answer.nodes is None:
            return {}
        present = {*answer.nodes, *answer.uncounted}
        nameless = answer.skipped.nameless if answer.skipped else 0
        states = self._targets.update_nodes(present, self._context.clock.elapsed(), nameless=nameless)
        self._drop_nodes(node for node in known if node not in present)
        return {catalogue.NODE_PRESENT: states}

    def _drop_nodes(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._store.remove(Target(Query.CHANNELS, Scope.SWITCH), part=node)

    def _ingest_node(self, item: Item, outcome: Answer | Failure) -> None:
        # A node without a count is no failure of the query: the last count of the node becomes stale.
        if isinstance(outcome, Counts) and self._targets.channels_node_by_node:
            # A switch that ignores `nodename` may return the counts of other nodes.
            count = outcome.nodes.get(item.part) if outcome.nodes else outcome.total
            if count is not None:
                self._put(item.target, {catalogue.NODE_CHANNELS: {item.part: count}}, part=item.part)

    # Tenants and registrations

    def _ingest_tenants(self, item: Item, listed: Tenants) -> None:
        before = self._tenants.names
        doubt = self._tenants.accept(listed)
        self._ingest(item, doubt or listed, None)
        if doubt is None:
            names = self._tenants.names
            self._on_tenants([code for code in self._targets.tenants if names.get(code) != before.get(code)])

    def _ingest_extensions(self, target: Target, listed: Extensions) -> None:
        failure = self._extensions.accept(target.tenant, listed)
        if failure is None:
            self._targets.set_discovered_extensions(target.tenant, self._extensions.names(target.tenant))
        else:
            self._count_failure(target, failure)
        self._record(target, failure)

    async def _ingest_peers(self, target: Target, listed: Peers) -> None:
        found = await self._context.decode_in_thread(partial(states_by_tenant, listed))
        codes = [target.tenant] if target.tenant else list(self._targets.tenants)
        for position, code in enumerate(codes, start=1):
            if code in self._targets.tenants and self._targets.is_polled(target):
                self._ingest_peers_of(target, code, found.get(code, {}), is_complete=names_all(listed))
            if position % _BATCH == 0:
                await asyncio.sleep(0)

    def _ingest_peers_of(
        self, polled: Target, code: str, found: dict[str, Registration], *, is_complete: bool
    ) -> None:
        target = Target(Query.REGISTRATIONS, Scope.TENANT, code)
        extensions = self._targets.extensions(code)
        if not extensions:
            self._store.remove(target)
            return
        self._store.put(
            target,
            registration_families(states_of_peers(found, extensions, is_complete=is_complete)),
            interval=self._targets.planned_interval(polled),
            now=self._context.clock.elapsed(),
            job=(polled.query, polled.scope),
        )

    def _ingest_registrations(self, item: Item, outcome: Answer | Failure) -> None:
        target = item.target
        failure = outcome if isinstance(outcome, Failure) else None
        if item.part:
            self._ingest_extension(item, outcome)
            return
        if isinstance(outcome, Extensions):
            tenant = self._targets.tenants[target.tenant]
            states, failure = states_in_list(outcome, None if tenant.extensions == "all" else tenant.polled)
            for watched in tenant.watch:
                states.setdefault(watched, Registration.UNKNOWN)
            self._put(target, registration_families(states))
            if failure:
                self._count_failure(target, failure)
        self._record(target, failure)

    def _ingest_extension(self, item: Item, outcome: Answer | Failure) -> None:
        if not isinstance(outcome, RegistrationState | Failure):
            raise TypeError(f"expected a registration state, got {type(outcome).__name__}")
        target, now = item.target, self._context.clock.elapsed()
        registrations = self._registrations[target.tenant]
        registrations.set_extensions(self._targets.extensions(target.tenant))
        registrations.record(item.part, outcome, now)
        if isinstance(outcome, RegistrationState):
            job, interval = (target.query, target.scope), self._targets.planned_interval(target)
            self._put(target, registrations.families(oldest=self._store.oldest(job, interval, now)))
        if verdict := registrations.verdict():
            self._record(target, verdict if isinstance(verdict, Failure) else None)
