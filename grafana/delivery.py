"""The alerts that the exporters evaluate, and their delivery: a row of the dashboard Exporter."""

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana.known import figure
from grafana.panels import Built, Query, Size, figures, over_time
from grafana.promql import INSTANCES, newest, rate
from grafana.tables import Column, Label, rows
from grafana.words import ANY_IS_CRITICAL, ANY_IS_WARNING, GOOD, WARNING, Steps

_NOT_SENT = "no exporter sends alerts (alerting)"
_AHEAD: Steps = ((None, WARNING), (-30, GOOD), (30, WARNING))


def _active(state: str) -> str:
    matcher = f'state="{state}"'
    return f"sum({newest(catalogue.ALERTING_ALERTS, INSTANCES, matcher)})"


def _per_second(metric: Metric, by: str = "alertmanager", suffix: str = "") -> str:
    return f"max by ({by}) ({rate(metric, suffix, INSTANCES)})"


def _waiting(kind: str) -> str:
    matcher = f'kind="{kind}"'
    return f"max by (alertmanager) ({newest(catalogue.ALERTING_NOTIFICATIONS_WAITING, INSTANCES, matcher)})"


def delivery() -> list[Built]:
    """Return the panels of the row."""
    latency = rate(catalogue.ALERTING_NOTIFICATIONS_LATENCY, "_bucket", INSTANCES)
    return [
        figures(
            "Alerts evaluated by the exporters",
            "Active alerts of the exporter that has more, and failures to read or write the state file.",
            Query(figure(_active("firing")), "firing"),
            Query(figure(_active("pending")), "pending"),
            Query(
                figure(f"sum({_per_second(catalogue.ALERTING_STATE_FILE_ERRORS, 'instance')}) * 3600"),
                "state file failures per hour",
            ),
            size=Size(8, 5),
            steps={"A": ANY_IS_CRITICAL, "B": ANY_IS_WARNING, "C": ANY_IS_WARNING},
        ),
        rows(
            "Delivery to each Alertmanager",
            "If new alerts keep waiting, the Alertmanager is slow or does not respond. Skew: how far its "
            "clock is ahead.",
            [Label("alertmanager")],
            [
                Column("new waiting", _waiting("new"), steps=ANY_IS_WARNING),
                Column("repeats waiting", _waiting("repeat")),
                Column(
                    "errors per hour",
                    f"3600 * {_per_second(catalogue.ALERTING_NOTIFICATION_ERRORS)}",
                    decimals=0,
                    steps=ANY_IS_WARNING,
                ),
                Column(
                    "dropped per hour",
                    f"3600 * {_per_second(catalogue.ALERTING_NOTIFICATIONS_DROPPED)}",
                    decimals=0,
                    steps=ANY_IS_CRITICAL,
                ),
                Column(
                    "clock skew",
                    newest(catalogue.ALERTING_CLOCK_SKEW, INSTANCES),
                    "s",
                    1,
                    steps=_AHEAD,
                ),
            ],
            size=Size(16, 5),
            missing=_NOT_SENT,
            order=[("new waiting", True), ("alertmanager", False)],
        ),
        over_time(
            "Alerts sent",
            "Per second. Each alert is sent repeatedly. Dashed: in messages that were not accepted.",
            Query(_per_second(catalogue.ALERTING_NOTIFICATIONS), "{{alertmanager}}"),
            Query(_per_second(catalogue.ALERTING_NOTIFICATION_ERRORS), "{{alertmanager}} not accepted"),
            size=Size(12, 8),
            missing=_NOT_SENT,
            unit="cps",
            dashed="B",
        ),
        over_time(
            "Time to send a message",
            "The 95th percentile, by Alertmanager.",
            Query(f"histogram_quantile(0.95, sum by (alertmanager, le) ({latency}))", "{{alertmanager}}"),
            size=Size(12, 8),
            missing=_NOT_SENT,
            unit="s",
        ),
    ]
