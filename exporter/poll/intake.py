"""Takes in what came back for one request: values into the store, the outcome into metrics and the log."""

import structlog

from exporter import catalogue
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.instruments import Instruments
from exporter.model import Answer, Counts, Failure, Number, Query, Reason, RegistrationState, Scope, Target
from exporter.poll.families import families
from exporter.poll.registrations import Registrations
from exporter.poll.requests import Item
from exporter.poll.targets import Targets
from exporter.store import Families, Store


class Intake:
    """Everything that follows from an outcome, for one switch."""

    def __init__(
        self,
        configuration: SwitchConfiguration,
        targets: Targets,
        store: Store,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._configuration = configuration
        self._targets = targets
        self._store = store
        self._instruments = instruments
        self._clock = clock
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)
        self._registrations: dict[str, Registrations] = {}
        self._counted_calls: set[str] = set()

    def take_in(self, item: Item, outcome: Answer | Failure) -> None:
        """Take in one outcome, whole: nothing else runs in between."""
        if item.target.scope is Scope.TENANT and item.target.tenant not in self._targets.tenants:
            return  # the tenant left while it was being asked
        outcome = self._idle_is_zero(item.target, outcome)
        if isinstance(outcome, Failure):
            self._instruments.request_failures.labels(
                self._store.switch, item.target.query.value, outcome.reason.value
            ).inc()
        if item.target.query is Query.REGISTRATIONS:
            self._take_in_registration(item, outcome)
        elif item.part:
            self._take_in_node(item, outcome)
        elif isinstance(outcome, Failure):
            self._record(item.target, outcome)
        else:
            self._put(item.target, self._families(item.target, outcome))
            self._record(item.target, None)

    def _idle_is_zero(self, target: Target, outcome: Answer | Failure) -> Answer | Failure:
        """Read an empty COUNTCALLS as 0, where that is configured and this key was seen to be given numbers.

        An idle tenant's answer has 0 bytes (seen, wire notes 2026-10), but so has one that is not permitted.
        """
        if isinstance(outcome, Failure) and outcome.reason is Reason.EMPTY:
            self._instruments.empty_answers.labels(self._store.switch, target.query.value).inc()
        if target.query is not Query.CALLS:
            return outcome
        owner = target.tenant if target.tenant and self._targets.tenants[target.tenant].own_key else ""
        if isinstance(outcome, Number):
            self._counted_calls.add(owner)
        elif (
            isinstance(outcome, Failure)
            and outcome.reason is Reason.EMPTY
            and self._configuration.queries.calls.empty == "zero"
            and owner in self._counted_calls
        ):
            return Number(0)
        return outcome

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
        present = self._targets.presence.update(answer.nodes, self._clock.monotonic())
        self._forget_nodes([node for node, there in present.items() if not there])
        return {catalogue.NODE_PRESENT: present}

    def _forget_nodes(self, nodes: list[str]) -> None:
        for node in nodes:
            self._store.forget(Target(Query.CHANNELS, Scope.SWITCH), part=node)

    def _take_in_node(self, item: Item, outcome: Answer | Failure) -> None:
        # The query's own success is that of the total; a node that cannot be counted goes stale on its own.
        if isinstance(outcome, Counts) and self._targets.channels_node_by_node:
            count = (outcome.nodes or {}).get(item.part, outcome.whole)
            if count is not None:
                self._put(item.target, {catalogue.NODE_CHANNELS: {item.part: count}}, part=item.part)

    def _take_in_registration(self, item: Item, outcome: Answer | Failure) -> None:
        now = self._clock.monotonic()
        tenant = item.target.tenant
        held = self._registrations.get(tenant)
        if held is None:
            held = self._registrations[tenant] = Registrations(self._targets.tenants[tenant].polled)
        if not isinstance(outcome, RegistrationState | Failure):
            raise TypeError(f"not an answer to a registration: {type(outcome).__name__}")
        held.take_in(item.part, outcome, now)
        if isinstance(outcome, RegistrationState):
            oldest = now - self._configuration.stale_after * self._targets.pace(item.target)
            self._put(item.target, held.families(oldest=oldest))
        verdict = held.verdict()
        if isinstance(verdict, Failure):
            self._record(item.target, verdict)
        elif verdict:
            self._record(item.target, None)

    def _put(self, target: Target, said: Families, *, part: str = "") -> None:
        self._store.put(
            target, said, interval=self._targets.pace(target), now=self._clock.monotonic(), part=part
        )

    def _record(self, target: Target, failure: Failure | None) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        before = self._store.record(target, failure, now=now, wall=wall)
        was = before.failure if before else None
        names = {"query": target.query.value, "scope": target.scope.value, "tenant": target.tenant}
        if failure and (was is None or was.reason is not failure.reason):
            self._log.warning("query failing", **names, reason=failure.reason.value, detail=failure.detail)
        elif was and failure is None:
            self._log.info("query recovered", **names, after=was.reason.value)
