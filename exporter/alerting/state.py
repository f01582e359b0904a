"""The state of an engine as lines of JSON, and their validation. Pure; see ``state_keeper``.

The first line has the version and the time, the last line the number of lines between them, so that the file
can be written and read in small portions. Other times are seconds before the time in the first line. Most
lines are columns: keys, their values, and how long ago each was seen (one number if it is the same for all).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.alerting.engine import Alert, Engine, State
from exporter.alerting.inputs import SwitchInputs, pair
from exporter.alerting.monitoring_rules import is_idle
from exporter.alerting.rules import RULES
from exporter.model import Query, Reason
from exporter.storage.values import CENTURY, INVALID, moment, number, text, within

VERSION = 2

_AN_HOUR = 3600.0
_ROWS_AT_A_TIME = 1000
_ALERTS_AT_A_TIME = 250
_Row = TypeVar("_Row")
_Part = Mapping[str, Any]
_Named = tuple[str, Any, Any, Any]
"""The name of an input, a key, its value, and its age."""

_RULES = {(rule.name, rule.severity, rule.scope): (rule, rule.label_names) for rule in RULES}


def dump(engine: Engine, times: Mapping[str, float | str] = MappingProxyType({})) -> Iterator[str]:
    """Yield the lines; the first line also has ``times``."""
    now = engine.evaluated_at or 0.0
    count = 0
    yield _line({"version": VERSION, "moment": now, **times})
    for part in _parts(engine, now):
        count += 1
        yield _line(part)
    yield _line({"parts": count})


def restore(
    lines: Iterable[str], leave_out: Callable[[str], None] = lambda _: None
) -> tuple[Engine, Mapping[str, Any]]:
    """Return the engine that was dumped, and the first line.

    An invalid alert is skipped, and ``leave_out`` is called with the reason. Raises one of ``INVALID``
    if anything else is not as ``dump`` wrote it.
    """
    first, *parts, last = [json.loads(line) for line in lines]
    if first["version"] != VERSION:
        raise ValueError(f"expected version {VERSION}, got {first['version']!r}")
    if last != {"parts": len(parts)}:
        raise ValueError("it is incomplete")
    engine = Engine()
    engine.evaluated_at = now = moment(first["moment"])
    for part in parts:
        if "alerts" in part:
            engine.alerts.by_identity |= {
                alert.identity: alert for alert in _alerts(part["alerts"], now, leave_out)
            }
        else:
            _restore(engine.switch(text(part["switch"])), part, now)
    return engine, first


def _seen(age: object, now: float) -> float:
    """Return the moment that was ``age`` seconds ago, from 0 to a century. Raises ValueError.

    Files from before 2026-12 have negative ages for what happened during an evaluation.
    """
    return now - max(0.0, within(-_AN_HOUR, number(age), CENTURY))


def _age(at: float, now: float) -> float:
    return max(0.0, round(now - at, 3))  # what happens during an evaluation is later than now


def _line(part: _Part) -> str:
    return json.dumps(part, separators=(",", ":")) + "\n"


def _portions(rows: Iterable[_Row], size: int) -> Iterator[list[_Row]]:
    rows = iter(rows)
    while portion := list(islice(rows, size)):
        yield portion


def _parts(engine: Engine, now: float) -> Iterator[_Part]:
    rows = (_alert_row(alert, now) for alert in engine.alerts.by_identity.values())
    yield from ({"alerts": portion} for portion in _portions(rows, _ALERTS_AT_A_TIME))
    for switch, inputs in engine.switches.items():
        for which, window in inputs.windows.items():
            for portion in _portions(window.rows(), _ROWS_AT_A_TIME):
                keys, values, seen = zip(*portion, strict=True)
                is_same = seen.count(seen[0]) == len(seen)
                ages = _age(seen[0], now) if is_same else [_age(at, now) for at in seen]
                yield {"switch": switch, "of": which.name, "keys": keys, "values": values, "ages": ages}


def _restore(inputs: SwitchInputs, part: _Part, now: float) -> None:
    windows = {which.name: (which, window) for which, window in inputs.windows.items()}
    ages = part["ages"] if isinstance(part["ages"], list) else [part["ages"]] * len(part["keys"])
    for row in zip(part["keys"], part["values"], ages, strict=True):
        for name, key, value, age in _of_this_version(part, *row, now):
            if name in windows:  # else no rule of this version reads it
                which, window = windows[name]
                window.restore(which.key(key), which.value(value), _seen(age, now))


def _of_this_version(part: _Part, key: object, value: Any, age: Any, now: float) -> Iterator[_Named]:  # noqa: ANN401 -- JSON
    """Yield a row in the form of this version; files from before 2026-12 have attempts in other columns."""
    match part["of"]:
        case "attempts":
            target, (success, reason) = [part["query"], part["scope"], key], value
            yield "succeeded", target, float(not reason), age
            if success is not None:
                yield "succeeded_at", target, _seen(success, now), age
            if reason and not is_idle(Query(part["query"]), Reason(reason)):
                yield "failures", [target, reason], 1.0, age
        case "gone":
            yield "succeeded", key, float(bool(value)), age
        case "earlier":
            yield "succeeded_at", key, _seen(value, now), age
        case "failed":
            yield "failures", [key, value], 1.0, age
        case name:
            yield name, key, value, age


def _alert_row(alert: Alert, now: float) -> list[Any]:
    rule, labels = alert.identity
    moments = (alert.since, alert.fired_at, alert.ending_since)
    ages = [None if at is None else _age(at, now) for at in moments]
    kind = (rule.name, rule.severity, rule.scope)
    if alert.team:
        labels = (*labels, ("team", alert.team))
    return [kind, labels, alert.state, alert.value, alert.threshold, *ages]


def _alerts(rows: Iterable[Any], now: float, leave_out: Callable[[str], None]) -> Iterator[Alert]:
    for row in rows:
        try:
            # A rule that an update of the exporter removed is not an error.
            if tuple(map(text, row[0])) in _RULES:
                yield _alert(row, now)
        except INVALID as error:
            leave_out(str(error))


def _alert(row: list[Any], now: float) -> Alert:
    kind, labels, state, value, threshold, *ages = row
    since, fired_at, ending_since = (None if age is None else _seen(age, now) for age in ages)
    if since is None or (fired_at is None) is not (State(state) is State.PENDING):
        raise ValueError("an alert without the time when its state began")
    (rule, expected), names = _RULES[tuple(kind)], dict(pair(label) for label in labels)
    team = names.pop("team", "")
    if names.keys() != expected:
        raise ValueError(f"{rule.name}: expected the labels {sorted(expected)}, got {sorted(names)}")
    identity = rule, tuple(names.items())
    figures = number(value), number(threshold)
    return Alert(identity, State(state), since, *figures, fired_at, ending_since, team)
