"""The newest values of one switch, and beside them the lines that serve them.

An answer is taken in whole and in one step: between two steps of the event loop everything fits together.
Rendered lines are kept for each (family, tenant), so that a scrape only joins them (``lines`` says why); the
values are not kept beside them, which would double what a series takes. Whatever an answer brought goes away
together: when the next one replaces it, when it is stale, or when its tenant or node leaves.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter import freshness
from exporter.metrics import catalogue, text_format
from exporter.metrics.catalogue import Metric
from exporter.metrics.series_limit import Budget, load_of
from exporter.metrics.snapshot import Shelves
from exporter.metrics.text_format import Values
from exporter.model import Failure, Query, Scope, Target

__all__ = ["Attempt", "Families", "Store", "Values"]

Families = Mapping[Metric, Values]
"""What one answer says: the values of each family it is about."""


class Attempt(NamedTuple):
    """How the newest attempt at a target went. ``at`` and ``succeeded_at`` are times of ``Clock.elapsed``."""

    at: float
    failure: Failure | None
    succeeded_at: float | None


_STATUS = (catalogue.QUERY_SUCCESS, catalogue.QUERY_FAILURE, catalogue.QUERY_LAST_SUCCESS)


Job = tuple[Query, Scope]
"""What is asked in one sweep, and takes one cycle."""

_Source = tuple[Target, str]
"""A target, and the part of it that ages on its own, "" where it ages as a whole."""

_Kind = tuple[Job, float, frozenset[Metric]]


@dataclass(slots=True)
class _Group:
    """Answers that are alike: asked in the same sweeps, at the same interval, and about the same families.

    ``ages`` holds when each came, oldest first: looking for what is stale costs nothing while nothing is.
    """

    job: Job
    interval: float
    metrics: frozenset[Metric]
    ages: dict[_Source, float] = field(default_factory=dict)

    @property
    def kind(self) -> _Kind:
        """What the answers have in common."""
        return self.job, self.interval, self.metrics


class Store:
    """Everything that is known of one switch. Times are those of ``Clock.elapsed``, but for ``wall``.

    ``intervals``: seconds, as configured, of every query that is asked. ``labels``: those of each tenant.
    A value is kept for ``stale_after`` times the longer of its interval and its cycle. Of more than
    ``max_series`` series detail is withheld until they fit (``budget``).
    """

    def __init__(self, switch: str, *, stale_after: float, max_series: int) -> None:
        self.switch = switch
        self.attempts: dict[Target, Attempt] = {}  # what was attempted last stands last
        self.intervals: dict[Job, float] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        self.tried: set[Job] = set()
        self.attempted = False
        self.valid_at: float | None = None
        self._stale_after = stale_after
        self._budget = Budget(max_series)
        self._lacks_declared = False
        self._shelves = Shelves()
        self._cycles: dict[Job, float] = {}
        self._answers: dict[_Source, _Group] = {}
        self._groups: dict[_Kind, _Group] = {}

    def configure(self, *, stale_after: float, max_series: int) -> None:
        """Keep values as long, and as many of them, as another configuration says."""
        self._stale_after = stale_after
        self._budget.most = max_series
        self._withhold_what_is_too_much()

    @property
    def series(self) -> int:
        """How many series are held."""
        return self._shelves.series

    @property
    def is_limited(self) -> bool:
        """Whether detail is withheld to stay within ``max_series``."""
        return self._budget.is_limited

    @property
    def withholds_tenants(self) -> bool:
        """Whether even the figures of the tenants are withheld."""
        return self._budget.withholds_tenants

    @property
    def targets(self) -> set[Target]:
        """Every target of which something is held."""
        return {target for target, _ in self._answers} | self.attempts.keys()

    def put(
        self,
        target: Target,
        families: Families,
        *,
        interval: float,
        now: float,
        part: str = "",
        job: Job | None = None,
    ) -> None:
        """Take in an answer: replace all that the target's answer before it said.

        ``part`` is the node, where the nodes of one target are asked one by one and age one by one. ``job``
        is what was asked, where that is not the target itself: one list may tell of every tenant.
        """
        source = (target, part)
        group = self._group(source, families, job or (target.query, target.scope), interval)
        for metric, values in families.items():
            self.set(metric, target.tenant, values, part=part)
        group.ages.pop(source, None)
        group.ages[source] = now

    def _group(self, source: _Source, families: Families, job: Job, interval: float) -> _Group:
        """Return the group that an answer belongs to, and drop what the answer before it said beyond that."""
        before = self._answers.get(source)
        if before and before.metrics == families.keys() and before.interval == interval and before.job == job:
            return before  # nearly always
        if before:
            for metric in before.metrics - families.keys():
                self._remove(metric, source[0].tenant, source[1])
            self._leave(before, source)
        kind = (job, interval, frozenset(families))
        group = self._groups.get(kind)
        if group is None:
            group = self._groups[kind] = _Group(*kind)
        self._answers[source] = group
        return group

    def _leave(self, group: _Group, source: _Source) -> None:
        group.ages.pop(source, None)
        if not group.ages:
            self._groups.pop(group.kind, None)  # paces change with every plan: empty groups would pile up

    def set(self, metric: Metric, tenant: str, values: Values, *, part: str = "") -> None:
        """Set values that do not age: those from the configuration."""
        self._set(metric, tenant, part, text_format.head(metric, self.switch, tenant), values)

    def take_lack_of_declared(self) -> bool:
        """Tell, once, that there is room again for what is declared of each tenant and was withheld."""
        lacks, self._lacks_declared = self._lacks_declared, False
        return lacks

    def unset(self, metric: Metric, tenant: str, *, part: str = "") -> None:
        """Take back what was set."""
        self._remove(metric, tenant, part)

    def set_info(self, tenant: str, name: str, labels: Mapping[str, str]) -> None:
        """Set the one series that carries what a tenant is called and how it is labelled."""
        self.labels[tenant] = labels
        text = text_format.line(catalogue.TENANT_INFO, (self.switch, tenant, name), 1, labels).encode()
        if self._budget.is_strained:
            is_withheld = self._budget.withholds(catalogue.TENANT_INFO, tenant)
            self._budget.leave_out((catalogue.TENANT_INFO, tenant, ""), text if is_withheld else b"")
            text = b"" if is_withheld else text
        self._shelves.put(catalogue.TENANT_INFO, tenant, "", text)
        self._withhold_what_is_too_much()

    def record(self, target: Target, failure: Failure | None, *, now: float, wall: float) -> Attempt | None:
        """Note how an attempt went; return the attempt before it, so that a change can be told."""
        before = self.attempts.pop(target, None)
        last_success = before.succeeded_at if before else None
        self.attempts[target] = Attempt(now, failure, now if failure is None else last_success)
        query, scope, tenant = target
        self.tried.add((query, scope))
        head = (self.switch, query, scope, tenant)
        is_shown = before and self._shelves.get(catalogue.QUERY_SUCCESS, tenant, query)
        if before is None or not is_shown or (before.failure is None) is not (failure is None):
            self._set(catalogue.QUERY_SUCCESS, tenant, query, head, float(failure is None))
        if before and before.failure:
            self._remove(catalogue.QUERY_FAILURE, tenant, query)  # the reason is one of its labels
        if failure is None:
            self._set(catalogue.QUERY_LAST_SUCCESS, tenant, query, head, wall)
        else:
            self._set(catalogue.QUERY_FAILURE, tenant, query, (*head, failure.reason), 1)
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

    def oldest(self, job: Job, interval: float, now: float) -> float:
        """Return the time before which a value that is asked at this interval is stale."""
        return freshness.oldest(now, freshness.pace(interval, self._cycles.get(job)), self._stale_after)

    def expire(self, now: float) -> list[Target]:
        """Drop what has become stale; return the targets whose values went."""
        if self._budget.relax(self._load):
            self._lacks_declared = True
        gone = []
        for group in list(self._groups.values()):
            ages = group.ages
            oldest = self.oldest(group.job, group.interval, now)
            while ages:
                source = next(iter(ages))
                if ages[source] >= oldest:
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

    def drop(self, targets: Collection[Target]) -> None:
        """Drop everything about targets that are not asked any more."""
        for source in [source for source in self._answers if source[0] in targets]:
            self._forget(source)
        for target in targets:
            self.attempts.pop(target, None)
            for metric in _STATUS:
                self._remove(metric, target.tenant, target.query)

    def keep_queries(self, kept: Collection[Job]) -> None:
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
        for metric, part in list(self._shelves.places):
            for code in codes:
                self._shelves.remove(metric, code, part)
        self._budget.forget(codes)

    def lend(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the blocks of a family as they are now: what comes later does not change them."""
        return [blocks.values() for blocks in self.blocks(metric).values()]

    def blocks(self, metric: Metric) -> Mapping[str, Mapping[str, bytes]]:
        """Return the same by part and tenant. What has not changed since the last time is the same object."""
        return self._shelves.lend(metric)

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return what a family says of one tenant, or of the switch; None where nothing is known."""
        block = self._shelves.get(metric, tenant, part)
        return text_format.said(metric, self.switch, tenant, block) if block else None

    def _set(self, metric: Metric, tenant: str, part: str, head: tuple[str, ...], values: Values) -> None:
        before = self._shelves.get(metric, tenant, part)
        if before and isinstance(values, float | int) and not self._budget.is_strained:
            self._shelves.put(metric, tenant, part, text_format.renewed(before, values))
            return
        block = text_format.block(metric, head, values)
        if self._budget.is_strained:
            block = self._within_budget(metric, tenant, part, block)
        self._shelves.put(metric, tenant, part, block)
        if self._load > self._budget.most:
            self._withhold_what_is_too_much()

    @property
    def _load(self) -> int:
        return load_of(self._shelves.series, self._shelves.size)

    def _within_budget(self, metric: Metric, tenant: str, part: str, block: bytes) -> bytes:
        """Return which of the lines are kept, and note those that are not."""
        kept = left_out = b""
        if self._budget.withholds(metric, tenant):
            kept, left_out = self._parted(metric, tenant, block)
        self._budget.leave_out((metric, tenant, part), left_out)
        return block if not left_out else kept

    def _remove(self, metric: Metric, tenant: str, part: str) -> None:
        self._shelves.remove(metric, tenant, part)
        if self._budget.is_strained:
            self._budget.leave_out((metric, tenant, part), b"")

    def _parted(self, metric: Metric, tenant: str, block: bytes) -> tuple[bytes, bytes]:
        """Return the lines that stay when a family is withheld, those of watched phones, and the others."""
        watched = self.values(catalogue.EXTENSION_WATCHED, tenant)
        if metric is not catalogue.EXTENSION_REGISTERED or not isinstance(watched, Mapping):
            return b"", block
        head = text_format.head(metric, self.switch, tenant)
        values = text_format.figures(metric, head, block)
        kept = {number: value for number, value in values.items() if number in watched}
        others = {number: value for number, value in values.items() if number not in watched}
        return text_format.block(metric, head, kept), text_format.block(metric, head, others)

    def _withhold_what_is_too_much(self) -> None:
        while metrics := self._budget.tighten(self._load):
            for metric in metrics:
                for part, blocks in self.blocks(metric).items():
                    for tenant, block in blocks.items():
                        kept = self._within_budget(metric, tenant, part, block)
                        if kept is not block:
                            self._shelves.put(metric, tenant, part, kept)

    def _is_withheld(self, source: _Source) -> bool:
        """Tell whether all that an answer said is left out."""
        (_, _, tenant), part = source
        metrics = self._answers[source].metrics
        left_out = [self._budget.leaves_out((metric, tenant, part)) for metric in metrics]
        return any(left_out) and not any(self._shelves.get(metric, tenant, part) for metric in metrics)

    def _forget(self, source: _Source) -> None:
        target, part = source
        group = self._answers.pop(source)
        self._leave(group, source)
        for metric in group.metrics:
            self._remove(metric, target.tenant, part)
