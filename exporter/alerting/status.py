"""All alerts as they are sent and counted, and the first of them as ``/api/v1/status`` shows them. Pure.

In that, ``alerting`` and ``alerts`` are from here (docs/status.md). The summary is made after each
evaluation, because the status may be asked for during the next one.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.monitoring_rules import WATCHDOG
from exporter.config import AlertingConfiguration

_LISTED = 500
_OF_A_KIND = 50
"""Alerts of one name, severity and state that are listed: many of one must not hide one of another."""

_IN_A_ROW = 5
"""Alerts of a kind that are listed before those of the next one."""

Json = dict[str, Any]
_Kind = tuple[str, State, str]


@dataclass(slots=True)
class Summary:
    """All alerts of one evaluation.

    ``to_send``: what fires, and what ended a while ago. ``counts``: by name and state. ``listed``: what the
    status shows, each with the moment at which its state began.
    """

    to_send: list[Alert] = field(default_factory=list)
    counts: Counter[tuple[str, State]] = field(default_factory=Counter)
    listed: list[tuple[float, Json]] = field(default_factory=list)


def summarize(alerts: Iterable[Alert]) -> Summary:
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
        with contextlib.suppress(Exception):  # one that cannot be rendered must not hide the others
            told = {"labels": alert.labels, "annotations": dict(alert.annotations)}
            summary.listed.append((alert.since, {"state": alert.state.value, **told}))
    return summary


def status(configuration: AlertingConfiguration, summary: Summary | None, now: Now) -> Json:
    """Return how many alerts fire and pend, and the first of them.

    The counts leave the watchdog out, which is listed. They are None before the first evaluation.
    """
    return {
        "alerting": {
            "dry_run": configuration.dry_run,
            "firing": _count(summary, State.FIRING),
            "pending": _count(summary, State.PENDING),
        },
        "alerts": [
            {
                **alert,
                "labels": {**configuration.labels, **alert["labels"]},
                "age_seconds": round(max(0.0, now.moment - since) / now.speed, 3),
            }
            for since, alert in (summary.listed if summary else ())
        ],
    }


def _in_order(kinds: Mapping[_Kind, list[Alert]]) -> Iterator[Alert]:
    """Return what fires, and what is critical, first; of that some of each kind before more of it."""
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
