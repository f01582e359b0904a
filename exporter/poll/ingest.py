"""Takes in what came back for one request: values into the store, the outcome into metrics and the log."""

from collections import defaultdict
from collections.abc import Iterable

import structlog

from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.metrics.self_metrics import Instruments
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
from exporter.poll.discovery import ListGuard
from exporter.poll.families import families
from exporter.poll.planner import Targets
from exporter.poll.registrations import (
    Registrations,
    registration_families,
    states_in_list,
    states_of_peers,
)
from exporter.poll.requests import Item
from exporter.poll.scope_check import ScopeCheck
from exporter.store import Families, Store

_MOST_EXTENSIONS = 300_000
"""Discovered on one switch; the largest installation that this is built for has 250,000."""


class Ingester:
    """Everything that follows from an outcome, for one switch."""

    def __init__(
        self,
        configuration: SwitchConfiguration,
        targets: Targets,
        store: Store,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self.configuration = configuration
        self._targets = targets
        self._store = store
        self._instruments = instruments
        self._clock = clock
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)
        self._registrations: defaultdict[str, Registrations] = defaultdict(Registrations)
        self._extension_guards: defaultdict[str, ListGuard] = defaultdict(ListGuard)
        self._scopes: defaultdict[Query, ScopeCheck] = defaultdict(ScopeCheck)
        self._skipping: set[Target] = set()  # whose newest answer had rows that could not be read

    def ingest(self, item: Item, outcome: Answer | Failure, *, calls_were_counted: bool = False) -> None:
        """Take in one outcome, whole: nothing else runs in between.

        ``calls_were_counted``: COUNTCALLS gave a number with the key that this request was sent with.
        """
        if not self._targets.is_polled(item.target):
            return  # the tenant left, or the query was switched off, while it was being asked
        if isinstance(outcome, Counts | Extensions | Peers | Tenants):
            self._count_skipped_rows(item.target, outcome.skipped)
        outcome = self._empty_is_not_zero(item.target, outcome)
        outcome = self._idle_is_zero(item.target, outcome, calls_were_counted=calls_were_counted)
        if isinstance(outcome, Number | Counts) and not item.part:
            outcome = self._within_scope(item.target, outcome)
        if isinstance(outcome, Failure):
            self._count_failure(item.target, outcome)
        self._keep(item, outcome)

    def _keep(self, item: Item, outcome: Answer | Failure) -> None:
        if item.target.query is Query.REGISTRATIONS:
            self._ingest_registrations(item, outcome)
        elif item.part:
            self._ingest_node(item, outcome)
        elif isinstance(outcome, Failure):
            self.record(item.target, outcome)
        elif isinstance(outcome, Extensions):
            self._ingest_extensions(item.target, outcome)
        elif isinstance(outcome, Tenants):
            self.record(item.target, None)
        else:
            self._put(item.target, self._families(item.target, outcome))
            self.record(item.target, None)

    def ingest_peers(
        self, asked: Target, code: str, found: dict[str, Registration], *, is_complete: bool
    ) -> None:
        """Take in the states of one tenant's extensions, out of the list of peers that was asked for."""
        target = Target(Query.REGISTRATIONS, Scope.TENANT, code)
        wanted = self._targets.extensions(code)
        if not wanted:
            self._store.forget(target)
            return
        said = registration_families(states_of_peers(found, wanted, is_complete=is_complete))
        self._store.put(
            target,
            said,
            interval=self._targets.planned_interval(asked),
            now=self._clock.elapsed(),
            job=(asked.query, asked.scope),
        )

    def record(self, target: Target, failure: Failure | None) -> None:
        """Note how an attempt went; log it where that is a change."""
        now, wall = self._clock.elapsed(), self._clock.wall()
        before = self._store.record(target, failure, now=now, wall=wall)
        was = before.failure if before else None
        if failure is was is None:
            return
        names = {"query": target.query.value, "scope": target.scope.value, "tenant": target.tenant}
        if failure and failure.reason is Reason.SCOPE_IGNORED:
            return  # it is said once for the query, not for each of its tenants
        if failure and (was is None or was.reason is not failure.reason):
            self._log.warning("query failing", **names, reason=failure.reason.value, detail=failure.detail)
        elif was and failure is None:
            self._log.info("query recovered", **names, after=was.reason.value)

    def drop(self, codes: Iterable[str]) -> None:
        """Forget tenants that left."""
        gone = set(codes)
        self._skipping = {target for target in self._skipping if target.tenant not in gone}
        for code in gone:
            self._registrations.pop(code, None)
            self._extension_guards.pop(code, None)
            for check in self._scopes.values():
                check.forget(code)

    def trust_next_lists(self) -> None:
        """Accept the next list where one is in doubt now: the operator reloaded the configuration."""
        for guard in self._extension_guards.values():
            guard.trust_next()

    def _count_failure(self, target: Target, failure: Failure) -> None:
        self._instruments.request_failures.labels(self._store.switch, target.query, failure.reason).inc()

    def _count_skipped_rows(self, target: Target, skipped: Skipped | None) -> None:
        query, scope, tenant = target
        if skipped is None:
            self._skipping.discard(target)
            return
        self._instruments.rows_skipped.labels(self._store.switch, query).inc(skipped.rows)
        if target not in self._skipping:
            self._skipping.add(target)
            self._log.warning(
                "rows skipped: they cannot be read",
                query=query.value,
                scope=scope.value,
                tenant=tenant,
                rows=skipped.rows,
                first=skipped.first,
            )

    def _empty_is_not_zero(self, target: Target, outcome: Answer | Failure) -> Answer | Failure:
        """Read an empty list as nothing where it is to tell the state of phones: it changes none of them.

        A tenant of which no phone is named may well have none; an installation without any peer was not seen.
        """
        if target.query is not Query.REGISTRATIONS or not isinstance(outcome, Extensions | Peers):
            return outcome
        if outcome.rows or (
            isinstance(outcome, Extensions) and not self._targets.tenants[target.tenant].polled
        ):
            return outcome
        return Failure(
            Reason.EMPTY, "the list is empty; the states that were known stay until they are stale"
        )

    def _idle_is_zero(
        self, target: Target, outcome: Answer | Failure, *, calls_were_counted: bool
    ) -> Answer | Failure:
        """Read an empty COUNTCALLS as 0, where that is configured and the key was seen to be given numbers.

        An idle tenant's answer has 0 bytes (seen, wire notes 2026-10), but so has one that is not permitted.
        """
        is_empty = isinstance(outcome, Failure) and outcome.reason is Reason.EMPTY
        if is_empty:
            self._instruments.empty_answers.labels(self._store.switch, target.query).inc()
        is_zero = is_empty and calls_were_counted and target.query is Query.CALLS
        return Number(0) if is_zero and self.configuration.queries.calls.empty == "zero" else outcome

    def _within_scope(self, target: Target, answer: Number | Counts) -> Answer | Failure:
        """Refuse a tenant's figure where the switch was seen to answer for the whole installation."""
        figure = answer.value if isinstance(answer, Number) else answer.whole
        if figure is None or target.query not in (Query.PEERS, Query.CHANNELS, Query.CALLS):
            return answer
        check = self._scopes[target.query]
        if target.scope is Scope.SWITCH:
            check.record_switch(figure)
            return answer
        if check.record_tenant(target.tenant, figure):
            if check.is_ignored:
                for code in self._targets.tenants:
                    self._store.forget(Target(target.query, Scope.TENANT, code))
                self._log.error("the switch ignores `tenant` for this query", query=target.query.value)
            else:
                self._log.info("the switch heeds `tenant` again for this query", query=target.query.value)
        if not check.is_ignored:
            return answer
        return Failure(
            Reason.SCOPE_IGNORED,
            "every tenant is given the figure of the whole installation; "
            f"set queries.{target.query}.tenant_interval to off",
        )

    def _families(self, target: Target, answer: Answer) -> Families:
        said = families(target.query, target.scope, answer)
        if target.scope is Scope.SWITCH and isinstance(answer, Counts):
            return {**said, **self._nodes(target, answer)}
        if target.query is Query.LIMITS and self._targets.tenants[target.tenant].channels_limit is not None:
            return {}  # the configuration knows better
        return said

    def _nodes(self, target: Target, answer: Counts) -> Families:
        """Draw from a whole-installation count which nodes are there, and whether each has to be asked."""
        if target.query is Query.CHANNELS:
            self._targets.channels_node_by_node = answer.nodes is None
            if answer.nodes is not None:
                self._forget_nodes(self._targets.presence.known)
            return {}
        if answer.nodes is None:
            return {}
        known = self._targets.presence.known
        there = {*answer.nodes, *answer.uncounted}
        nameless = answer.skipped.nameless if answer.skipped else 0
        present = self._targets.accept_nodes(there, self._clock.elapsed(), nameless=nameless)
        self._forget_nodes([node for node in known if node not in there])
        return {catalogue.NODE_PRESENT: present}

    def _forget_nodes(self, nodes: list[str]) -> None:
        for node in nodes:
            self._store.forget(Target(Query.CHANNELS, Scope.SWITCH), part=node)

    def _ingest_node(self, item: Item, outcome: Answer | Failure) -> None:
        # The query's own success is that of the total; a node that cannot be counted goes stale on its own.
        if isinstance(outcome, Counts) and self._targets.channels_node_by_node:
            # A switch that ignores `nodename` names other nodes: what it counts there is not this one's.
            count = outcome.nodes.get(item.part) if outcome.nodes else outcome.total
            if count is not None:
                self._put(item.target, {catalogue.NODE_CHANNELS: {item.part: count}}, part=item.part)

    def _ingest_extensions(self, target: Target, answer: Extensions) -> None:
        """Take in which extensions a tenant has, where they are discovered."""
        guard = self._extension_guards[target.tenant]
        if self._targets.extensions_of_others(target.tenant) + len(answer.rows) > _MOST_EXTENSIONS:
            failure = Failure(Reason.TOO_LARGE, f"the switch lists more than {_MOST_EXTENSIONS:,} extensions")
            self._count_failure(target, failure)
            self.record(target, failure)
            return
        if guard.accept([row.number for row in answer.rows], is_complete=names_all(answer)):
            self._targets.set_discovered_extensions(target.tenant, guard.names)
            self.record(target, None)
            return
        reason = Reason.DECODE if answer.rows else Reason.EMPTY
        failure = Failure(reason, f"the list has {len(answer.rows)} of {len(guard.names)} known extensions")
        self._count_failure(target, failure)
        self.record(target, failure)

    def _ingest_registrations(self, item: Item, outcome: Answer | Failure) -> None:
        if item.part:
            self._ingest_extension(item, outcome)
        elif isinstance(outcome, Extensions):
            tenant = self._targets.tenants[item.target.tenant]
            states, failure = states_in_list(outcome, None if tenant.extensions == "all" else tenant.polled)
            for watched in tenant.watch:
                states.setdefault(watched, Registration.UNKNOWN)
            self._put(item.target, registration_families(states))
            if failure:
                self._count_failure(item.target, failure)
            self.record(item.target, failure)
        else:
            self.record(item.target, outcome if isinstance(outcome, Failure) else None)

    def _ingest_extension(self, item: Item, outcome: Answer | Failure) -> None:
        if not isinstance(outcome, RegistrationState | Failure):
            raise TypeError(f"not an answer to a registration: {type(outcome).__name__}")
        now = self._clock.elapsed()
        held = self._registrations[item.target.tenant]
        held.set_extensions(self._targets.extensions(item.target.tenant))
        held.record(item.part, outcome, now)
        if isinstance(outcome, RegistrationState):
            job, pace = (item.target.query, item.target.scope), self._targets.planned_interval(item.target)
            self._put(item.target, held.families(oldest=self._store.oldest(job, pace, now)))
        verdict = held.verdict()
        if isinstance(verdict, Failure):
            self.record(item.target, verdict)
        elif verdict:
            self.record(item.target, None)

    def _put(self, target: Target, said: Families, *, part: str = "") -> None:
        self._store.put(
            target,
            said,
            interval=self._targets.planned_interval(target),
            now=self._clock.elapsed(),
            part=part,
        )
