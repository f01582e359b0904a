"""What ``/api/v1/status`` tells of alerts, in ``alerting`` and ``alerts`` (docs/status.md). Pure."""

from typing import Any

from exporter.alerting import rules
from exporter.alerting.alerts import State
from exporter.alerting.messages import Now
from exporter.alerting.overview import Overview
from exporter.config import AlertingConfiguration

Json = dict[str, Any]


def shown(configuration: AlertingConfiguration, overview: Overview | None, now: Now) -> Json:
    """Return how many alerts fire and pend, and the first of them.

    The counts leave the watchdog out, which is listed. They are None before the first evaluation.
    """
    return {
        "alerting": {
            "dry_run": configuration.dry_run,
            "firing": _count(overview, State.FIRING),
            "pending": _count(overview, State.PENDING),
        },
        "alerts": [
            {
                "state": alert.state.value,
                "labels": {**configuration.labels, **alert.labels},
                "annotations": dict(alert.annotations),
                "age_seconds": round(max(0.0, now.moment - alert.since) / now.speed, 3),
            }
            for alert in (overview.shown if overview else ())
        ],
    }


def _count(overview: Overview | None, state: State) -> int | None:
    if overview is None:
        return None
    watchdog = rules.WATCHDOG.name
    return sum(count for (name, of), count in overview.counts.items() if of is state and name != watchdog)
