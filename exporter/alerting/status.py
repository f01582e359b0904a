"""What an evaluation shows: the metrics, the part of ``/api/v1/status``, and entries of the timeline.

Each evaluation ends with a summary of all alerts, because the status may be requested during the next one.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import prometheus_client as prometheus

from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.groups import Groups, Sources
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.alerting.notification_queue import Kind
from exporter.alerting.rule import NO_LINKS, Links
from exporter.config import AlertingConfiguration
from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.storage.timeline import Kind as EntryKind
from exporter.storage.timeline import Timeline

_LISTED = 500
"""How many alerts the status lists at most."""

_OF_A_KIND = 50
"""How many alerts of one name, severity and state it lists at most, so that they do not hide other kinds."""

_IN_A_ROW = 5
"""How many alerts of one kind are listed before those of the next kind."""

_NAMED = 5
_RECORDED_AT_A_TIME = 1_000
_ABOUT = ("node", "tenant", "trunk", "extension", "queue", "query")

Json = dict[str, Any]
_Kind = tuple[str, State, str]


@dataclass(slots=True)
class Summary:
    """All alerts of one evaluation.

    ``to_send``: firing and recently resolved alerts. ``counts``: by name and state. ``listed``: the alerts in
    the status, each with the moment when its state began. ``groups``: empty until ``grouped`` fills it.
    """

    to_send: list[Alert] = field(default_factory=list)
    counts: Counter[tuple[str, State]] = field(default_factory=Counter)
    listed: list[tuple[float, Json]] = field(default_factory=list)
    groups: Groups = field(default_factory=Groups)


def summarize(alerts: Iterable[Alert], links: Links = NO_LINKS) -> Summary:
    """Return the summary of all alerts."""
    summary = Summary()
    kinds: dict[_Kind, list[Alert]] = defaultdict(list)
    for alert in alerts:
        kinds[alert.identity[0].name, alert.state, alert.severity].append(alert)
    for (name, state, _), found in kinds.items():
        summary.counts[name, state] += len(found)
        if state is not State.PENDING:
            summary.to_send += found
    for alert in _in_order(kinds):
        with contextlib.suppress(Exception):  # an alert that cannot be rendered must not hide the others
            annotations = links.annotations(alert.identity[0].name, alert.annotations)
            texts = {"labels": alert.labels, "annotations": annotations}
            summary.listed.append((alert.since, {"state": alert.state.value, **texts, **alert.figures}))
    return summary


def status(
    configuration: AlertingConfiguration | None,
    summary: Summary | None,
    now: Now,
    failing: Mapping[str, str] | None = None,
) -> Json:
    """Return ``alerting`` and ``alerts`` of ``/api/v1/status`` (docs/status.md).

    The watchdog is listed but not counted. The counts are None before the first evaluation. Without a
    configuration, alerts are shown but not sent. ``failing``: the Alertmanagers that do not accept alerts,
    with the reasons.
    """
    is_dry_run = configuration is not None and configuration.dry_run
    labels = configuration.labels if configuration else {}
    return {
        "alerting": {
            "delivery": "off" if configuration is None else "dry_run" if is_dry_run else "on",
            "dry_run": is_dry_run,
            "firing": _count(summary, State.FIRING),
            "pending": _count(summary, State.PENDING),
            "failing_alertmanagers": dict(failing or {}),
        },
        "alerts": [
            {
                **alert,
                "labels": {**labels, **alert["labels"]},
                "age_seconds": round(max(0.0, now.moment - since) / now.speed, 3),
            }
            for since, alert in (summary.listed if summary else ())
        ],
    }


def _in_order(kinds: Mapping[_Kind, list[Alert]]) -> Iterator[Alert]:
    """Return firing alerts before pending ones, critical ones first, alternating between the kinds."""
    places = [
        ((state is State.PENDING, severity != "critical", number // _IN_A_ROW, name, severity), alert)
        for (name, state, severity), found in kinds.items()
        if state is not State.RESOLVED
        for number, alert in enumerate(sorted(found[:_OF_A_KIND], key=lambda alert: alert.identity[1]))
    ]
    places.sort(key=lambda place: place[0])
    return (alert for _, alert in places[:_LISTED])


def _count(summary: Summary | None, state: State) -> int | None:
    if summary is None:
        return None
    return sum(n for (name, of), n in summary.counts.items() if of is state and name != WATCHDOG.name)


class AlertingMetrics:
    """The metrics of alerting. Those of each Alertmanager correspond to Prometheus's notifier metrics."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        def declared(metric: Metric) -> Json:
            names = {"name": metric.name, "documentation": metric.help, "labelnames": metric.labels}
            return {**names, "registry": registry}

        latency = catalogue.ALERTING_NOTIFICATIONS_LATENCY
        self.alerts = prometheus.Gauge(**declared(catalogue.ALERTING_ALERTS))
        self.sent = prometheus.Counter(**declared(catalogue.ALERTING_NOTIFICATIONS))
        self.errors = prometheus.Counter(**declared(catalogue.ALERTING_NOTIFICATION_ERRORS))
        self.dropped = prometheus.Counter(**declared(catalogue.ALERTING_NOTIFICATIONS_DROPPED))
        self.latency = prometheus.Histogram(**declared(latency), buckets=latency.buckets)
        self.waiting = prometheus.Gauge(**declared(catalogue.ALERTING_NOTIFICATIONS_WAITING))
        self.clock_skew = prometheus.Gauge(**declared(catalogue.ALERTING_CLOCK_SKEW))
        self.state_file_errors = prometheus.Counter(**declared(catalogue.ALERTING_STATE_FILE_ERRORS))

    def start_at_zero(self, alertmanager: str) -> None:
        """Create every series of an Alertmanager: a counter that starts at 1 shows no increase."""
        for metric in (self.sent, self.errors, self.dropped, self.latency):
            metric.labels(alertmanager)
        for kind in Kind:
            self.waiting.labels(alertmanager, kind.value)

    def forget(self, alertmanager: str) -> None:
        """Drop every series of an Alertmanager that was removed."""
        for metric in (self.sent, self.errors, self.dropped, self.latency, self.waiting, self.clock_skew):
            metric.remove_by_labels({"alertmanager": alertmanager})


