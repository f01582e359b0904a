"""All alerts in the ways in which they are told: to Alertmanagers, as counts, and the first in the status.

It is made once after each evaluation, in small steps: of 5,000 tenants in trouble there are 35,000 alerts,
and the status may be asked for at any time.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.alerting import rules
from exporter.alerting.conditions import Identity
from exporter.alerting.engine import Alert, Now, State
from exporter.config import AlertingConfiguration

_AT_A_TIME = 500
_SHOWN = 500
_OF_A_KIND = 50
"""Alerts of one name, severity and state that are shown: many of one must not hide one of another."""

_IN_A_ROW = 5
"""Alerts of a kind that are shown before those of the next one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert as it is shown. ``since``: the moment at which its state began."""

    state: State
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: float


@dataclass(slots=True)
class Summary:
    """``told``: what fires, and what ended a while ago. ``counts``: by name and state."""

    told: dict[Identity, Alert] = field(default_factory=dict)
    counts: Counter[tuple[str, State]] = field(default_factory=Counter)
    shown: list[Shown] = field(default_factory=list)


def summarize(alerts: Iterable[Alert]) -> Generator[None, None, Summary]:
    """Return all of it. Yields where others may have their turn."""
    made = Summary()
    kinds: dict[tuple[bool, bool, str, str], list[Alert]] = defaultdict(list)
    for number, alert in enumerate(alerts, 1):
        rule, _ = alert.identity
        made.counts[rule.name, alert.state] += 1
        if alert.state is not State.PENDING:
            made.told[alert.identity] = alert
        if alert.state is not State.RESOLVED:
            severity = alert.severity
            kind = kinds[alert.state is State.PENDING, severity != "critical", rule.name, severity]
            if len(kind) < _OF_A_KIND:
                kind.append(alert)
        if not number % _AT_A_TIME:
            yield
    yield
    for number, alert in enumerate(_in_order(kinds), 1):
        with contextlib.suppress(Exception):  # one that cannot be shown must not silence the others
            made.shown.append(Shown(alert.state, alert.labels, alert.annotations, alert.since))
        if not number % (_AT_A_TIME // 5):
            yield
    return made


def _in_order(kinds: Mapping[tuple[bool, bool, str, str], list[Alert]]) -> Iterator[Alert]:
    """Return what fires, and what is critical, first; of that some of each kind before more of it."""
    places = [
        ((is_pending, is_not_critical, number // _IN_A_ROW, name, severity), alert)
        for (is_pending, is_not_critical, name, severity), found in kinds.items()
        for number, alert in enumerate(sorted(found, key=lambda alert: alert.identity[1]))
    ]
    places.sort(key=lambda place: place[0])
    return (alert for _, alert in places[:_SHOWN])


Json = dict[str, Any]


def shown(configuration: AlertingConfiguration, summary: Summary | None, now: Now) -> Json:
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
                "state": alert.state.value,
                "labels": {**configuration.labels, **alert.labels},
                "annotations": dict(alert.annotations),
                "age_seconds": round(max(0.0, now.moment - alert.since) / now.speed, 3),
            }
            for alert in (summary.shown if summary else ())
        ],
    }


def _count(summary: Summary | None, state: State) -> int | None:
    if summary is None:
        return None
    watchdog = rules.WATCHDOG.name
    return sum(count for (name, of), count in summary.counts.items() if of is state and name != watchdog)
