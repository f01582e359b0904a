"""The newest values of one switch, how old they are, and how the queries went that gave them.

An answer is taken in whole and in one step: between two steps of the event loop everything fits together.
Whatever an answer brought goes away together: when the next one replaces it, when it is stale, or when its
tenant or node leaves.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from exporter import freshness
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from exporter.metrics.text_format import Values
from exporter.model import Failure, Query, Scope, Target
from exporter.store.answers import Answers, Job, Source
from exporter.store.series import SeriesLimit, SeriesTable

Families = Mapping[Metric, Values]
"""What one answer says: the values of each family it is about."""


class Attempt(NamedTuple):
    """How the newest attempt at a target went. ``at`` and ``succeeded_at`` are times of ``Clock.elapsed``."""

    at: float
    failure: Failure | None
    succeeded_at: float | None


_STATUS = (catalogue.QUERY_SUCCESS, catalogue.QUERY_FAILURE, catalogue.QUERY_LAST_SUCCESS)


class Store:
    """Everything that is known of one switch. Times are those of ``Clock.elapsed``, but for ``wall``.

    ``intervals``: seconds, as configured, of every query that is asked. ``labels``: those of each tenant.
    A value is kept for ``stale_after`` times the longer of its interval and its cycle. Beyond ``max_series``
    series, detail is dropped (``series_limit``).
    """

    def __init__(self, switch: str, *, stale_after: float, max_series: int) -> None:
        self.switch = switch
        self.attempts: dict[Target, Attempt] = {}  # the newest one is the last one
        self.intervals: dict[Job, float] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        self.tried: set[Job] = set()
        self.attempted = False
        self.valid_at: float | None = None
        self._stale_after = stale_after
        self._limit = SeriesLimit(max_series)
        self._table = SeriesTable(switch, self._limit)
        self._has_room_again = False
        self._cycles: dict[Job, float] = {}
        self._answers = Answers()

    def configure(self, *, stale_after: float, max_series: int) -> None:
        """Keep values as long, and as many of them, as another configuration says."""
        self._stale_after = stale_after
        self._limit.most = max_series
        self._table.tighten()

    @property
    def series(self) -> int:
        """How many series there are."""
        return self._table.series

    @property
    def is_limited(self) -> bool:
        """Whether detail is dropped to stay within ``max_series``."""
        return self._limit.is_limited

    @property
    def drops_tenants(self) -> bool:
        """Whether even the figures of the tenants are dropped to stay within ``max_series``."""
        return self._limit.drops_tenants

    @property
    def targets(self) -> set[Target]:
        """Every target of which something is known."""
        return {target for target, _ in self._answers} | self.attempts.keys()

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return what a family says of one tenant, or of the switch; None where nothing is known."""
        return self._table.get((metric, tenant, part))

    def snapshot(self, metric: Metric) -> Mapping[str, Mapping[str, Values]]:
        """Return the values of a family by part and tenant, as they are now and will stay.

        What has not changed since the last snapshot is the same object: mappings and values.
        """
        return self._table.snapshot(metric)

    def sample_lines(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the sample lines of a family, as they are now and will stay."""
        return [lines.values() for lines in self._table.lines(metric).values()]

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
        is what was asked, where that is not the target itself: one list may tell of every tenant. Raises
        TypeError where values are not what the catalogue declares for their family.
        """
        asked = job or (target.query, target.scope)
        for metric in self._answers.add((target, part), families.keys(), asked, interval, now):
            self.unset(metric, target.tenant, part=part)
        for metric, values in families.items():
            self.set(metric, target.tenant, values, part=part)

    def set(self, metric: Metric, tenant: str, values: Values, *, part: str = "") -> None:
        """Set values that do not age: those from the configuration. Raises what ``put`` raises."""
        self._table.set((metric, tenant, part), values)

    def unset(self, metric: Metric, tenant: str, *, part: str = "") -> None:
        """Remove what was set."""
        self._table.remove((metric, tenant, part))

    def set_info(self, tenant: str, name: str, labels: Mapping[str, str]) -> None:
        """Set the one series that carries the name of a tenant and its labels."""
        self.labels[tenant] = labels
        place = (catalogue.TENANT_INFO, tenant, "")
        self._table.set(place, {name: 1}, common=(self.switch, tenant), more=labels)

    def take_room_for_configured(self) -> bool:
        """Tell, once, that there is room again for what is configured for each tenant and was dropped."""
        has_room, self._has_room_again = self._has_room_again, False
        return has_room

    def record(self, target: Target, failure: Failure | None, *, now: float, wall: float) -> Attempt | None:
        """Note how an attempt went; return the attempt before it, so that a change can be told."""
        before = self.attempts.pop(target, None)
        last_success = before.succeeded_at if before else None
        self.attempts[target] = Attempt(now, failure, now if failure is None else last_success)
        query, scope, tenant = target
        self.tried.add((query, scope))
        self._set_status(catalogue.QUERY_SUCCESS, target, float(failure is None))
        if before and before.failure:
            self.unset(catalogue.QUERY_FAILURE, tenant, part=query)
        if failure is None:
            self._set_status(catalogue.QUERY_LAST_SUCCESS, target, wall)
        else:
            self._set_status(catalogue.QUERY_FAILURE, target, {failure.reason.value: 1})
        return before

    def follow_wall_clock(self, offset: float) -> None:
        """Date every last success anew, after a jump of the wall clock.

        ``offset``: seconds by which it is now ahead of the monotonic clock.
        """
        for target, attempt in self.attempts.items():
            if attempt.succeeded_at is not None:
                self._set_status(catalogue.QUERY_LAST_SUCCESS, target, attempt.succeeded_at + offset)

    def note_attempt(self, *, valid: bool, now: float) -> None:
        """Note that a request has ended, and whether a valid answer came: that of one phone will do."""
        self.attempted = True
        if valid:
            self.valid_at = now

    def set_interval(self, query: Query, scope: Scope, seconds: float) -> None:
        """Note how often each target of a query is meant to be asked."""
        self.intervals[query, scope] = seconds
        self._set_of_job(catalogue.QUERY_INTERVAL, (query, scope), seconds)

    def set_cycle(self, query: Query, scope: Scope, seconds: float) -> None:
        """Note what the last whole sweep of a query took: values are kept longer when it took longer."""
        self._cycles[query, scope] = seconds
        self._set_of_job(catalogue.QUERY_CYCLE, (query, scope), seconds)

    def cycle(self, query: Query, scope: Scope) -> float | None:
        """Return what the last whole sweep of a query took, in seconds."""
        return self._cycles.get((query, scope))

    def oldest(self, job: Job, interval: float, now: float) -> float:
        """Return the time before which a value that is asked at this interval is stale."""
        return freshness.oldest(now, freshness.pace(interval, self._cycles.get(job)), self._stale_after)

    def expire(self, now: float) -> list[Target]:
        """Drop what has become stale; return the targets whose values went."""
        if self._limit.relax(self._table.load):
            self._has_room_again = True
        gone = []
        for source in self._answers.stale(lambda job, interval: self.oldest(job, interval, now)):
            target, part = source
            metrics = self._answers.metrics(source)
            if self._table.is_dropped([(metric, target.tenant, part) for metric in metrics]):
                self._answers.postpone(source, now)  # it is not asked, but its load must still be known
            else:
                self._forget(source)
                gone.append(target)
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
                self.unset(metric, target.tenant, part=target.query)

    def keep_queries(self, kept: Collection[Job]) -> None:
        """Drop what is noted of queries that are not asked any more."""
        for query, scope in self.intervals.keys() - set(kept):
            for metric in (catalogue.QUERY_INTERVAL, catalogue.QUERY_CYCLE):
                self.unset(metric, "", part=f"{query} {scope}")
            del self.intervals[query, scope]
            self._cycles.pop((query, scope), None)
            self.tried.discard((query, scope))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop every series of tenants that left."""
        if not codes:
            return
        for source in [source for source in self._answers if source[0].tenant in codes]:
            self._answers.remove(source)
        for target in [target for target in self.attempts if target.tenant in codes]:
            del self.attempts[target]
        for tenant in codes:
            self.labels.pop(tenant, None)
        self._table.remove_tenants(codes)

    def _forget(self, source: Source) -> None:
        target, part = source
        for metric in self._answers.remove(source):
            self.unset(metric, target.tenant, part=part)

    def _set_status(self, metric: Metric, target: Target, values: Values) -> None:
        query, scope, tenant = target
        common = (self.switch, query.value, scope.value, tenant)
        self._table.set((metric, tenant, query.value), values, common=common)

    def _set_of_job(self, metric: Metric, job: Job, seconds: float) -> None:
        query, scope = job
        common = (self.switch, query.value, scope.value)
        self._table.set((metric, "", f"{query} {scope}"), seconds, common=common)
