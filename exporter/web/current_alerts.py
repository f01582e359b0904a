"""The alerts of the latest evaluation, corrected by the current values. Pure.

Alerts are evaluated once a minute. Until the next evaluation, the current values show what has become a
problem, and which alerts have ended.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.web.conditions import COVERED_BY, SEVERITIES, Condition, Kind, Subject, of_switch

Json = dict[str, Any]
Named = Sequence[tuple[str, str]]
"""Name and severity of each alert of a tenant."""

_LISTED = 10
"""How many alerts of a group are listed at most, as in the groups of ``alerting``."""

_KEPT = 200
"""How many conditions of a kind are kept until the worst are chosen."""

_SUBJECT = ("tenant", "node", "trunk", "query", "queue", "extension")
"""The labels that identify the subject of an alert on a switch."""


def grouped(
    switch: Json,
    groups: Sequence[Json],
    of_tenants: Iterable[Condition] = (),
    found: "Worst | None" = None,
) -> list[Json]:
    """Return the groups of the alerts on a switch as they are now, and of the conditions without an alert.

    ``of_tenants``: all conditions about the tenants with alerts. ``found``: those about any tenant that are
    met and that no alert covers.
    """
    conditions = [*of_switch(switch)]
    known = {condition.kind: condition.is_met for condition in (*conditions, *of_tenants)}
    worst = found or Worst()
    worst.add(observed(conditions, _kinds(groups)))
    return _current_groups(groups, known.get) + worst.groups(switch["name"])


def _kinds(groups: Iterable[Json]) -> Iterator[Kind]:
    """Yield the kinds of the alerts. A group that is not listed completely is about the whole switch."""
    for group in groups:
        if group["count"] > len(group["alerts"]):
            yield group["alertname"], group["severity"], ()
        for alert in group["alerts"]:
            yield kind_of(group["alertname"], group["severity"], alert["labels"])


def kind_of(name: str, severity: str, labels: Mapping[str, str]) -> Kind:
    """Return the kind of an alert."""
    return name, severity, tuple((label, labels[label]) for label in _SUBJECT if label in labels)


def not_ended(named: Named, conditions: Iterable[Condition]) -> list[tuple[str, str]]:
    """Return the alerts of a tenant without those whose condition is no longer met."""
    known: dict[tuple[str, str], bool] = {}
    for condition in conditions:
        kind = condition.alertname, condition.severity
        known[kind] = known.get(kind, False) or condition.is_met
    return [kind for kind in named if known.get(kind, True)]


def _current_groups(groups: Iterable[Json], is_met: Callable[[Kind], bool | None]) -> list[Json]:
    """Return the groups of the alerts on a switch as its current values show them.

    Alerts whose condition is no longer met have recovered if they fire, and are left out if they are pending.
    Groups with more alerts than are listed stay as they are.
    """
    found: dict[tuple[object, ...], Json] = {}
    for group in groups:
        left = group["count"] - len(group["alerts"])
        states: dict[str, list[Json]] = defaultdict(list)
        for alert in group["alerts"]:
            kind = kind_of(group["alertname"], group["severity"], alert["labels"])
            states[group["state"] if left else current_state(group["state"], is_met(kind))].append(alert)
        states.pop("", None)
        for state, alerts in states.items():
            key = group["alertname"], group["severity"], state, bool(group.get("has_no_phones"))
            same = found.get(key, {**group, "state": state, "count": 0, "alerts": []})
            listed = [*same["alerts"], *alerts][:_LISTED]
            found[key] = {**same, "count": same["count"] + len(alerts) + left, "alerts": listed}
    return [*found.values()]


def current_state(state: str, is_met: bool | None) -> str:  # noqa: FBT001 -- the value of a condition
    """Return the state of an alert, "" if it was pending and its condition is no longer met."""
    if is_met is not False:
        return state
    return {"firing": "recovered", "pending": ""}.get(state, state)


def observed(conditions: Iterable[Condition], alerts: Iterable[Kind]) -> list[Condition]:
    """Return the conditions that are met, except those that an alert or another condition covers.

    An alert whose subject is only the beginning of another one covers that as well.
    """
    met = [condition for condition in conditions if condition.is_met]
    if not met:
        return met
    alerted, kinds = {*alerts}, {condition.kind for condition in met}
    return [condition for condition in met if not _is_covered(condition, alerted, kinds)]


def _is_covered(condition: Condition, alerts: Collection[Kind], met: Collection[Kind]) -> bool:
    name, severity, about = condition.kind
    subjects = [about[:labels] for labels in range(len(about) + 1)]
    for source in (name, *COVERED_BY.get(name, ())):
        for as_bad in SEVERITIES if severity == SEVERITIES[-1] else SEVERITIES[:1]:
            for subject in subjects:
                kind = source, as_bad, subject
                if kind in alerts or (kind in met and kind != condition.kind):
                    return True
    return False


class Worst:
    """Conditions that no alert covers: how many there are of each kind, and the worst of them.

    The others are not kept: 15,000 kept conditions make the garbage collector block for 100 ms (Python 3.11,
    2026-12).
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, bool]] = Counter()
        self._worst: dict[tuple[str, str, bool], list[Condition]] = defaultdict(list)

    def add(self, conditions: Iterable[Condition]) -> None:
        """Count conditions, and keep those that are among the worst of their kind."""
        for condition in conditions:
            kind = condition.alertname, condition.severity, condition.has_no_phones
            self._counts[kind] += 1
            worst = self._worst[kind]
            worst.append(condition)
            if len(worst) > _KEPT:
                worst[:] = heapq.nsmallest(_LISTED, worst, key=_badness)

    def groups(self, switch: str) -> list[Json]:
        """Return them as groups like those of the alerts, with the state ``observed``."""
        return [
            {
                "alertname": name,
                "severity": severity,
                "state": "observed",
                "switch": switch,
                "has_no_phones": has_no_phones,
                "count": self._counts[name, severity, has_no_phones],
                "age_seconds": None,
                "alerts": [as_alert(switch, one) for one in heapq.nsmallest(_LISTED, worst, key=_badness)],
            }
            for (name, severity, has_no_phones), worst in self._worst.items()
        ]


def as_alert(switch: str, condition: Condition) -> Json:
    """Return a condition as an alert with the state ``observed``."""
    name, severity, about = condition.kind
    return {
        "state": "observed",
        "labels": {"alertname": name, "severity": severity, "switch": switch, **dict(about)},
        "annotations": {},
        "value": condition.value,
        "threshold": condition.threshold,
        "has_no_phones": condition.has_no_phones,
        "age_seconds": None,
    }


def _badness(condition: Condition) -> tuple[float, Subject]:
    """Return a sort key: first the farthest below its threshold, or else the highest value."""
    value, threshold = condition.value or 0.0, condition.threshold or 0.0
    return (value - threshold if value < threshold else -value), condition.subject
