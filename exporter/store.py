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
        return _series(self.values)


def _series(values: Values) -> int:
    return len(values) if isinstance(values, Mapping) else 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """How the newest attempt at a target went. ``at`` and ``succeeded_at`` are monotonic seconds."""

    at: float
    failure: Failure | None
    succeeded_at: float | None


_RANKS: tuple[frozenset[Metric], ...] = (
    frozenset({catalogue.EXTENSION_REGISTERED}),  # without the watched ones
    frozenset({catalogue.TENANT_NODE_PEERS, catalogue.TENANT_NODE_CHANNELS}),
    frozenset(
        {
            catalogue.TENANT_PEERS,
            catalogue.TENANT_CHANNELS,
            catalogue.TENANT_CALLS,
            catalogue.TENANT_BALANCE,
            catalogue.TENANT_EXTENSIONS,
        }
    ),
)
"""What is withheld where there are too many series: the first rank first (design, section 5)."""

_ROOM_TO_SPARE = 0.9
"""Of ``max_series``: so that detail does not come and go with every phone."""

_RANK_OF = {metric: rank for rank, metrics in enumerate(_RANKS) for metric in metrics}
_STATUS = (catalogue.QUERY_SUCCESS, catalogue.QUERY_FAILURE, catalogue.QUERY_LAST_SUCCESS)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one answer put into the store, and how often the next one is due."""

    metrics: frozenset[Metric]
    interval: float


class Store:
    """Everything that is known of one switch. Times are monotonic seconds unless they are called wall.

    ``intervals``: seconds, as configured, of every query that is asked. ``labels``: those of each tenant.
    A value is kept for ``stale_after`` times the longer of its interval and its cycle. Of more than
    ``max_series`` series detail is withheld, rank by rank (``_RANKS``), until they fit.
    """

    def __init__(self, switch: str, *, stale_after: float, max_series: int) -> None:
        self.switch = switch
        self.attempts: dict[Target, Attempt] = {}
        self.intervals: dict[tuple[Query, Scope], float] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        self.tried: set[tuple[Query, Scope]] = set()
        self.attempted = False
        self.valid_at: float | None = None
        self.series = 0
        self._stale_after = stale_after
        self._max_series = max_series
        self._withheld = 0
        self._left_out_of_rank = [0] * len(_RANKS)
        self._left_out: dict[tuple[Metric, str, str], int] = {}
        self._blocks: dict[Metric, dict[tuple[str, str], Block]] = {}
        self._cycles: dict[tuple[Query, Scope], float] = {}
        self._answers: dict[tuple[Target, str], _Answer] = {}
        # Oldest first in each group, so that looking for what is stale costs nothing while nothing is.
        self._by_age: dict[tuple[Query, Scope, float], dict[tuple[Target, str], float]] = {}

    def configure(self, *, stale_after: float, max_series: int) -> None:
        """Keep values as long, and as many of them, as another configuration says."""
        self._stale_after = stale_after
        self._max_series = max_series
        self._withhold_what_is_too_much()

    @property
    def is_limited(self) -> bool:
        """Whether detail is withheld to stay within ``max_series``."""
        return self._withheld > 0

    @property
    def withholds_tenants(self) -> bool:
        """Whether even the figures of the tenants are withheld."""
        return self._withheld == len(_RANKS)

    @property
    def targets(self) -> set[Target]:
        """Every target of which something is held."""
        return {target for target, _ in self._answers} | self.attempts.keys()

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
        before = self._blocks.get(metric, {}).get((tenant, part))
        if before is not None and before.values == values:
            return
        head = (self.switch, tenant) if "tenant" in metric.labels else (self.switch,)
        self._set(metric, tenant, part, head, values)

    def unset(self, metric: Metric, tenant: str, *, part: str = "") -> None:
        """Take back what was set."""
        self._remove(metric, tenant, part)

    def set_info(self, tenant: str, name: str, labels: Mapping[str, str]) -> None:
        """Set the one series that carries what a tenant is called and how it is labelled."""
        self.labels[tenant] = labels
        text = lines.line(catalogue.TENANT_INFO, (self.switch, tenant, name), 1, labels)
        self._keep(catalogue.TENANT_INFO, tenant, "", Block(1, text.encode()))
        self._withhold_what_is_too_much()

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
            self._remove(catalogue.QUERY_FAILURE, tenant, query)
            self._set(catalogue.QUERY_LAST_SUCCESS, tenant, query, head, wall)
        else:
            self._set(catalogue.QUERY_FAILURE, tenant, query, (*head, failure.reason.value), 1)
        return before

    def follow_wall_clock(self, offset: float) -> None:
        """Date every last success anew, after a jump of the wall clock.

        ``offset``: seconds by which it is now ahead of the monotonic clock.
        """
        for (query, scope, tenant), attempt in self.attempts.items():
            if attempt.succeeded_at is not None:
                head = (self.switch, query.value, scope.value, tenant)
                self._set(catalogue.QUERY_LAST_SUCCESS, tenant, query, head, attempt.succeeded_at + offset)

    def note_attempt(self, *, valid: bool, now: float) -> None:
        """Note that a request has ended, and whether a valid answer came: that of one phone will do."""
        self.attempted = True
        if valid:
            self.valid_at = now

    def set_interval(self, query: Query, scope: Scope, seconds: float) -> None:
        """Note how often each target of a query is meant to be asked."""
        self.intervals[query, scope] = seconds
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
        self._release_what_fits()
        gone = []
        for (query, scope, interval), ages in self._by_age.items():
            limit = self._stale_after * max(interval, self._cycles.get((query, scope), 0.0))
            while ages:
                source = next(iter(ages))
                if now - ages[source] <= limit:
                    break
                if self._is_withheld(source):
                    del ages[source]
                    ages[source] = now  # it is not asked either; how much it would be is still to be known
                else:
                    self._forget(source)
                    gone.append(source[0])
        return gone

    def forget(self, target: Target, part: str = "") -> None:
        """Drop what a target's answer said, at once."""
        if (target, part) in self._answers:
            self._forget((target, part))

    def drop(self, target: Target) -> None:
        """Drop everything about a target that is not asked any more."""
        for source in [source for source in self._answers if source[0] == target]:
            self._forget(source)
        self.attempts.pop(target, None)
        for metric in _STATUS:
            self._remove(metric, target.tenant, target.query)

    def keep_queries(self, kept: Collection[tuple[Query, Scope]]) -> None:
        """Drop what is noted of queries that are not asked any more."""
        for query, scope in self.intervals.keys() - set(kept):
            self._remove(catalogue.QUERY_INTERVAL, "", f"{query} {scope}")
            self._remove(catalogue.QUERY_CYCLE, "", f"{query} {scope}")
            del self.intervals[query, scope]
            self._cycles.pop((query, scope), None)
            self.tried.discard((query, scope))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop every series of tenants that left."""
        if not codes:
            return
        for source in [source for source in self._answers if source[0].tenant in codes]:
            self._forget(source)
        for target in [target for target in self.attempts if target.tenant in codes]:
            del self.attempts[target]
        for tenant in codes:
            self.labels.pop(tenant, None)
        for metric, blocks in self._blocks.items():
            for tenant, part in [key for key in blocks if key[0] in codes]:
                self._remove(metric, tenant, part)

    def family(self, metric: Metric) -> Mapping[tuple[str, str], Block]:
        """Return the blocks of a family by tenant and part. Not a copy: they change with the next answer."""
        return self._blocks.get(metric, {})

    def blocks(self, metric: Metric) -> Iterable[Block]:
        """Return the blocks of a family, in no particular order."""
        return self.family(metric).values()

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return what a family says of one tenant, or of the switch; None where nothing is known."""
        block = self._blocks.get(metric, {}).get((tenant, part))
        return block.values if block else None

    def _set(self, metric: Metric, tenant: str, part: str, head: tuple[str, ...], values: Values) -> None:
        self._render(metric, tenant, part, head, values)
        self._withhold_what_is_too_much()

    def _render(self, metric: Metric, tenant: str, part: str, head: tuple[str, ...], values: Values) -> None:
        if metric in _RANK_OF:
            values = self._within_budget(metric, tenant, part, values)
        if isinstance(values, Mapping):
            text = "".join([lines.line(metric, (*head, last), value) for last, value in values.items()])
        else:
            text = lines.line(metric, head, values)
        self._keep(metric, tenant, part, Block(values, text.encode()))

    def _keep(self, metric: Metric, tenant: str, part: str, block: Block) -> None:
        blocks = self._blocks.setdefault(metric, {})
        before = blocks.get((tenant, part))
        if block.series:
            blocks[tenant, part] = block  # in the place of the one before: a page keeps its order
        elif before is not None:
            del blocks[tenant, part]
        self.series += block.series - (before.series if before else 0)

    def _remove(self, metric: Metric, tenant: str, part: str) -> None:
        block = self._blocks.get(metric, {}).pop((tenant, part), None)
        if block is not None:
            self.series -= block.series
        if metric in _RANK_OF:
            self._leave_out(metric, tenant, part, 0)

    def _within_budget(self, metric: Metric, tenant: str, part: str, values: Values) -> Values:
        """Return which of the values are kept, and note how many are not."""
        kept = values if _RANK_OF[metric] >= self._withheld else self._indispensable(metric, tenant, values)
        self._leave_out(metric, tenant, part, _series(values) - _series(kept))
        return kept

    def _indispensable(self, metric: Metric, tenant: str, values: Values) -> Values:
        watched = self.values(catalogue.EXTENSION_WATCHED, tenant)
        if metric is not catalogue.EXTENSION_REGISTERED or not isinstance(values, Mapping):
            return {}
        return {
            last: value for last, value in values.items() if isinstance(watched, Mapping) and last in watched
        }

    def _leave_out(self, metric: Metric, tenant: str, part: str, series: int) -> None:
        before = self._left_out.pop((metric, tenant, part), 0)
        if series:
            self._left_out[metric, tenant, part] = series
        self._left_out_of_rank[_RANK_OF[metric]] += series - before

    def _withhold_what_is_too_much(self) -> None:
        while self.series > self._max_series and self._withheld < len(_RANKS):
            rank = _RANKS[self._withheld]
            self._withheld += 1
            for metric in rank:
                for (tenant, part), block in list(self._blocks.get(metric, {}).items()):
                    self._render(metric, tenant, part, (self.switch, tenant), block.values)

    def _is_withheld(self, source: tuple[Target, str]) -> bool:
        """Tell whether all that an answer said is left out."""
        (_, _, tenant), part = source
        left_out = [(metric, tenant, part) in self._left_out for metric in self._answers[source].metrics]
        served = [(tenant, part) in self._blocks.get(metric, {}) for metric in self._answers[source].metrics]
        return any(left_out) and not any(served)

    def _release_what_fits(self) -> None:
        """Let the last rank come back with its next answers, once it would fit with room to spare."""
        while self._withheld:
            rank = self._withheld - 1
            if self.series + self._left_out_of_rank[rank] > self._max_series * _ROOM_TO_SPARE:
                return
            self._withheld = rank

    def _forget(self, source: tuple[Target, str]) -> None:
        target, part = source
        answer = self._answers.pop(source)
        del self._by_age[target.query, target.scope, answer.interval][source]
        for metric in answer.metrics:
            self._remove(metric, target.tenant, part)
