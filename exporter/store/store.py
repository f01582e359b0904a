"""The newest values of one switch, their age, and the outcome of the newest request for each target.

A response is stored whole and in one step, so that everything is consistent between two steps of the event
loop. The values of one response are also removed in one step: when the next response replaces them, when they
are stale, or when their tenant or node is removed.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from exporter import freshness
from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.metrics.text_format import Values
from exporter.model import Failure, Query, Scope, Target
from exporter.store.series import SeriesLimit, SeriesTable

Job = tuple[Query, Scope]
"""A query and its scope, whose targets are requested in one sweep. The duration of a sweep is the cycle."""

Families = Mapping[Metric, Values]
"""The values of one response, by metric."""

_Source = tuple[Target, str]
"""A target, and the part of it that ages separately, "" if it ages as a whole."""

_Kind = tuple[Job, float]
"""What decides when a response is stale: what was requested, and its interval."""


class Attempt(NamedTuple):
    """The outcome of the newest request for a target. Its times are those of ``Clock.elapsed``."""

    at: float
    failure: Failure | None
    succeeded_at: float | None


class _Answer(NamedTuple):
    """The newest response of a source."""

    at: float
    job: Job
    interval: float
    metrics: tuple[Metric, ...]


_STATUS = (catalogue.QUERY_SUCCESS, catalogue.QUERY_FAILURE, catalogue.QUERY_LAST_SUCCESS)


class Store:
    """The state of one switch. Times are those of ``Clock.elapsed``, except ``wall``.

    ``intervals``: the configured interval of each query, in seconds. ``labels``: the configured labels of
    each tenant. ``attempts``: the newest attempt of each target, oldest first.

    A value is kept for ``stale_after`` times its interval or its cycle, whichever is longer. Beyond
    ``max_series`` series, detail is dropped (``SeriesLimit``).
    """

    def __init__(self, switch: str, *, stale_after: float, max_series: int) -> None:
        self.switch = switch
        self.attempts: dict[Target, Attempt] = {}
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
        self._answers: dict[_Source, _Answer] = {}
        self._oldest_first: dict[_Kind, dict[_Source, None]] = {}

    def configure(self, *, stale_after: float, max_series: int) -> None:
        """Apply another configuration, also to the stored values."""
        self._stale_after = stale_after
        self._limit.most = max_series
        self._table.tighten()

    @property
    def series(self) -> int:
        """The number of series."""
        return self._table.series

    @property
    def is_limited(self) -> bool:
        """Whether detail is dropped to stay within ``max_series``."""
        return self._limit.is_limited

    @property
    def drops_tenants(self) -> bool:
        """Whether even the values of tenants are dropped to stay within ``max_series``."""
        return self._limit.drops_tenants

    @property
    def targets(self) -> set[Target]:
        """Every target with a value or an outcome."""
        return {target for target, _ in self._answers} | self.attempts.keys()

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return the values of a metric for one tenant, or for the switch; None if there are none."""
        return self._table.get((metric, tenant, part))

    def snapshot(self, metric: Metric) -> Mapping[str, Mapping[str, Values]]:
        """Return an immutable snapshot of the values of a metric, by part and tenant.

        Mappings and values that did not change since the last snapshot are the same objects.
        """
        return self._table.snapshot(metric)

    def sample_lines(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return an immutable snapshot of the sample lines of a metric."""
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
        """Store a response, replacing everything from the previous response of the target.

        ``part``: the node, if each node has its own request and its own age. ``job``: the query that returned
        the values, by default the target's; a list of all peers has values for many targets. Raises TypeError
        if values do not have the type that the catalogue declares for their metric.
        """
        source = target, part
        before = self._take(source)
        self._add(source, _Answer(now, job or (target.query, target.scope), interval, tuple(families)))
        for metric in before.metrics if before else ():
            if metric not in families:
                self.unset(metric, target.tenant, part=part)
        for metric, values in families.items():
            self.set(metric, target.tenant, values, part=part)

    def set(
        self, metric: Metric, tenant: str, values: Values, *, part: str = "", labels: tuple[str, ...] = ()
    ) -> None:
        """Set values without an age; ``labels`` follow the tenant. Raises TypeError as ``put`` does."""
        common = (self.switch, tenant, *labels) if labels else None
        self._table.set((metric, tenant, part), values, common=common)

    def unset(self, metric: Metric, tenant: str, *, part: str = "") -> None:
        """Remove values, if there are any."""
        self._table.remove((metric, tenant, part))

    def set_info(self, tenant: str, name: str, labels: Mapping[str, str]) -> None:
        """Set the one series that has the name and the labels of a tenant."""
        self.labels[tenant] = labels
        place = (catalogue.TENANT_INFO, tenant, "")
        self._table.set(place, {name: 1}, common=(self.switch, tenant), more=labels)

    def take_room_for_configured(self) -> bool:
        """Return, once, that dropped values from the configuration fit again and the caller must set them."""
        has_room, self._has_room_again = self._has_room_again, False
        return has_room

    def record(self, target: Target, failure: Failure | None, *, now: float, wall: float) -> Attempt | None:
        """Record the outcome of a request; return the previous one."""
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
        """Update the timestamp of each target's last success after a jump of the wall clock.

        ``offset``: seconds by which the wall clock is now ahead of the monotonic clock.
        """
        for target, attempt in self.attempts.items():
            if attempt.succeeded_at is not None:
                self._set_status(catalogue.QUERY_LAST_SUCCESS, target, attempt.succeeded_at + offset)

    def note_attempt(self, *, valid: bool, now: float) -> None:
        """Record that a request has finished. ``valid``: whether it returned a value."""
        self.attempted = True
        if valid:
            self.valid_at = now

    def set_interval(self, query: Query, scope: Scope, seconds: float) -> None:
        """Set the configured interval of a query."""
        self.intervals[query, scope] = seconds
        self._set_of_job(catalogue.QUERY_INTERVAL, (query, scope), seconds)

    def set_cycle(self, query: Query, scope: Scope, seconds: float) -> None:
        """Set the seconds between the starts of the last two sweeps. A longer cycle delays staleness."""
        self._cycles[query, scope] = seconds
        self._set_of_job(catalogue.QUERY_CYCLE, (query, scope), seconds)

    def cycle(self, query: Query, scope: Scope) -> float | None:
        """Return the time between the starts of the last two sweeps of a query, in seconds."""
        return self._cycles.get((query, scope))

    def oldest(self, job: Job, interval: float, now: float) -> float:
        """Return the earliest time at which a value with this interval that is still fresh was stored."""
        return freshness.oldest(now, freshness.pace(interval, self._cycles.get(job)), self._stale_after)

    def expire(self, now: float) -> list[Target]:
        """Drop stale values; return their targets."""
        if self._limit.relax(self._table.load):
            self._has_room_again = True
        gone = []
        for source, answer in self._stale(now):
            target, part = source
            if self._table.is_dropped([(metric, target.tenant, part) for metric in answer.metrics]):
                # Removing a dropped value would also remove its size from the limit, which decides by it
                # whether the detail fits again.
                self._take(source)
                self._add(source, answer._replace(at=now))
            else:
                self.remove(target, part)
                gone.append(target)
        return gone

    def remove(self, target: Target, part: str = "") -> None:
        """Drop the values of a target, if there are any."""
        answer = self._take((target, part))
        for metric in answer.metrics if answer else ():
            self.unset(metric, target.tenant, part=part)

    def drop(self, targets: Collection[Target]) -> None:
        """Drop everything about targets that are not requested any more."""
        for target, part in [source for source in self._answers if source[0] in targets]:
            self.remove(target, part)
        for target in targets:
            self.attempts.pop(target, None)
            for metric in _STATUS:
                self.unset(metric, target.tenant, part=target.query)

    def keep_queries(self, kept: Collection[Job]) -> None:
        """Drop all other queries from ``intervals``, the cycles and ``tried``."""
        for query, scope in self.intervals.keys() - set(kept):
            for metric in (catalogue.QUERY_INTERVAL, catalogue.QUERY_CYCLE):
                self.unset(metric, "", part=f"{query} {scope}")
            del self.intervals[query, scope]
            self._cycles.pop((query, scope), None)
            self.tried.discard((query, scope))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop everything about tenants that left."""
        if not codes:
            return
        for source in [source for source in self._answers if source[0].tenant in codes]:
            self._take(source)
        for target in [target for target in self.attempts if target.tenant in codes]:
            del self.attempts[target]
        for tenant in codes:
            self.labels.pop(tenant, None)
        self._table.remove_tenants(codes)

    def _add(self, source: _Source, answer: _Answer) -> None:
        self._answers[source] = answer
        self._oldest_first.setdefault((answer.job, answer.interval), {})[source] = None

    def _take(self, source: _Source) -> _Answer | None:
        answer = self._answers.pop(source, None)
        if answer:
            kind = answer.job, answer.interval
            del self._oldest_first[kind][source]
            if not self._oldest_first[kind]:  # intervals change, so unused kinds would accumulate
                del self._oldest_first[kind]
        return answer

    def _stale(self, now: float) -> list[tuple[_Source, _Answer]]:
        """Return the stale responses. Every scrape waits for this, so it does not look at all responses."""
        stale = []
        for kind, sources in self._oldest_first.items():
            limit = self.oldest(*kind, now)
            for source in sources:
                answer = self._answers[source]
                if answer.at >= limit:
                    break  # all later ones of this kind are newer
                stale.append((source, answer))
        return stale

    def _set_status(self, metric: Metric, target: Target, values: Values) -> None:
        query, scope, tenant = target
        self._table.set((metric, tenant, query), values, common=(self.switch, query, scope, tenant))

    def _set_of_job(self, metric: Metric, job: Job, seconds: float) -> None:
        query, scope = job
        common = (self.switch, query, scope)
        self._table.set((metric, "", f"{query} {scope}"), seconds, common=common)
