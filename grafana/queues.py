"""The queues of one tenant: a row of its dashboard."""

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.panels import CRITICAL, GOOD, WARNING, Built, Query, Size, Steps, over_time
from grafana.promql import TENANT, newest
from grafana.tables import Column, Label, rows

_NOT_POLLED = "No queue is polled (queues)"
_SOME_WAIT: Steps = ((None, GOOD), (1, WARNING))
_NOBODY: Steps = ((None, CRITICAL), (1, GOOD))


def _of(metric: Metric, *matchers: str) -> str:
    return f"max by (queue) ({newest(metric, TENANT, *matchers)})"


def _agents(state: str) -> str:
    return _of(catalogue.QUEUE_AGENTS, f'state="{state}"')


def _reported(outcome: str) -> str:
    return _of(catalogue.QUEUE_CALLS_REPORTED, f'outcome="{outcome}"')


def queues() -> list[Built]:
    """Return the panels of the row."""
    waiting = newest(catalogue.QUEUE_CALLS_WAITING, TENANT)
    wait = newest(catalogue.QUEUE_LONGEST_WAIT, TENANT)
    return [
        rows(
            "Queues",
            "Calls and agents now. Service level and counts as the switch states them: it is not known when "
            "it resets them.",
            [Label("queue")],
            [
                Column("waiting", _of(catalogue.QUEUE_CALLS_WAITING), steps=_SOME_WAIT),
                Column("longest wait", _of(catalogue.QUEUE_LONGEST_WAIT), "s", 0),
                Column("agents online", _agents("online"), steps=_NOBODY),
                Column("free", _agents("free")),
                Column("paused", _agents("paused")),
                Column("service level", _of(catalogue.QUEUE_SERVICE_LEVEL), decimals=1),
                Column("received", _reported("received")),
                Column("answered", _reported("answered")),
                Column("abandoned", _reported("abandoned")),
            ],
            size=Size(24, 7),
            no_value=_NOT_POLLED,
            order=[("waiting", True), ("queue", False)],
        ),
        over_time(
            "Longest wait and thresholds",
            "How long the first caller in each queue has waited. Dashed: the alert thresholds.",
            Query(wait, "{{queue}}"),
            Query(newest(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, TENANT), "{{severity}}"),
            size=Size(12, 8),
            no_value=_NOT_POLLED,
            unit="s",
            dashed="B",
            colours={"critical": CRITICAL, "warning": WARNING},
        ),
        over_time(
            "Calls waiting",
            "Calls waiting in each queue. Dashed: agents online in the queue.",
            Query(waiting, "{{queue}}"),
            Query(newest(catalogue.QUEUE_AGENTS, TENANT, 'state="online"'), "{{queue}}, agents"),
            size=Size(12, 8),
            no_value=_NOT_POLLED,
            dashed="B",
        ),
    ]
