"""Which conditions of alerts the current values of a switch meet. Pure.

Conditions on past values, such as averages, are left out. ``current_alerts`` compares the others with alerts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.metrics import catalogue
from exporter.model import Query, Reason, Registration, Scope, Target
from exporter.poll import Poller

Json = dict[str, Any]

API_DOWN = "SoftswitchApiDown"
KEY_REFUSED = "SoftswitchKeyRefused"
LICENSE = ("SoftswitchLicenseImminent", "SoftswitchLicenseExpiring")
CREDIT = "SoftswitchBalanceLow"
LOST, LOW = "SoftswitchTenantRegistrationsLost", "SoftswitchTenantRegistrationsLow"
_TRUNK_DOWN = "SoftswitchTrunkDown"
_UNATTENDED = "SoftswitchQueueUnattended"
_WATCHED = "SoftswitchWatchedExtensionDown"

COVERED_BY: Mapping[str, Sequence[str]] = {
    API_DOWN: (KEY_REFUSED,),
    LICENSE[1]: (LICENSE[0],),
    LOW: (LOST,),
    "SoftswitchQueueWaitingLong": (_UNATTENDED,),
    _WATCHED: (LOST, LOW),
}
"""By alert: the alerts that say the same, or more, about the same subject."""

SEVERITIES = ("critical", "warning")
"""Worst first."""

_A_DAY = 86_400.0
_ENOUGH_REFUSALS = 3

Subject = tuple[tuple[str, str], ...]
"""What an alert is about, a tenant first; () is the whole switch."""

Kind = tuple[str, str, Subject]
"""Name, severity and subject of an alert."""


class Condition(NamedTuple):
    """The condition of one alert."""

    alertname: str
    severity: str
    subject: Subject
    is_met: bool
    value: float | None = None
    threshold: float | None = None

    @property
    def kind(self) -> Kind:
        """The alert that it belongs to."""
        return self[:3]

    @property
    def has_no_phones(self) -> bool:
        """Whether it means that no phone of a tenant is registered."""
        return self.alertname == LOW and self.value == 0


def of_switch(switch: Json) -> Iterator[Condition]:
    """Yield the conditions about a switch itself, from its state in the status. Unknown ones are left out."""
    if switch["up"] is not None:
        yield Condition(API_DOWN, "critical", (), not switch["up"])
    for node in switch["nodes"]:
        if node["present"] is not None:
            about = (("node", node["node"]),)
            yield Condition("SoftswitchNodeMissing", "critical", about, not node["present"])
    for trunk in switch["trunks"]:
        is_down = False in (trunk["registered"], trunk["reachable"])
        yield Condition(_TRUNK_DOWN, "critical", (("trunk", trunk["trunk"]),), is_down)
    yield from _of_license(switch["license_remaining_seconds"], switch["license_verdict"])
    yield from _of_keys(switch)
    yield Condition("SoftswitchDetailDropped", "warning", (), switch["series_limited"])
    unknown = {query["query"] for query in switch["queries"] if query["targets_unknown"]}
    for name in {query["query"] for query in switch["queries"]} - unknown:
        yield Condition("SoftswitchDataStale", "warning", (("query", name),), is_met=False)


def _of_keys(switch: Json) -> Iterator[Condition]:
    for owner in switch["refused_keys"]:
        if owner == "admin":
            yield Condition(KEY_REFUSED, "critical", (), is_met=True)
        else:
            yield Condition(KEY_REFUSED, "warning", (("tenant", owner),), is_met=True)
    queries = [query for query in switch["queries"] if query["scope"] == Scope.SWITCH]
    refused = sum(Reason.AUTH in query["failures_by_reason"] for query in queries)
    if switch["up"] and "admin" not in switch["refused_keys"] and not _are_enough(refused, len(queries)):
        yield Condition(KEY_REFUSED, "critical", (), is_met=False)


def _are_enough(refused: int, polled: int) -> bool:
    """Return whether three refused queries, or all if there are fewer, mean that the key is refused."""
    return refused > 0 and refused >= min(_ENOUGH_REFUSALS, polled)


def _of_license(left: float | None, verdict: str | None) -> Iterator[Condition]:
    if left is None:
        return
    for severity in SEVERITIES:  # the threshold of a warning is the higher one
        yield Condition(LICENSE[1], severity, (), verdict in ("critical", severity), left)
    if verdict or left > _A_DAY:  # without a threshold, there is no alert
        yield Condition(LICENSE[0], "critical", (), left <= _A_DAY, left)


def of_tenant(poller: Poller, code: str, failing: Mapping[str, str]) -> Iterator[Condition]:
    """Yield the conditions about a tenant. ``failing``: its failing queries, with their reasons.

    They compare as the rules of the alerts do. Conditions on unknown values are left out.
    """
    tenant, values = poller.targets.tenants[code], poller.store.values
    about = (("tenant", code),)
    yield from _below(CREDIT, about, values(catalogue.TENANT_BALANCE, code), tenant.balance_thresholds)
    ratio = registered_ratio(values(catalogue.TENANT_EXTENSIONS, code))
    yield from _below(LOW, about, ratio, tenant.registered_ratio_thresholds)
    if ratio:
        yield Condition(LOST, "critical", about, is_met=False)
    trunks = _mapping(values(catalogue.TRUNK_REGISTERED, code))
    peers = _mapping(values(catalogue.PEER_REACHABLE, code))
    for trunk in {**trunks, **peers}:
        is_down = 0 in (trunks.get(trunk), peers.get(trunk))
        yield Condition(_TRUNK_DOWN, "critical", (*about, ("trunk", trunk)), is_down)
    if waiting := _mapping(values(catalogue.QUEUE_CALLS_WAITING, code)):
        yield from _of_queues(poller, code, waiting)
    if tenant.watch:
        registered = _mapping(values(catalogue.EXTENSION_REGISTERED, code))
        for extension in tenant.watch:
            if extension in registered:
                is_down = registered[extension] == 0
                yield Condition(_WATCHED, "warning", (*about, ("extension", extension)), is_down)
    refused = [*failing.values()].count(Reason.AUTH)
    if not refused or not _are_enough(refused, _polled(poller, code)):
        yield Condition(KEY_REFUSED, "warning", about, is_met=False)


def _polled(poller: Poller, code: str) -> int:
    """Return how many queries of a tenant have been tried."""
    return sum(Target(query, Scope.TENANT, code) in poller.store.attempts for query in Query)


def _of_queues(poller: Poller, code: str, waiting: Mapping[str, float]) -> Iterator[Condition]:
    values, thresholds = poller.store.values, poller.targets.tenants[code].queue_wait_thresholds
    waits = _mapping(values(catalogue.QUEUE_LONGEST_WAIT, code))
    agents = _mapping(values(catalogue.QUEUE_AGENTS, code, "online"))
    is_open = values(catalogue.TENANT_OPEN, code) != 0
    for queue, calls in waiting.items():
        about, is_waiting = (("tenant", code), ("queue", queue)), is_open and calls > 0
        if queue in agents:
            yield Condition(_UNATTENDED, "critical", about, is_waiting and agents[queue] == 0, calls)
        for severity, threshold in thresholds.items() if queue in waits else ():
            is_long = is_waiting and waits[queue] > threshold
            yield Condition("SoftswitchQueueWaitingLong", severity, about, is_long, waits[queue], threshold)


def _below(name: str, about: Subject, value: object, thresholds: Mapping[str, float]) -> Iterator[Condition]:
    if isinstance(value, int | float):
        for severity, threshold in thresholds.items():
            yield Condition(name, severity, about, value < threshold, value, threshold)


def registered_ratio(states: object) -> float | None:
    """Return a tenant's share of registered extensions, None unless more than half have a known state."""
    found = _mapping(states)
    registered = found.get(Registration.REGISTERED, 0)
    known = registered + found.get(Registration.UNREGISTERED, 0)
    return registered / known if known > found.get(Registration.UNKNOWN, 0) else None


def _mapping(values: object) -> Mapping[str, float]:
    return values if isinstance(values, Mapping) else {}
