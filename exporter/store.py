"""The newest values of one switch, and beside them the lines that serve them.

An answer is taken in whole and in one step: between two steps of the event loop everything fits together.
Rendered lines are kept for each (family, tenant), so that a scrape only joins them (``lines`` says why).
Whatever an answer brought goes away together: when the next one replaces it, when it is stale, or when its
tenant or node leaves.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from exporter import catalogue, lines
from exporter.catalogue import Metric
from exporter.model import Failure, Query, Scope, Target

Values = float | Mapping[str, float]
"""What a family says of one tenant, or of the switch: one figure, or one for each value of the last label."""

Families = Mapping[Metric, Values]
"""What one answer says: the values of each family it is about."""


@dataclass(frozen=True, slots=True)
class Block:
    """The values of one family for one tenant, and the lines that serve them."""

    values: Values
    text: bytes

    @property
    def series(self) -> int:
        """How many series these are."""
        return len(self.values) if isinstance(self.values, Mapping) else 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """How the newest attempt at a target went. ``at`` and ``succeeded_at`` are monotonic seconds."""

    at: float
    failure: Failure | None
    succeeded_at: float | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one answer put into the store, and how often the next one is due."""

    metrics: frozenset[Metric]
    interval: float


class Store:
    """Everything that is known of one switch. Times are monotonic seconds unless they are called wall."""

    def __init__(self, switch: str, *, stale_after: float) -> None:
        """``stale_after``: a value is kept so many times the longer of its interval and its cycle."""
        self.switch = switch
        self.attempts: dict[Target, Attempt] = {}
        self.tried: set[tuple[Query, Scope]] = set()
        self.valid_at: float | None = None
        self.series = 0
        self._stale_after = stale_after
        self._blocks: dict[Metric, dict[tuple[str, str], Block]] = {}
        self._cycles: dict[tuple[Query, Scope], float] = {}
        self._answers: dict[tuple[Target, str], _Answer] = {}
        # Oldest first in each group, so that looking for what is stale costs nothing while nothing is.
        self._by_age: dict[tuple[Query, Scope, float], dict[tuple[Target, str], float]] = {}

    def put(self, target: Target, families: Families, *, interval: float, now: float, part: str = "") -> None:
        """Take in an answer: replace all that the target's answer before it said.

        ``part`` is the node, where the nodes of one target are asked one by one and age one by one.
        """
        source = (target, part)
        before = self._answers.get(source)
        for metric in before.metrics - families.keys() if before else ():
            self._remove(metric, target.tenant, part)
        for metric, values in families.items():
            self.set(metric, target.tenant, values, part=part)
        if before and before.interval != interval:
            del self._by_age[target.query, target.scope, before.interval][source]
        self._answers[source] = _Answer(frozenset(families), interval)
        ages = self._by_age.setdefault((target.query, target.scope, interval), {})
        ages.pop(source, None)
        ages[source] = now

    def set(self, metric: Metric, tenant: str, values: Values, *, part: str = "") -> None:
        """Set values that do not age: those from the configuration."""
        head = (self.switch, tenant) if "tenant" in metric.labels else (self.switch,)
        self._set(metric, tenant, part, head, values)

    def set_info(self, tenant: str, name: str, labels: Mapping[str, str]) -> None:
        """Set the one series that carries what a tenant is called and how it is labelled."""
        text = lines.line(catalogue.TENANT_INFO, (self.switch, tenant, name), 1, labels)
        self._keep(catalogue.TENANT_INFO, tenant, "", Block(1, text.encode()))

    def record(self, target: Target, failure: Failure | None, *, now: float, wall: float) -> Attempt | None:
        """Note how an attempt went; return the attempt before it, so that a change can be told."""
        before = self.attempts.get(target)
        last_success = before.succeeded_at if before else None
        self.attempts[target] = Attempt(now, failure, now if failure is None else last_success)
        query, scope, tenant = target
        self.tried.add((query, scope))
        head = (self.switch, query.value, scope.value, tenant)
        self._set(catalogue.QUERY_SUCCESS, tenant, query, head, float(failure is None))
        if failure is None:
            self.valid_at = now
            self._remove(catalogue.QUERY_FAILURE, tenant, query)
            self._set(catalogue.QUERY_LAST_SUCCESS, tenant, query, head, wall)
        else:
            self._set(catalogue.QUERY_FAILURE, tenant, query, (*head, failure.reason.value), 1)
        return before

    def set_interval(self, query: Query, scope: Scope, seconds: float) -> None:
        """Note how often each target of a query is meant to be asked."""
        head = (self.switch, query.value, scope.value)
        self._set(catalogue.QUERY_INTERVAL, "", f"{query} {scope}", head, seconds)

    def set_cycle(self, query: Query, scope: Scope, seconds: float) -> None:
        """Note what the last whole sweep of a query took: values are kept longer when it took longer."""
        self._cycles[query, scope] = seconds
        head = (self.switch, query.value, scope.value)
        self._set(catalogue.QUERY_CYCLE, "", f"{query} {scope}", head, seconds)

    def cycle(self, query: Query, scope: Scope) -> float | None:
        """Return what the last whole sweep of a query took, in seconds."""
        return self._cycles.get((query, scope))

    def expire(self, now: float) -> list[Target]:
        """Drop what has become stale; return the targets whose values went."""
        gone = []
        for (query, scope, interval), ages in self._by_age.items():
            limit = self._stale_after * max(interval, self._cycles.get((query, scope), 0.0))
            while ages:
                source = next(iter(ages))
                if now - ages[source] <= limit:
                    break
                self._forget(source)
                gone.append(source[0])
        return gone

    def forget(self, target: Target, part: str = "") -> None:
        """Drop what a target's answer said, at once."""
        if (target, part) in self._answers:
            self._forget((target, part))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop every series of tenants that left."""
        for source in [source for source in self._answers if source[0].tenant in codes]:
            self._forget(source)
        for target in [target for target in self.attempts if target.tenant in codes]:
            del self.attempts[target]
        for metric, blocks in self._blocks.items():
            for tenant, part in [key for key in blocks if key[0] in codes]:
                self._remove(metric, tenant, part)

    def blocks(self, metric: Metric) -> Iterable[Block]:
        """Return the blocks of a family, in no particular order."""
        return self._blocks.get(metric, {}).values()

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return what a family says of one tenant, or of the switch; None where nothing is known."""
        block = self._blocks.get(metric, {}).get((tenant, part))
        return block.values if block else None

    def _set(self, metric: Metric, tenant: str, part: str, head: tuple[str, ...], values: Values) -> None:
        if isinstance(values, Mapping):
            text = "".join([lines.line(metric, (*head, last), value) for last, value in values.items()])
        else:
            text = lines.line(metric, head, values)
        self._keep(metric, tenant, part, Block(values, text.encode()))

    def _keep(self, metric: Metric, tenant: str, part: str, block: Block) -> None:
        if not block.series:
            self._remove(metric, tenant, part)
            return
        blocks = self._blocks.setdefault(metric, {})
        before = blocks.get((tenant, part))
        blocks[tenant, part] = block  # in the place of the one before: a page keeps its order
        self.series += block.series - (before.series if before else 0)

    def _remove(self, metric: Metric, tenant: str, part: str) -> None:
        block = self._blocks.get(metric, {}).pop((tenant, part), None)
        if block is not None:
            self.series -= block.series

    def _forget(self, source: tuple[Target, str]) -> None:
        target, part = source
        answer = self._answers.pop(source)
        del self._by_age[target.query, target.scope, answer.interval][source]
        for metric in answer.metrics:
            self._remove(metric, target.tenant, part)
