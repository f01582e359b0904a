"""The exporter's own counters and histograms, kept by prometheus_client in a registry that is passed in."""

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from exporter import __version__, catalogue
from exporter.catalogue import Metric
from exporter.model import Query, Reason, Scope, SkipReason


class Instruments:
    """What polling counts and measures, by switch and query."""

    def __init__(self, registry: CollectorRegistry, *, revision: str = "") -> None:
        # Without this, `_created` series are emitted in both formats (seen, prometheus_client 0.26).
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
        self.request_duration = Histogram(
            *_declaration(catalogue.REQUEST_DURATION),
            buckets=catalogue.REQUEST_DURATION.buckets,
            registry=registry,
        )
        self.request_failures = Counter(*_declaration(catalogue.REQUEST_FAILURES), registry=registry)
        self.empty_answers = Counter(*_declaration(catalogue.EMPTY_ANSWERS), registry=registry)
        self.targets_skipped = Counter(*_declaration(catalogue.TARGETS_SKIPPED), registry=registry)
        self.breaker_open = Gauge(*_declaration(catalogue.BREAKER_OPEN), registry=registry)
        self.reload_successful = Gauge(*_declaration(catalogue.CONFIG_RELOAD_SUCCESSFUL), registry=registry)
        self.reload_timestamp = Gauge(*_declaration(catalogue.CONFIG_RELOAD_TIMESTAMP), registry=registry)
        build = Gauge(*_declaration(catalogue.BUILD_INFO), registry=registry)
        build.labels(__version__, revision, platform.python_version()).set(1)

    def start_at_zero(self, switch: str, query: Query, scope: Scope) -> None:
        """Let every counter of a query exist from the start: a counter born at 1 has no increase."""
        self.request_duration.labels(switch, query.value)
        self.empty_answers.labels(switch, query.value)
        for reason in Reason:
            self.request_failures.labels(switch, query.value, reason.value)
        for skip in SkipReason:
            self.targets_skipped.labels(switch, query.value, scope.value, skip.value)

    def forget(self, switch: str) -> None:
        """Drop every series of a switch that is not polled any more."""
        for metric in (
            self.request_duration,
            self.request_failures,
            self.empty_answers,
            self.targets_skipped,
            self.breaker_open,
        ):
            metric.remove_by_labels({"switch": switch})


def _declaration(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, metric.labels
