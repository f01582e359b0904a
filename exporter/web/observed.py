"""Finds problems that the state of a switch shows before an alert does. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

LICENSE = ("SoftswitchLicenseImminent", "SoftswitchLicenseExpiring")


def observed(switch: Json, groups: Sequence[Json]) -> Iterator[Json]:
    """Yield the problems that the state of a switch shows before an alert does."""
    alerted = {group["alertname"] for group in groups}
    name = switch["name"]
    if switch["up"] is False and not alerted & {"SoftswitchApiDown", "SoftswitchKeyRefused"}:
        yield _seen(name, "SoftswitchApiDown", "critical", [{}], age=switch["valid_answer_age_seconds"])
    missing = [node["node"] for node in switch["nodes"] if node["present"] is False]
    groups_of_nodes = [group for group in groups if group["alertname"] == "SoftswitchNodeMissing"]
    if len(missing) > sum(group["count"] for group in groups_of_nodes):
        known = {alert["labels"].get("node") for group in groups_of_nodes for alert in group["alerts"]}
        new = [{"node": node} for node in missing if node not in known]
        if new:
            yield _seen(name, "SoftswitchNodeMissing", "critical", new)
    verdict = switch["license_verdict"]
    if verdict and not alerted.intersection(LICENSE):
        left = switch["license_remaining_seconds"]
        yield _seen(name, "SoftswitchLicenseExpiring", verdict, [{}], value=left)
    if switch["refused_keys"] and "SoftswitchKeyRefused" not in alerted:
        if "admin" in switch["refused_keys"]:
            yield _seen(name, "SoftswitchKeyRefused", "critical", [{}])
        tenants = [{"tenant": owner} for owner in switch["refused_keys"] if owner != "admin"]
        if tenants:
            yield _seen(name, "SoftswitchKeyRefused", "warning", tenants)
    if switch["series_limited"] and "SoftswitchDetailDropped" not in alerted:
        yield _seen(name, "SoftswitchDetailDropped", "warning", [{}])


def _seen(
    switch: str,
    name: str,
    severity: str,
    labels: Sequence[Mapping[str, str]],
    *,
    age: float | None = None,
    value: float | None = None,
) -> Json:
    alerts = [
        {"labels": {"switch": switch, **each}, "annotations": {}, "value": value, "threshold": None}
        for each in labels[:10]
    ]
    return {
        "alertname": name,
        "severity": severity,
        "state": "observed",
        "switch": switch,
        "count": len(labels),
        "age_seconds": age,
        "alerts": alerts,
    }
