"""The headline of the status, and the notices about the exporter and the delivery of its alerts. Pure."""

from collections.abc import Iterator
from typing import Any

from exporter.web import formatting

Json = dict[str, Any]

_ERRORS = 10
"""How many errors a notice lists at most."""

_NOT_SENT = {
    "off": "Alerts are shown here but not sent: the configuration has no section alerting.",
    "dry_run": "Dry run: alerts are shown here but not sent.",
}


def is_standby(activity: Json | None) -> bool:
    """Return whether the exporter stands by. ``activity``: the part of the status."""
    return activity is not None and activity.get("state") == "standby"


def notices(status: Json) -> Iterator[Json]:
    """Yield notices about the activity and configuration of the exporter, and about its alerts."""
    activity = status.get("activity")
    if activity and is_standby(activity):
        text = (
            f"This exporter has been standing by for {formatting.duration(activity['age_seconds'])}: "
            f"{activity['reason']}. It polls no switch, serves no values, and sends no alerts."
        )
        yield {"severity": "standby", "text": text, "errors": []}
    if activity and activity.get("lease_reachable") is False:
        yield {"severity": "warning", "text": f"High availability: {activity['reason']}.", "errors": []}
    configuration = status.get("configuration") or {}
    failed = configuration.get("reload_failed_age_seconds")
    invalid = configuration.get("file_invalid_age_seconds")
    errors = [*configuration.get("errors", ())][:_ERRORS]
    texts = []
    if failed is not None:
        texts.append(
            f"Reloading has failed for {formatting.duration(failed)}; the previous configuration is in use."
        )
    if invalid is not None:
        since = formatting.duration(invalid)
        texts.append(f"The file on disk has been invalid for {since}: the exporter would not start with it.")
    if texts:
        yield {"severity": "critical", "text": " ".join(texts), "errors": errors}
    alerting = status["alerting"] or {}
    if failing := alerting.get("failing_alertmanagers"):
        text = "An Alertmanager does not accept alerts, so you may not be notified."
        errors = [f"{url}: {reason}" for url, reason in failing.items()][:_ERRORS]
        yield {"severity": "critical", "text": text, "errors": errors}
    delivery = alerting.get("delivery")
    if delivery in _NOT_SENT and not is_standby(activity):
        yield {"severity": "", "text": _NOT_SENT[delivery], "errors": []}


def headline(status: Json, covered: int) -> tuple[str, str]:
    """Return the worst state of all switches, and a headline for it."""
    active = [problem for problem in status["problems"] if problem["state"] != "recovered"]
    recovered = len(status["problems"]) - len(active)
    critical = sum(problem["severity"] == "critical" for problem in active)
    others = len(active) - critical
    state, words = _without_problems(status)
    if active:
        state = "critical" if critical else "warning"
        warnings = f"{others} warning{'s' if others > 1 else ''}"
        words = ", ".join([f"{critical} critical"] * bool(critical) + [warnings] * bool(others))
    if recovered:
        words += f", {recovered} recovered"
    alerts = covered + sum(it["count"] for it in status["problems"] if it["state"] != "observed")
    if alerts > len(status["problems"]):
        words += (
            f" ({formatting.count(alerts)} alerts{f', {formatting.count(covered)} covered' * bool(covered)})"
        )
    return state, words


def _without_problems(status: Json) -> tuple[str, str]:
    if is_standby(status.get("activity")):
        return "standby", "standing by"
    if not status["switches"]:
        return "unknown", "no switch configured"
    not_known = [switch["name"] for switch in status["switches"] if switch["state"] == "unknown"]
    if not_known:
        return "unknown", f"{len(not_known)} of {len(status['switches'])} not known"
    return "clear", "all clear"
