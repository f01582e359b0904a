"""What ``/api/v1/status`` tells of alerts, in ``alerting`` and ``alerts`` (docs/status.md). Pure."""

from collections import Counter
from typing import Any

from exporter.alerting import rules
from exporter.alerting.alerts import Alert, State
from exporter.alerting.engine import Engine
from exporter.alerting.messages import Now
from exporter.config import AlertingConfiguration

_SHOWN = 500

Json = dict[str, Any]


def shown(configuration: AlertingConfiguration, engine: Engine, now: Now) -> Json:
    """Return how many alerts fire and pend, and the first of them: what fires, and what is critical, first.

    The counts leave the watchdog out, which is listed. They are None before the first evaluation.
    """
    found = [alert for alert in engine.alerts.by_identity.values() if alert.state is not State.RESOLVED]
    counts = Counter(alert.state for alert in found if alert.identity[0] is not rules.WATCHDOG)
    is_judged = engine.evaluated_at is not None
    return {
        "alerting": {
            "dry_run": configuration.dry_run,
            "firing": counts[State.FIRING] if is_judged else None,
            "pending": counts[State.PENDING] if is_judged else None,
        },
        "alerts": [
            {
                "state": alert.state.value,
                "labels": {**configuration.labels, **alert.labels},
                "annotations": dict(alert.annotations),
                "age_seconds": round(max(0.0, now.moment - alert.since) / now.speed, 3),
            }
            for alert in sorted(found, key=_order)[:_SHOWN]
        ],
    }


def _order(alert: Alert) -> tuple[object, ...]:
    labels = alert.labels
    return alert.state is State.PENDING, labels["severity"] != "critical", sorted(labels.items())
