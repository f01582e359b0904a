"""What alerting counts and measures, by Alertmanager, as Prometheus's own notifier does."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from exporter.alerting.notification_queue import Kind
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric


class AlertingMetrics:
    """Counters and gauges of alerting, in a registry that is passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alerts = Gauge(*_declaration(catalogue.ALERTING_ALERTS), registry=registry)
        self.sent = Counter(*_declaration(catalogue.ALERTING_NOTIFICATIONS), registry=registry)
        self.errors = Counter(*_declaration(catalogue.ALERTING_NOTIFICATION_ERRORS), registry=registry)
        self.dropped = Counter(*_declaration(catalogue.ALERTING_NOTIFICATIONS_DROPPED), registry=registry)
        self.latency = Histogram(
            *_declaration(catalogue.ALERTING_NOTIFICATIONS_LATENCY),
            buckets=catalogue.ALERTING_NOTIFICATIONS_LATENCY.buckets,
            registry=registry,
        )
        self.waiting = Gauge(*_declaration(catalogue.ALERTING_NOTIFICATIONS_WAITING), registry=registry)
        self.clock_skew = Gauge(*_declaration(catalogue.ALERTING_CLOCK_SKEW), registry=registry)
        self.state_file_errors = Counter(
            *_declaration(catalogue.ALERTING_STATE_FILE_ERRORS), registry=registry
        )

    def start_at_zero(self, alertmanager: str) -> None:
        """Let everything about an Alertmanager exist from the start: a counter born at 1 has no increase."""
        for metric in (self.sent, self.errors, self.dropped, self.latency):
            metric.labels(alertmanager)
        for kind in Kind:
            self.waiting.labels(alertmanager, kind.value)

    def forget(self, alertmanager: str) -> None:
        """Drop every series of an Alertmanager that is not told any more."""
        for metric in (
            self.sent,
            self.errors,
            self.dropped,
            self.latency,
            self.waiting,
            self.clock_skew,
        ):
            metric.remove_by_labels({"alertmanager": alertmanager})


def _declaration(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, metric.labels
