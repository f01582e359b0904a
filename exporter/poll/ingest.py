"""Takes in the outcome of one request: values into the store, success or failure into metrics and the log."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import partial

from exporter.fields import Section
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
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import ExtensionDiscovery, TenantDiscovery
from exporter.poll.key_health import KeyHealth
from exporter.poll.registrations import (
    Registrations,
    registration_families,
    states_by_tenant,
    states_in_list,
    states_of_peers,
)
from exporter.poll.requests import Item
from exporter.poll.scope_check import ScopeChecks
from exporter.queries import QUERIES, Families, QuerySpec

_AT_A_TIME = 20
"""Tenants whose registrations are taken in before it yields to the event loop: some 2 ms."""


class Ingester:
    """Takes in outcomes for one switch. ``on_tenants`` is called with the tenants that have another name."""

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
        """Take in one outcome of a request that was sent with this key.

        All of it is one step, but for a list of the peers of all tenants, which is one step a tenant.
        """
        if isinstance(outcome, Tenants):
            self._ingest_tenants(item, outcome)
            return
        if isinstance(outcome, Peers) and outcome.rows:
            await self._ingest_peers(item.target, outcome)
        self._ingest(item, outcome, health)

    def forget(self, codes: Collection[str]) -> None:
        """Forget tenants that left."""
        self._with_skipped_rows = {target for target in self._with_skipped_rows if target.tenant not in codes}
        self._extensions.forget(codes)
        self._scope_checks.forget(codes)
        for code in codes:
            self._registrations.pop(code, None)

    def trust_next_lists(self) -> None:
        """Accept the next list where one is in doubt now: the operator reloaded the configuration."""
        self._tenants.trust_next()
        self._extensions.trust_next()

    def _ingest(self, item: Item, outcome: Answer | Failure, health: KeyHealth | None) -> None:
        target = item.target
        if not self._targets.is_polled(target):
            return  # the tenant left, or the query was switched off, while it was being asked
        if isinstance(outcome, Answer):
            self._count_skipped_rows(target, outcome.skipped)
        outcome = self._empty_list_is_a_failure(target, outcome)
        outcome = self._idle_is_zero(target, outcome, health)
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
        """Record how an attempt went; log it where that is a change."""
        clock, log = self._context.clock, self._context.log
        before = self._store.record(target, failure, now=clock.elapsed(), wall=clock.wall())
        was = before.failure if before else None
        if failure is was is None:
            return
        names = {"query": target.query.value, "scope": target.scope.value, "tenant": target.tenant}
        if failure and failure.reason is Reason.SCOPE_IGNORED:
            return  # it is logged once for the query, not for each of its tenants
        if failure and (was is None or was.reason is not failure.reason):
            log.warning("query failing", **names, reason=failure.reason.value, detail=failure.detail)
        elif was and failure is None:
            log.info("query recovered", **names, after=was.reason.value)

    def _counted(self, target: Target, failure: Failure | None) -> Failure | None:
        if failure:
            self._count_failure(target, failure)
        return failure

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
                "rows skipped: they cannot be read",
                query=query.value,
                scope=scope.value,
                tenant=tenant,
                rows=skipped.rows,
                first=skipped.first,
            )

    def _put(self, target: Target, values: Families, part: str = "") -> None:
        interval = self._targets.planned_interval(target)
        self._store.put(target, values, interval=interval, now=self._context.clock.elapsed(), part=part)

    # What an answer means

    def _empty_list_is_a_failure(self, target: Target, outcome: Answer | Failure) -> Answer | Failure:
        """Let an empty list change no registration.

        A tenant without configured extensions may have none; an installation without peers was never seen.
        """
        if target.query is not Query.REGISTRATIONS or not isinstance(outcome, Extensions | Peers):
            return outcome
        has_phones = isinstance(outcome, Peers) or self._targets.tenants[target.tenant].polled
        if outcome.rows or not has_phones:
            return outcome
        return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")

    def _idle_is_zero(
        self, target: Target, outcome: Answer | Failure, health: KeyHealth | None
    ) -> Answer | Failure:
        """Read an empty COUNTCALLS as 0, where that is configured and the key has been given numbers.

        An idle tenant's answer has 0 bytes (seen, wire notes 2026-10), but so has one that is not permitted.
        """
        if not isinstance(outcome, Failure) or outcome.reason is not Reason.EMPTY:
            return outcome
        self._context.instruments.empty_answers.labels(self._store.switch, target.query).inc()
        spec = QUERIES[target.query]
        if spec.empty_is_zero is None or health is None or not health.has_counted_calls:
            return outcome
        return Number(0) if spec.empty_is_zero(self._section(spec)) else outcome

    def _section(self, spec: QuerySpec[Section]) -> Section:
        return self._context.configuration.queries.options(spec)

    # Counts and nodes

    def _families(self, target: Target, answer: Answer) -> Families:
        spec = QUERIES[target.query]
        fills = spec.endpoint(self._section(spec), target.scope).fills
        if fills is None:
            raise TypeError(f"{target.query} declares nothing that {type(answer).__name__} fills")
        values: Families = fills(answer)
        if target.scope is Scope.SWITCH and isinstance(answer, Counts):
            return {**values, **self._nodes(target, answer)}
        if target.query is Query.LIMITS and self._targets.tenants[target.tenant].channels_limit is not None:
            return {}  # the configuration overrides it
        return values

    def _nodes(self, target: Target, answer: Counts) -> Families:
        """Note from a whole-installation count which nodes are there, and whether each has to be asked."""
        known = self._targets.presence.known
        if target.query is Query.CHANNELS:
            self._targets.channels_node_by_node = answer.nodes is None
            if answer.nodes is not None:
                self._forget_nodes(known)
            return {}
        if answer.nodes is None:
            return {}
        there = {*answer.nodes, *answer.uncounted}
        nameless = answer.skipped.nameless if answer.skipped else 0
        present = self._targets.accept_nodes(there, self._context.clock.elapsed(), nameless=nameless)
        self._forget_nodes(node for node in known if node not in there)
        return {catalogue.NODE_PRESENT: present}

    def _forget_nodes(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._store.forget(Target(Query.CHANNELS, Scope.SWITCH), part=node)

    def _ingest_node(self, item: Item, outcome: Answer | Failure) -> None:
        # The query succeeds with its total; a node that cannot be counted becomes stale on its own.
        if isinstance(outcome, Counts) and self._targets.channels_node_by_node:
            # A switch that ignores `nodename` names other nodes: their count is not this node's.
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
        failure = self._counted(target, self._extensions.accept(target.tenant, listed))
        if failure is None:
            self._targets.set_discovered_extensions(target.tenant, self._extensions.names(target.tenant))
        self._record(target, failure)

    async def _ingest_peers(self, target: Target, listed: Peers) -> None:
        found = await self._context.decode_in_thread(partial(states_by_tenant, listed))
        codes = [target.tenant] if target.tenant else list(self._targets.tenants)
        for position, code in enumerate(codes, start=1):
            if code in self._targets.tenants and self._targets.is_polled(target):
                self._ingest_peers_of(target, code, found.get(code, {}), is_complete=names_all(listed))
            if position % _AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _ingest_peers_of(
        self, asked: Target, code: str, found: dict[str, Registration], *, is_complete: bool
    ) -> None:
        target = Target(Query.REGISTRATIONS, Scope.TENANT, code)
        wanted = self._targets.extensions(code)
        if not wanted:
            self._store.forget(target)
            return
        self._store.put(
            target,
            registration_families(states_of_peers(found, wanted, is_complete=is_complete)),
            interval=self._targets.planned_interval(asked),
            now=self._context.clock.elapsed(),
            job=(asked.query, asked.scope),
        )

    def _ingest_registrations(self, item: Item, outcome: Answer | Failure) -> None:
        target = item.target
        if item.part:
            self._ingest_extension(item, outcome)
        elif isinstance(outcome, Extensions):
            tenant = self._targets.tenants[target.tenant]
            states, failure = states_in_list(outcome, None if tenant.extensions == "all" else tenant.polled)
            for watched in tenant.watch:
                states.setdefault(watched, Registration.UNKNOWN)
            self._put(target, registration_families(states))
            self._record(target, self._counted(target, failure))
        else:
            self._record(target, outcome if isinstance(outcome, Failure) else None)

    def _ingest_extension(self, item: Item, outcome: Answer | Failure) -> None:
        if not isinstance(outcome, RegistrationState | Failure):
            raise TypeError(f"not an answer to a registration: {type(outcome).__name__}")
        target, now = item.target, self._context.clock.elapsed()
        registrations = self._registrations[target.tenant]
        registrations.set_extensions(self._targets.extensions(target.tenant))
        registrations.record(item.part, outcome, now)
        if isinstance(outcome, RegistrationState):
            job, interval = (target.query, target.scope), self._targets.planned_interval(target)
            self._put(target, registrations.families(oldest=self._store.oldest(job, interval, now)))
        if verdict := registrations.verdict():
            self._record(target, verdict if isinstance(verdict, Failure) else None)
