"""Lists what is wrong, worst first, and describes each switch in one sentence. Pure.

Problems come from alerts. If the state of a switch shows a problem before its alert is pending, the problem
has the state ``observed``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from exporter.web import figures
from exporter.web.problem_words import Words, rank, words_of
from exporter.web.unknown import unknown

Json = dict[str, Any]

_NAMED = 5
"""How many subjects the text of a problem names at most."""

_PARTS = 8
"""How many problems the sentence of a switch names at most. The list of problems has all of them."""

_UNKNOWN_PARTS = 3
"""How many unknown things the sentence of a switch names at most."""

_ERRORS = 10
"""How many errors a notice lists at most."""

_NOT_SENT = {
    "off": "Alerts are shown here but not sent: the configuration has no `alerting` section.",
    "dry_run": "Dry run: alerts are shown here but not sent.",
}
_STATES = ("firing", "observed", "pending")
_LICENSE = ("SoftswitchLicenseImminent", "SoftswitchLicenseExpiring")


def diagnose(status: Json, groups: Sequence[Json]) -> None:
    """Add ``problems``, ``headline``, ``state`` and ``notices`` to a status.

    Each switch gets ``state``, ``severity``, ``sentence`` and ``unknown``. ``groups``: the active alerts,
    grouped by name, severity, state and switch.
    """
    switches = status["switches"]
    numbers = {switch["name"]: number for number, switch in enumerate(switches, 1)}
    every = [*groups]
    for switch in switches:
        every += _observed(switch, [group for group in groups if group["switch"] == switch["name"]])
    pairs = [_problem(group, numbers) for group in every]
    pairs.sort(key=lambda pair: _order(pair[0]))
    for switch in switches:
        own = [pair for pair in pairs if pair[0]["switch"] == switch["name"]]
        not_known = unknown(switch, status["alerting"])
        switch["state"] = "problems" if own else "unknown" if not_known else "clear"
        switch["severity"] = own[0][0]["severity"] if own else None
        switch["sentence"] = _sentence(own, not_known)
        switch["unknown"] = not_known
    status["problems"] = [problem for problem, _ in pairs]
    status["state"], status["headline"] = _headline(status)
    status["notices"] = [*_notices(status)]


def problem_of(alert: Json) -> Json:
    """Return one alert as a problem."""
    labels = alert["labels"]
    group = {**alert, "alertname": labels["alertname"], "severity": labels["severity"], "count": 1}
    problem, _ = _problem({**group, "switch": labels.get("switch", ""), "alerts": [alert]}, {})
    return problem


def _order(problem: Json) -> tuple[object, ...]:
    return (
        problem["severity"] != "critical",
        _STATES.index(problem["state"]),
        rank(problem["alertname"]),
        -problem["count"],
        problem["switch"] or "",
        problem["alertname"],
    )


def _problem(group: Json, numbers: Mapping[str, int]) -> tuple[Json, str]:
    """Return a problem, and the shorter text that stands for it in the sentence of its switch."""
    named, count = group["alerts"], group["count"]
    first = named[0]
    labels = first["labels"]
    words = words_of(group["alertname"], labels, first["annotations"].get("summary", group["alertname"]))
    variables = {**labels, "count": figures.count(count), "value": _license(first["value"])}
    brief = (words.one if count == 1 else words.many).format_map(_Labels(variables))
    subjects = [words.subject.format_map(_Labels(alert["labels"])).strip() for alert in named]
    subjects = [subject for subject in subjects if subject]
    listed = ", ".join(subjects[:_NAMED]) + (", …" if count > _NAMED else "")
    problem = {
        "severity": group["severity"],
        "state": group["state"],
        "switch": group["switch"] or None,
        "alertname": group["alertname"],
        "text": f"{brief}: {listed}" if count > 1 and listed else brief,
        "age_seconds": group["age_seconds"],
        "value": _value(words, first["value"], first["threshold"], count),
        "count": count,
        "subjects": subjects,
        "runbook": f"./runbooks/{group['alertname']}",
        "evidence": _evidence(words.evidence, group, labels, numbers),
    }
    age = group["age_seconds"]
    is_long = words.with_age and age is not None and group["severity"] == "critical"
    pending = " (pending)" if group["state"] == "pending" else ""
    return problem, brief + (f" for {figures.duration(age)}" if is_long else "") + pending


class _Labels(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return ""


def _license(seconds: float | None) -> str:
    if seconds is None:
        return "about to expire"
    if seconds < 0:
        return f"expired {figures.duration(-seconds)} ago"
    return f"expires in {figures.duration(seconds)}" if seconds else "expires today"


def _value(words: Words, value: float | None, threshold: float | None, count: int) -> str:
    """Return value and threshold as text, or "" if the problem has none."""
    if words.form is None or value is None:
        return ""
    worst = "worst " if count > 1 else ""
    limit = "" if threshold is None else f", threshold {words.form(threshold)}"
    return f"{worst}{words.form(value)}{limit}"


def _evidence(place: str, group: Json, labels: Mapping[str, str], numbers: Mapping[str, int]) -> str:
    """Return the link to where the problem is shown, relative to the status page."""
    switch = group["switch"]
    if place == "tenants" and group["count"] == 1 and "tenant" in labels:
        return f"./tenant?{urlencode({'switch': switch, 'tenant': labels['tenant']})}"
    if place == "polling":
        return f"./#polling-{numbers[switch]}" if switch in numbers else "./#polling"
    if place == "tenants":
        return f"./?{urlencode({'switch': switch, 'text': group['alertname']})}#tenants"
    return f"./#{place}"


def _observed(switch: Json, groups: Sequence[Json]) -> Iterator[Json]:
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
    if verdict and not alerted.intersection(_LICENSE):
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


def _sentence(pairs: Sequence[tuple[Json, str]], not_known: Sequence[str]) -> str:
    """Return the state of a switch in one sentence."""
    parts = [*dict.fromkeys(brief for _, brief in pairs)]
    texts = _shortened(parts, _PARTS) + _shortened(not_known, _UNKNOWN_PARTS)
    return " · ".join(texts) or "all clear"


def _shortened(parts: Sequence[str], most: int) -> list[str]:
    more = len(parts) - most
    return [*parts[:most], f"{more} more"] if more > 0 else [*parts]


def _headline(status: Json) -> tuple[str, str]:
    """Return the worst state of all switches, and a headline for it."""
    severities = [problem["severity"] for problem in status["problems"]]
    critical = severities.count("critical")
    others = len(severities) - critical
    if severities:
        warnings = f"{others} warning{'s' if others > 1 else ''}"
        words = [f"{critical} critical"] * bool(critical) + [warnings] * bool(others)
        return ("critical" if critical else "warning"), ", ".join(words)
    if not status["switches"]:
        return "unknown", "no switch configured"
    not_known = [switch["name"] for switch in status["switches"] if switch["state"] == "unknown"]
    if not_known:
        return "unknown", f"{len(not_known)} of {len(status['switches'])} not known"
    return "clear", "all clear"


def _notices(status: Json) -> Iterator[Json]:
    """Yield notices about the configuration of the exporter and about the delivery of its alerts."""
    configuration = status.get("configuration") or {}
    failed = configuration.get("reload_failed_age_seconds")
    invalid = configuration.get("file_invalid_age_seconds")
    errors = [*configuration.get("errors", ())][:_ERRORS]
    texts = []
    if failed is not None:
        texts.append(
            f"Reloading has failed for {figures.duration(failed)}; the previous configuration is in use."
        )
    if invalid is not None:
        since = figures.duration(invalid)
        texts.append(f"The file on disk has been invalid for {since}: the exporter would not start with it.")
    if texts:
        yield {"severity": "critical", "text": " ".join(texts), "errors": errors}
    alerting = status["alerting"] or {}
    if failing := alerting.get("failing_alertmanagers"):
        text = "An Alertmanager does not accept alerts, so you may not be notified."
        errors = [f"{url}: {reason}" for url, reason in failing.items()][:_ERRORS]
        yield {"severity": "critical", "text": text, "errors": errors}
    delivery = alerting.get("delivery")
    if delivery in _NOT_SENT:
        yield {"severity": "", "text": _NOT_SENT[delivery], "errors": []}
