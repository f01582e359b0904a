"""The queues of one tenant: a row of its dashboard."""

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.panels import NOTHING, Built, Query, Size, over_time
from grafana.promql import TENANT, newest, verdict
from grafana.tables import Column, Label, rows
from grafana.words import CRITICAL, GOOD, WARNING, Numbered, Steps, Word

_NOT_POLLED = "no queue is polled (queues)"
_SOME_WAIT: Steps = ((None, GOOD), (1, WARNING))
_ABOVE: Numbered = {
    0: Word("ok", GOOD),
    1: Word("above warning", WARNING),
    2: Word("ABOVE CRITICAL", CRITICAL),
}
_SEVERITIES = {"critical": CRITICAL, "warning": WARNING}
_NOBODY: Steps = ((None, CRITICAL), (1, GOOD))


def _of(metric: Metric, *matchers: str) -> str:
    return f"max by (queue) ({newest(metric, TENANT, *matchers)})"


def _agents(state: str) -> str:
    return _of(catalogue.QUEUE_AGENTS, f'state="{state}"')


def _reported(outcome: str) -> str:
    return _of(catalogue.QUEUE_CALLS_REPORTED, f'outcome="{outcome}"')


def _above(severity: str) -> str:
    threshold = newest(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, TENANT, f'severity="{severity}"')
    wait = newest(catalogue.QUEUE_LONGEST_WAIT, TENANT)
    return f"{wait} > bool on (switch, tenant) group_left () {threshold}"


def _graph(title: str, description: str, of_queue: Query, dashed: Query, unit: str = "none") -> Built:
    return over_time(
        title,
        description,
        of_queue,
        dashed,
        size=Size(12, 8),
        missing=_NOT_POLLED,
        unit=unit,
        dashed="B",
        colours=_SEVERITIES if "severity" in dashed.legend else NOTHING,
    )


def queues() -> list[Built]:
    """Return the panels of the row."""
    return [
        rows(
            "Queues",
            "Calls and agents now. Service level and counts as the switch states them: it is not known when "
            "it resets them. Thresholds: the configured ones of the longest wait.",
            [Label("queue")],
            [
                Column("waiting", _of(catalogue.QUEUE_CALLS_WAITING), steps=_SOME_WAIT),
                Column("longest wait", _of(catalogue.QUEUE_LONGEST_WAIT), "s", 0),
                Column("thresholds", verdict("queue", _above), words=_ABOVE),
                Column("agents online", _agents("online"), steps=_NOBODY),
                Column("free", _agents("free")),
                Column("paused", _agents("paused")),
                Column("service level", _of(catalogue.QUEUE_SERVICE_LEVEL), decimals=1),
                Column("received", _reported("received")),
                Column("answered", _reported("answered")),
                Column("abandoned", _reported("abandoned")),
            ],
            size=Size(24, 5),
            missing=_NOT_POLLED,
            order=[("waiting", True), ("queue", False)],
        ),
        _graph(
            "Longest wait and thresholds",
            "How long the first caller in each queue has waited. Dashed: the alert thresholds.",
            Query(newest(catalogue.QUEUE_LONGEST_WAIT, TENANT), "{{queue}}"),
            Query(newest(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, TENANT), "{{severity}}"),
            "s",
        ),
        _graph(
            "Calls waiting",
            "Calls waiting in each queue. Dashed: agents online in the queue.",
            Query(newest(catalogue.QUEUE_CALLS_WAITING, TENANT), "{{queue}}"),
            Query(newest(catalogue.QUEUE_AGENTS, TENANT, 'state="online"'), "{{queue}}, agents"),
        ),
    ]
