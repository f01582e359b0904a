"""Lists what is wrong, worst first, and describes each switch in one sentence. Pure.

Problems come from alerts, and from conditions that are met before their alert is pending, with the state
``observed``.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from exporter.web import formatting
from exporter.web.conditions import API_DOWN, KEY_REFUSED, LICENSE, LOW
from exporter.web.headline import headline, notices
from exporter.web.markdown import runbook_link
from exporter.web.problem_words import Words, license_text, rank, why_silent, words_of
from exporter.web.unknown_values import is_measured, unknown, while_silent

Json = dict[str, Any]
_Place = tuple[int, Json]
"""The position of a switch on the page, from 1, and its state."""

_NAMED = 5
"""How many subjects the text of a problem names at most."""

_PARTS = 8
"""How many problems the sentence of a switch names at most. The list of problems has all of them."""

_UNKNOWN_PARTS = 3
"""How many unknown things the sentence of a switch names at most."""

_STATES = ("firing", "observed", "pending", "unknown", "recovered")
_OF_SWITCH = (API_DOWN, KEY_REFUSED)
"""Alerts that concern the whole switch, if they have no label ``tenant``."""

_CURRENT = (API_DOWN, "SoftswitchDataStale", "SoftswitchDetailDropped")
"""Alerts on a switch that are not the last known state while its API is silent."""


def diagnose(status: Json, groups: Sequence[Json], covered: int = 0) -> None:
    """Add ``problems``, ``headline``, ``state`` and ``notices`` to a status.

    Each switch gets ``state``, ``severity``, ``sentence`` and ``unknown``. ``groups``: the active alerts and
    observed conditions, grouped by name, severity, state and switch. ``covered``: the number of alerts in
    none of them.
    """
    switches = {switch["name"]: (number, switch) for number, switch in enumerate(status["switches"], 1)}
    silent = {name for name, (_, switch) in switches.items() if switch["up"] is False}
    silent |= {
        group["switch"]
        for group in groups
        if group["alertname"] == API_DOWN and _state(group, switches.get(group["switch"])) != "recovered"
    }
    pairs = [
        _problem({**group, "state": _state(group, place), "last_known": _is_last_known(group, silent)}, place)
        for group in groups
        for place in [switches.get(group["switch"])]
    ]
    pairs.sort(key=lambda pair: _order(pair[0]))
    for name, (_, switch) in switches.items():
        own = [pair for pair in pairs if pair[0]["switch"] == name]
        active = [problem for problem, _ in own if problem["state"] != "recovered"]
        not_known = unknown(switch, status["alerting"])
        switch["state"] = "problems" if active else "unknown" if not_known else "clear"
        switch["severity"] = min((it["severity"] for it in active), default=None)  # "critical" < "warning"
        switch["sentence"] = _sentence(own, not_known, while_silent(switch))
        switch["unknown"] = not_known
    status["problems"] = [problem for problem, _ in pairs]
    status["state"], status["headline"] = headline(status, covered)
    status["notices"] = [*notices(status)]


def problem_of(alert: Json, switch: Json) -> Json:
    """Return one alert on a switch as a problem."""
    labels = alert["labels"]
    name = labels.get("switch", "")
    group = {**alert, "alertname": labels["alertname"], "severity": labels["severity"], "count": 1}
    group |= {"switch": name, "alerts": [alert]}
    silent = {name} if switch["up"] is False else set()
    group |= {"state": _state(group, (1, switch)), "last_known": _is_last_known(group, silent)}
    return _problem(group, (1, switch))[0]


def _state(group: Json, place: _Place | None) -> str:
    """Return the state of a problem: that of its alerts, corrected by the state of its switch."""
    state: str = group["state"]
    if place is None or state not in ("firing", "recovered"):
        return state
    if group["alertname"] == API_DOWN:
        is_up = place[1]["up"]
        return state if is_up is None else "recovered" if is_up else "firing"
    silent_for = place[1]["valid_answer_age_seconds"] if place[1]["up"] is False else None
    if silent_for is not None and (group.get("recovered_age_seconds") or 0.0) > silent_for:
        return state  # the API still responded when the condition ended
    names = [alert["labels"].get("tenant", "") for alert in group["alerts"]]
    tenants = names if all(names) and len(names) == group["count"] else ()
    if state == "recovered" and not is_measured(group["alertname"], tenants, place[1]):
        return "unknown"  # the condition may only have ended because there are no values
    return state


def _is_last_known(group: Json, silent: Container[str]) -> bool:
    """Return whether a problem on a switch cannot be checked now."""
    return group["switch"] in silent and group["alertname"] not in _CURRENT and not _is_of_switch(group)


def _is_of_switch(group: Json) -> bool:
    return group["alertname"] in _OF_SWITCH and "tenant" not in group["alerts"][0]["labels"]


def _order(problem: Json) -> tuple[object, ...]:
    return (
        problem["state"] == "recovered",
        not problem["of_switch"],
        problem["severity"] != "critical",
        _STATES.index(problem["state"]),
        rank(problem["alertname"]),
        -problem["count"],
        problem["switch"] or "",
        problem["alertname"],
    )


def _problem(group: Json, place: _Place | None) -> tuple[Json, str]:
    """Return a problem, and the shorter text that stands for it in the sentence of its switch."""
    named, count, state = group["alerts"], group["count"], group["state"]
    first = named[0]
    labels = first["labels"]
    summary = first["annotations"].get("summary", group["alertname"])
    has_no_phones = bool(group.get("has_no_phones"))
    words = words_of(group["alertname"], labels, summary, has_no_phones=has_no_phones)
    value = _value(group, place)
    phones = group.get("phones")
    variables = {
        **labels,
        "count": formatting.count(count),
        "license": license_text(value),
        "phones": f" (0 of {formatting.count(phones)})" if phones and state != "recovered" else "",
    }
    brief = (words.one if count == 1 else words.many).format_map(_Labels(variables))
    subjects = [words.subject.format_map(_Labels(alert["labels"])).strip() for alert in named]
    subjects = [subject for subject in subjects if subject]
    listed = ", ".join(subjects[:_NAMED]) + (", …" if count > _NAMED else "")
    is_over = state == "recovered"
    why = why_silent(place[1]) if place and group["alertname"] == API_DOWN and not is_over else ""
    text = f"{brief}: {listed}" if count > 1 and listed else brief + why
    note = _note(group)
    age = None if is_over else _age(group, place)
    kind = (group["switch"], group["alertname"], group["severity"], state)
    problem = {
        "id": " ".join(filter(None, kind)) + " no phones" * has_no_phones,
        "severity": group["severity"],
        "state": state,
        "last_known": group["last_known"],
        "of_switch": _is_of_switch(group),
        "switch": group["switch"] or None,
        "alertname": group["alertname"],
        "text": f"{text} ({note})" if note else text,
        "age_seconds": age,
        "value": "" if is_over else _value_text(words, value, first["threshold"], count),
        "count": count,
        "subjects": subjects,
        "runbook": f"./runbooks/{runbook_link(group['alertname'], labels)}",
        "evidence": _evidence(words, group, labels, place),
    }
    is_long = words.with_age and age is not None and group["severity"] == "critical"
    pending = f" (pending{f', {note}' if note else ''})" if state == "pending" else ""
    return problem, brief + (f" for {formatting.duration(age)}" if is_long else "") + why + pending


def _age(group: Json, place: _Place | None) -> float | None:
    """Return the age of a problem. That of a silent API begins with its last response."""
    age: float | None = group["age_seconds"]
    if group["alertname"] == API_DOWN and place and place[1].get("up") is False:
        silent_for: float | None = place[1]["valid_answer_age_seconds"]
        age = age if silent_for is None else silent_for
    return age


def _note(group: Json) -> str:
    """Return when a pending alert fires, or since when an alert has recovered and when it ends."""
    state, at, age = group["state"], group.get("changes_at_seconds"), group.get("recovered_age_seconds")
    # Half a second, so that a time on a full minute does not change from one response to the next.
    time = "" if at is None else f"{datetime.fromtimestamp(at + 0.5, UTC):%H:%M} UTC"
    if state == "pending":
        return f"fires at {time}" if time else ""
    if state == "recovered":
        since = "recovered" if age is None else f"recovered {formatting.duration(age)} ago"
        return f"{since}; the alert ends at {time}" if time else since
    return ""


class _Labels(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return ""


def _value(group: Json, place: _Place | None) -> float | None:
    """Return the value of the worst alert. For a license, that is the current one: an alert may be older."""
    current = place[1].get("license_remaining_seconds") if place and group["alertname"] in LICENSE else None
    value: float | None = group["alerts"][0]["value"] if current is None else current
    return value


def _value_text(words: Words, value: float | None, threshold: float | None, count: int) -> str:
    """Return value and threshold as text, or "" if the problem has none."""
    if words.form is None or value is None:
        return ""
    worst = "worst " if count > 1 else ""
    limit = "" if threshold is None else f", threshold {words.form(threshold)}"
    return f"{worst}{words.form(value)}{limit}"


def _evidence(words: Words, group: Json, labels: Mapping[str, str], place: _Place | None) -> str:
    """Return the link to where the problem is shown, relative to the status page."""
    switch, shown_in = group["switch"], words.evidence
    if shown_in == "tenants" and group["count"] == 1 and "tenant" in labels:
        return f"./tenant?{urlencode({'switch': switch, 'tenant': labels['tenant']})}"
    if shown_in == "polling":
        return f"./#polling-{place[0]}" if place else "./#polling"
    if shown_in == "tenants":
        text = group["alertname"]
        if text == LOW:  # the alert has two kinds of problems
            text += f" {words.reason}"
        # A tenant does not have the name of an alert that has recovered.
        found = {} if group["state"] in ("recovered", "unknown") else {"text": text}
        return f"./?{urlencode({'switch': switch, **found})}#tenants"
    return f"./#{shown_in}"


def _sentence(pairs: Sequence[tuple[Json, str]], not_known: Sequence[str], replaced: str) -> str:
    """Return the state of a switch in one sentence.

    ``replaced``: the text in ``not_known`` that "the last known state" replaces.
    """
    active = [(problem, brief) for problem, brief in pairs if problem["state"] != "recovered"]
    if any(problem["last_known"] for problem, _ in active):
        silent = next((number for number, (it, _) in enumerate(active) if it["alertname"] == API_DOWN), None)
        if silent is not None:
            problem, brief = active[silent]
            active[silent] = problem, f"{brief}, so the rest is the last known state"
            not_known = [text for text in not_known if text != replaced]
    # Two alerts may be about the same license; other equal texts are about different subjects.
    parts = [*{(brief, it["alertname"] in LICENSE or it["id"]): brief for it, brief in active}.values()]
    texts = _shortened(parts, _PARTS) + _shortened(not_known, _UNKNOWN_PARTS)
    recovered = len(pairs) - len(active)
    return " · ".join([*(texts or ["all clear"]), *([f"{recovered} recovered"] * bool(recovered))])


def _shortened(parts: Sequence[str], most: int) -> list[str]:
    more = len(parts) - most
    return [*parts[:most], f"{more} more"] if more > 0 else [*parts]
