"""Groups the alerts of each kind on each switch, and the alerts of each tenant. Pure.

The status lists at most 500 alerts. The groups are made from all alerts, so their counts are correct.
"""

import contextlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.alerting.engine import Alert, Now, State
from exporter.alerting.monitoring_rules import WATCHDOG

SHOWN = 10
"""How many alerts of a group are named at most. Those farthest beyond their thresholds come first."""

_OF_A_TENANT = 100
"""How many alerts of one tenant are returned at most."""

_AT_A_TIME = 500
"""Alerts to process before yielding to the event loop: about 3 ms."""

COVERED_BY: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "SoftswitchDataStale": (("SoftswitchApiDown", ("switch",)), ("SoftswitchKeyRefused", ("switch",))),
    "SoftswitchLicenseExpiring": (("SoftswitchLicenseImminent", ("switch",)),),
    "SoftswitchNodeChannelsNearLimit": (("SoftswitchNodeMissing", ("switch", "node")),),
    "SoftswitchQueueWaitingLong": (("SoftswitchQueueUnattended", ("switch", "tenant", "queue")),),
    "SoftswitchTenantRegistrationsLow": (("SoftswitchTenantRegistrationsLost", ("switch", "tenant")),),
    "SoftswitchWatchedExtensionDown": (
        ("SoftswitchTenantRegistrationsLost", ("switch", "tenant")),
        ("SoftswitchTenantRegistrationsLow", ("switch", "tenant")),
    ),
}
"""By alert: the alerts that cover it, and the labels that must be equal.

Corresponds to ``inhibit_rules`` in ``alerts/alertmanager.example.yaml``.
"""

Json = dict[str, Any]
_Kind = tuple[str, str, State, str]
_Subject = tuple[tuple[str, str], ...]
_Key = tuple[str, _Subject]
"""The name of an alert, and what it is about."""


class Sources:
    """The alerts that may cover others. A firing alert is covered only by firing alerts."""

    def __init__(self) -> None:
        self._all: set[_Key] = set()
        self._critical: set[_Key] = set()

    def add(self, alert: Alert) -> None:
        """Add an alert."""
        self._all.add(_key(alert))
        if alert.severity == "critical":
            self._critical.add(_key(alert))

    def cover(self, alert: Alert) -> bool:
        """Return whether one of them covers an alert: it is worse and has the same subject."""
        name, about = _key(alert)
        if alert.severity != "critical" and (name, about) in self._critical:
            return True
        return any(
            (source, tuple(label for label in about if label[0] in equal)) in self._all
            for source, equal in COVERED_BY.get(name, ())
        )


@dataclass(slots=True)
class Group:
    """The alerts of one name, severity and state on one switch, except those that a worse alert covers.

    ``since``: when the first of their conditions was met. ``worst``: at most ``SHOWN`` of the alerts.
    """

    name: str
    severity: str
    state: State
    switch: str
    count: int
    since: float
    worst: Sequence[Alert]


@dataclass(slots=True)
class Groups:
    """All groups, and their alerts on tenants, by switch and tenant code.

    ``named``: the name and severity of each alert in ``of_tenants``.
    """

    groups: list[Group] = field(default_factory=list)
    of_tenants: dict[str, dict[str, list[Alert]]] = field(default_factory=dict)
    named: dict[str, dict[str, tuple[tuple[str, str], ...]]] = field(default_factory=dict)

    def shown(self, now: Now) -> Json:
        """Return ``groups`` and ``of_tenants`` for the status, which makes problems from them."""
        return {"groups": [_shown(group, now) for group in self.groups], "of_tenants": self.named}

    def alerts_of(self, switch: str, tenant: str, now: Now) -> list[Json]:
        """Return the alerts of one tenant: firing and critical ones first."""
        alerts = self.of_tenants.get(switch, {}).get(tenant, [])
        ordered = sorted(
            alerts, key=lambda alert: (alert.state is State.PENDING, alert.severity != "critical")
        )
        return [_alert(alert, now) for alert in ordered[:_OF_A_TENANT]]


def grouped(alerts: Iterable[Alert], groups: Groups, firing: Sources) -> Iterator[None]:
    """Fill ``groups``, and add all firing alerts to ``firing``. Each yield lets the event loop run."""
    active = [
        alert for alert in alerts if alert.state is not State.RESOLVED and alert.identity[0] is not WATCHDOG
    ]
    yield
    pending = Sources()
    for part in _parts(active):
        for alert in part:
            pending.add(alert)
            if alert.state is State.FIRING:
                firing.add(alert)
        yield
    kinds: dict[_Kind, list[Alert]] = defaultdict(list)
    for part in _parts(active):
        for alert in part:
            about = dict(alert.identity[1])
            switch = about.get("switch", "")
            if (firing if alert.state is State.FIRING else pending).cover(alert):
                continue
            kinds[alert.identity[0].name, alert.severity, alert.state, switch].append(alert)
            if "tenant" in about:
                groups.of_tenants.setdefault(switch, {}).setdefault(about["tenant"], []).append(alert)
        yield
    for kind, of_kind in kinds.items():
        groups.groups.append(_group(kind, of_kind))
        yield
    for switch, by_tenant in groups.of_tenants.items():
        groups.named[switch] = {
            tenant: tuple((alert.identity[0].name, alert.severity) for alert in of_tenant)
            for tenant, of_tenant in by_tenant.items()
        }
        yield


def _parts(alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
    return (alerts[start : start + _AT_A_TIME] for start in range(0, len(alerts), _AT_A_TIME))


def _group(kind: _Kind, alerts: Sequence[Alert]) -> Group:
    name, severity, state, switch = kind
    worst = heapq.nsmallest(SHOWN, alerts, key=_badness)
    return Group(name, severity, state, switch, len(alerts), min(map(_began, alerts)), worst)


def _began(alert: Alert) -> float:
    """Return when the condition was met: a firing alert was pending before."""
    return alert.since - (alert.identity[0].pending_for if alert.state is State.FIRING else 0.0)


def _shown(group: Group, now: Now) -> Json:
    return {
        "alertname": group.name,
        "severity": group.severity,
        "state": group.state.value,
        "switch": group.switch,
        "count": group.count,
        "age_seconds": _age(group.since, now),
        "alerts": [_alert(alert, now) for alert in group.worst],
    }


def _alert(alert: Alert, now: Now) -> Json:
    rule = alert.identity[0]
    annotations: Mapping[str, str] = {}
    with contextlib.suppress(Exception):  # an alert that cannot be rendered must not hide the others
        annotations = dict(alert.annotations)
    return {
        "state": alert.state.value,
        "labels": alert.labels,
        "annotations": annotations,
        "value": alert.value if rule.has_value else None,
        "threshold": alert.threshold if rule.compares else None,
        "age_seconds": _age(_began(alert), now),
    }


def _age(since: float, now: Now) -> float:
    return round(max(0.0, now.moment - since) / now.speed, 3)


def _key(alert: Alert) -> _Key:
    rule, labels = alert.identity
    return rule.name, tuple(label for label in labels if label[0] != "severity")


def _badness(alert: Alert) -> tuple[float, _Subject]:
    """Return a sort key: first the farthest below its threshold, or else the highest value."""
    below = alert.value < alert.threshold
    return (alert.value - alert.threshold if below else -alert.value), alert.identity[1]