def record(timeline: Timeline, changed: Sequence[Alert], firing: Sources) -> Iterator[None]:
    """Add alerts that fire or resolve to the timeline, except those that a worse alert covers.

    There is one entry per summary, severity and switch. ``firing``: all alerts that fire now. Each yield lets
    the event loop run.
    """
    resolved = Sources()
    for number, alert in enumerate(changed, 1):
        if alert.state is State.RESOLVED:
            resolved.add(alert)
        if not number % _RECORDED_AT_A_TIME:
            yield
    counts: Counter[tuple[State, str, str]] = Counter()
    first: dict[tuple[State, str, str], list[str]] = defaultdict(list)
    for number, alert in enumerate(changed, 1):
        if not number % _RECORDED_AT_A_TIME:
            yield
        rule, labels = alert.identity
        if rule is WATCHDOG or firing.cover(alert) or resolved.cover(alert):
            continue
        names = dict(labels)
        key = alert.state, f"{_phrase(rule.summary)} ({alert.severity})", names.get("switch", "")
        counts[key] += 1
        if len(first[key]) < _NAMED:
            first[key].append(", ".join(f"{name} {names[name]}" for name in _ABOUT if name in names))
    for key, count in counts.items():
        state, what, switch = key
        is_firing = state is State.FIRING
        timeline.add(
            EntryKind.ALERT_FIRING if is_firing else EntryKind.ALERT_RESOLVED,
            what if is_firing else f"{what}, resolved",
            switch=switch,
            names=[name for name in first[key] if name],
            count=count,
        )


def _phrase(summary: str) -> str:
    """Return a summary as the other entries of the timeline are written."""
    return summary[:1].lower() + summary[1:].removesuffix(".")
