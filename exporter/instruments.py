"""What the exporter counts and measures itself.

What there is of each switch is kept in ``counters``, and prometheus_client keeps the rest, in a registry that
is passed in.
"""

import platform
from collections.abc import Callable, Collection, Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as CollectedMetric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter import __version__, catalogue
from exporter.catalogue import Metric
from exporter.counters import Count, Family, Histogram
from exporter.model import Query, Reason, Scope, SkipReason

_WITH_ROWS = frozenset({Query.PEERS, Query.CHANNELS, Query.REGISTRATIONS, Query.TENANTS, Query.EXTENSIONS})
"""The queries whose answers may be lists, or counts by node."""


class Instruments:
    """What polling counts and measures, by switch and query."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        revision: str = "",
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        # Without this, `_created` series are emitted in both formats (seen, prometheus_client 0.26).
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
        durations = partial(Histogram, bounds=catalogue.REQUEST_DURATION.buckets)
        self.request_duration = Family(catalogue.REQUEST_DURATION, durations)
        self.request_failures = Family(catalogue.REQUEST_FAILURES, Count)
        self.empty_answers = Family(catalogue.EMPTY_ANSWERS, Count)
        self.rows_skipped = Family(catalogue.ROWS_SKIPPED, Count)
        self.targets_skipped = Family(catalogue.TARGETS_SKIPPED, Count)
        self.breaker_open = Family(catalogue.BREAKER_OPEN, Count)
        self._families = (
            self.request_duration,
            self.request_failures,
            self.empty_answers,
            self.rows_skipped,
            self.targets_skipped,
            self.breaker_open,
        )
        self.reload_successful = Gauge(*_declaration(catalogue.CONFIG_RELOAD_SUCCESSFUL), registry=registry)
        self.reload_timestamp = Gauge(*_declaration(catalogue.CONFIG_RELOAD_TIMESTAMP), registry=registry)
        registry.register(_Counted(catalogue.LOG_LINES_DROPPED, log_lines_dropped))
        build = Gauge(*_declaration(catalogue.BUILD_INFO), registry=registry)
        build.labels(__version__, revision, platform.python_version()).set(1)

    def start_at_zero(self, switch: str, query: Query, scope: Scope) -> None:
        """Let every counter of a query exist from the start: a counter born at 1 has no increase."""
        self.request_duration.labels(switch, query)
        self.empty_answers.labels(switch, query)
        if query in _WITH_ROWS:
            self.rows_skipped.labels(switch, query)
        for reason in Reason:
            self.request_failures.labels(switch, query, reason)
        for skip in SkipReason:
            self.targets_skipped.labels(switch, query, scope, skip)

    def forget(self, switch: str) -> None:
        """Drop every series of a switch that is not polled any more."""
        for family in self._families:
            family.forget(switch)

    def lend(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the lines of a family, as a store does, as they are now."""
        return [[family.block()] for family in self._families if family.metric is metric]


class _Counted(Collector):
    """A counter that somebody else keeps."""

    def __init__(self, metric: Metric, count: Callable[[], int]) -> None:
        self._metric = metric
        self._count = count

    def collect(self) -> Iterable[CollectedMetric]:
        yield CounterMetricFamily(self._metric.name, self._metric.help, value=self._count())


def _declaration(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, metric.labels
