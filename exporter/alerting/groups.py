"""Groups the alerts of each kind on each switch, and the alerts of each tenant. Pure.

The status lists at most 500 alerts. The groups are made from all alerts, so their counts are correct.
"""

import contextlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
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


class Phase(StrEnum):
    """The state of a group. The first in this order is the most urgent.

    ``RECOVERED``: the alerts still fire because of ``keep_firing_for``, but their condition is no longer met.
    """

    FIRING = "firing"
    PENDING = "pending"
    RECOVERED = "recovered"


_LOST, _LOW = "SoftswitchTenantRegistrationsLost", "SoftswitchTenantRegistrationsLow"
_PHASES = tuple(Phase)
_Kind = tuple[str, str, Phase, str, bool]
_Subject = tuple[tuple[str, str], ...]
_Key = tuple[str, _Subject]
"""The name of an alert, and what it is about."""


class Sources:
    """The alerts that may cover others. A firing alert is covered only by firing alerts."""

    def __init__(self) -> None:
        self._all: dict[Phase, set[_Key]] = {phase: set() for phase in Phase}
        self._critical: dict[Phase, set[_Key]] = {phase: set() for phase in Phase}
        self._without_phones: dict[_Subject, Alert] = {}

    def add(self, alert: Alert) -> None:
        """Add an alert. It may cover alerts whose phase is the same or less urgent."""
        key, phase = _key(alert), _phase(alert)
        for later in _PHASES[_PHASES.index(phase) :]:
            self._all[later].add(key)
            if alert.severity == "critical":
                self._critical[later].add(key)
        if phase is not Phase.RECOVERED and has_no_phones(alert):
            known = self._without_phones.setdefault(key[1], alert)
            self._without_phones[key[1]] = min(known, alert, key=_urgency)

    def cover(self, alert: Alert) -> bool:
        """Return whether one of them covers an alert: it is worse and has the same subject."""
        (name, about), phase = _key(alert), _phase(alert)
        if alert.severity != "critical" and (name, about) in self._critical[phase]:
            return True
        if phase is Phase.RECOVERED and alert.state is State.FIRING:
            active = self._all[Phase.PENDING]
            if (name, about) in active or (name == _LOST and (_LOW, about) in active):
                return True
        elif has_no_phones(alert) and self._without_phones.get(about, alert) is not alert:
            return True
        return any(
            (source, tuple(label for label in about if label[0] in equal)) in self._all[phase]
            for source, equal in COVERED_BY.get(name, ())
        )


def has_no_phones(alert: Alert) -> bool:
    """Return whether an alert means that no phone of a tenant is registered."""
    name = alert.identity[0].name
    return name == _LOST or (name == _LOW and alert.value == 0)


def _urgency(alert: Alert) -> tuple[bool, int, bool]:
    return alert.severity != "critical", _PHASES.index(_phase(alert)), alert.identity[0].name != _LOST


def _phase(alert: Alert) -> Phase:
    """Return the phase of an alert. One that has resolved counts as recovered."""
    if alert.state is State.PENDING:
        return Phase.PENDING
    is_over = alert.state is State.RESOLVED or alert.ending_since is not None
    return Phase.RECOVERED if is_over else Phase.FIRING


@dataclass(slots=True)
class Group:
    """The alerts of one name, severity and state on one switch, except those that a worse alert covers.

    ``since``: when the first of their conditions was met. ``worst``: at most ``SHOWN`` of the alerts.
    ``has_no_phones``: whether all mean that no phone of a tenant is registered; the other alerts of the same
    name, severity and state are another group. ``changes_at``: when the first of them fires, if they are
    pending; ``recovered_at`` and ``changes_at``: when the latest recovered and when it ends, if they have
    recovered.
    """

    name: str
    severity: str
    state: Phase
    switch: str
    has_no_phones: bool
    count: int
    since: float
    worst: Sequence[Alert]
    recovered_at: float | None = None
    changes_at: float | None = None


@dataclass(slots=True)
class Groups:
    """All groups, and their alerts on tenants, by switch and tenant code.

    ``named``: the name and severity of each alert in ``of_tenants`` that has not recovered. ``covered``: the
    number of alerts that worse ones cover.
    """

    groups: list[Group] = field(default_factory=list)
    of_tenants: dict[str, dict[str, list[Alert]]] = field(default_factory=dict)
    named: dict[str, dict[str, tuple[tuple[str, str], ...]]] = field(default_factory=dict)
    covered: int = 0

    def shown(self, now: Now) -> Json:
        """Return the parts of the status that become problems: ``groups``, ``of_tenants`` and ``covered``."""
        groups = [_shown(group, now) for group in self.groups]
        return {"groups": groups, "of_tenants": self.named, "covered": self.covered}

    def alerts_of(self, switch: str, tenant: str, now: Now) -> list[Json]:
        """Return the alerts of one tenant: firing and critical ones first."""
        alerts = self.of_tenants.get(switch, {}).get(tenant, [])
        ordered = sorted(
            alerts, key=lambda alert: (_PHASES.index(_phase(alert)), alert.severity != "critical")
        )
        return [_alert(alert, now) for alert in ordered[:_OF_A_TENANT]]


def grouped(alerts: Iterable[Alert], groups: Groups, firing: Sources) -> Iterator[None]:
    """Fill ``groups``, and add all firing alerts to ``firing``. Each yield lets the event loop run."""
    active = [
        alert for alert in alerts if alert.state is not State.RESOLVED and alert.identity[0] is not WATCHDOG
    ]
    yield
    sources = Sources()
    for part in _parts(active):
        for alert in part:
            sources.add(alert)
            if alert.state is State.FIRING:
                firing.add(alert)
        yield
    kinds: dict[_Kind, list[Alert]] = defaultdict(list)
    for part in _parts(active):
        for alert in part:
            about = dict(alert.identity[1])
            switch = about.get("switch", "")
            if sources.cover(alert):
                groups.covered += 1
                continue
            kind = alert.identity[0].name, alert.severity, _phase(alert), switch, has_no_phones(alert)
            kinds[kind].append(alert)
            if "tenant" in about:
                groups.of_tenants.setdefault(switch, {}).setdefault(about["tenant"], []).append(alert)
        yield
    for kind, of_kind in kinds.items():
        groups.groups.append(_group(kind, of_kind))
        yield
    for switch, by_tenant in groups.of_tenants.items():
        groups.named[switch] = {
            tenant: tuple(
                (alert.identity[0].name, alert.severity)
                for alert in of_tenant
                if _phase(alert) is not Phase.RECOVERED
            )
            for tenant, of_tenant in by_tenant.items()
        }
        yield


def _parts(alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
    return (alerts[start : start + _AT_A_TIME] for start in range(0, len(alerts), _AT_A_TIME))


def _group(kind: _Kind, alerts: Sequence[Alert]) -> Group:
    worst = heapq.nsmallest(SHOWN, alerts, key=_badness)
    group = Group(*kind, len(alerts), min(map(_began, alerts)), worst)
    rule = alerts[0].identity[0]
    if group.state is Phase.PENDING:
        group.changes_at = group.since + rule.pending_for
    elif group.state is Phase.RECOVERED:
        group.recovered_at = max(alert.ending_since or 0.0 for alert in alerts)
        group.changes_at = group.recovered_at + rule.keep_firing_for
    return group


def _began(alert: Alert) -> float:
    """Return when the condition was met: a firing alert was pending before."""
    return alert.since - (alert.identity[0].pending_for if alert.state is State.FIRING else 0.0)


def _shown(group: Group, now: Now) -> Json:
    return {
        "alertname": group.name,
        "severity": group.severity,
        "state": group.state.value,
        "switch": group.switch,
        "has_no_phones": group.has_no_phones,
        "count": group.count,
        "age_seconds": _age(group.since, now),
        **_times(group.recovered_at, group.changes_at, now),
        "alerts": [_alert(alert, now) for alert in group.worst],
    }


def _times(recovered_at: float | None, changes_at: float | None, now: Now) -> Json:
    """Return for how long the alerts have recovered, and when their state changes, by the wall clock."""
    changes_in = None if changes_at is None else max(0.0, changes_at - now.moment) / now.speed
    return {
        "recovered_age_seconds": None if recovered_at is None else _age(recovered_at, now),
        "changes_at_seconds": None if changes_in is None else now.wall + changes_in,
    }


def _alert(alert: Alert, now: Now) -> Json:
    rule, phase = alert.identity[0], _phase(alert)
    annotations: Mapping[str, str] = {}
    with contextlib.suppress(Exception):  # an alert that cannot be rendered must not hide the others
        annotations = dict(alert.annotations)
    changes_at = alert.since + rule.pending_for if phase is Phase.PENDING else None
    if phase is Phase.RECOVERED and alert.ending_since is not None:
        changes_at = alert.ending_since + rule.keep_firing_for
    return {
        "state": phase.value,
        "labels": alert.labels,
        "annotations": annotations,
        **alert.figures,
        "has_no_phones": has_no_phones(alert),
        "age_seconds": _age(_began(alert), now),
        **_times(alert.ending_since, changes_at, now),
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
