"""What an engine remembers, as lines of JSON, and back with distrust. Pure; ``state_file`` knows the disk.

The first line says which version of this it is and what time it was, the last one how many lines there are;
what lies between can be written, and read, in small portions. Times are seconds before the first line's.
Of what is configured only what was removed lately is among it: the rest is there as soon as the exporter is.
Most of a line is columns: keys, their values, and how long ago each was seen, once where that is the same.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.alerting.engine import Alert, Engine, State
from exporter.alerting.inputs import SwitchInputs, job, number, pair, text
from exporter.alerting.rules import RULES
from exporter.alerting.windows import Attempts
from exporter.model import Query, Reason, Scope, Target

VERSION = 2

CENTURY = 100 * 365.25 * 86_400
"""Seconds. No exporter ran for longer; with numbers far above it a step of a minute is lost in rounding."""

_AN_HOUR = 3600.0
_YEAR_10000 = 253_402_300_800.0
_ROWS_AT_A_TIME = 1000
_ALERTS_AT_A_TIME = 250
_Row = TypeVar("_Row")
_Part = Mapping[str, Any]
_Rows = Iterable[tuple[Any, Any, float]]
"""A key, its value, and when it was seen."""


_RULES = {(rule.name, rule.severity, rule.scope): (rule, rule.label_names) for rule in RULES}


def dump(engine: Engine, times: Mapping[str, float | str] = MappingProxyType({})) -> Iterator[str]:
    """Return the lines. ``times`` are added to the first one."""
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

    An alert that cannot be used is left out alone: ``leave_out`` is called with the reason. Raises
    ValueError, KeyError, TypeError or AttributeError for anything else but all the lines of a dump.
    """
    first, *parts, last = [json.loads(line) for line in lines]
    if first["version"] != VERSION:
        raise ValueError(f"version {first['version']!r} is not {VERSION}")
    if last != {"parts": len(parts)}:
        raise ValueError("it is not complete")
    engine = Engine()
    engine.evaluated_at = now = moment(first["moment"])
    for part in parts:
        if "alerts" in part:
            engine.alerts.restore(_alerts(part["alerts"], now, leave_out))
        else:
            _restore(engine.switch(text(part["switch"])), part, now)
    return engine, first


def moment(value: object) -> float:
    """Return seconds since some start: from 0 to a century. Raises ValueError."""
    return _within(0.0, number(value), CENTURY)


def wall(value: object) -> float:
    """Return a time in seconds since 1970, before the year 10000. Raises ValueError."""
    return _within(0.0, number(value), _YEAR_10000)


def _seen(age: object, now: float) -> float:
    """Return the moment of what was so many seconds ago: from 0 to a century.

    Files of before 2026-12 have what happened during an evaluation as a little younger than 0 seconds.
    """
    return now - max(0.0, _within(-_AN_HOUR, number(age), CENTURY))


def _within(least: float, found: float, greatest: float) -> float:
    if not least <= found <= greatest:
        raise ValueError(f"expected seconds from {least:.0f} to {greatest:.0f}, got {found:g}")
    return found


def _age(at: float, now: float) -> float:
    return max(0.0, round(now - at, 3))  # what comes during an evaluation is a little later than now


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
        for part in _remembered(inputs, now):
            yield {"switch": switch, **part}


def _remembered(inputs: SwitchInputs, now: float) -> Iterator[_Part]:
    for which, window in inputs.last.items():
        if not which.configured:
            yield from _columns(which.name, window.present(), now)
        yield from _columns(which.name, window.gone(), now)
    for recorded, vector in inputs.ranges.items():
        for seen, values in vector.recorded:
            yield from _columns(recorded.name, ((key, value, seen) for key, value in values.items()), now)
    yield from _attempts(inputs.attempts, now)


def _columns(name: str, rows: _Rows, now: float, **more: object) -> Iterator[_Part]:
    for portion in _portions(rows, _ROWS_AT_A_TIME):
        keys, values, seen = zip(*portion, strict=True)
        ages = _age(seen[0], now) if seen.count(seen[0]) == len(seen) else [_age(at, now) for at in seen]
        yield {"of": name, **more, "keys": keys, "values": values, "ages": ages}


def _attempts(attempts: Attempts, now: float) -> Iterator[_Part]:
    """Return the newest attempts by what they are about, to say that once, and what is left of others."""
    for portion in _portions(attempts.present.items(), _ROWS_AT_A_TIME):
        pages: dict[tuple[Query, Scope], list[tuple[str, Any, float]]] = defaultdict(list)
        for (query, scope, tenant), attempt in portion:
            at = attempt.succeeded_at
            success = None if at is None else _age(attempts.moment(at), now)
            fate = attempt.failure.reason if attempt.failure else 0
            pages[query, scope].append((tenant, [success, fate], attempts.seen))
        for (query, scope), rows in pages.items():
            yield from _columns("attempts", rows, now, query=query, scope=scope)
    gone = ((target, int(succeeded), seen) for target, (succeeded, seen) in attempts.gone.items())
    yield from _columns("gone", gone, now)
    earlier = ((target, _age(at, now), seen) for target, (at, seen) in attempts.earlier.items())
    yield from _columns("earlier", earlier, now)
    failed = ((target, reason, seen) for (target, reason), seen in attempts.failed.items())
    yield from _columns("failed", failed, now)


def _restore(inputs: SwitchInputs, part: _Part, now: float) -> None:
    name, keys, ages = part["of"], part["keys"], part["ages"]
    seen = [_seen(age, now) for age in (ages if isinstance(ages, list) else [ages] * len(keys))]
    rows = zip(keys, part["values"], seen, strict=True)
    last = {which.name: (which, window) for which, window in inputs.last.items()}
    ranges = {which.name: vector for which, vector in inputs.ranges.items()}
    if name in last:
        which, window = last[name]
        for key, value, at in rows:
            window.restore(which.key(key), which.value(value), at)
    elif name in ranges:
        for key, value, at in rows:
            ranges[name].restore(text(key), number(value), at)
    else:  # or what a rule needed that was removed with an update
        _restore_attempts(inputs.attempts, part, list(rows), now)


def _restore_attempts(attempts: Attempts, part: _Part, rows: _Rows, now: float) -> None:
    match part["of"]:
        case "attempts":
            query, scope = job([part["query"], part["scope"]])
            for tenant, (success, fate), at in rows:
                success_at = None if success is None else _seen(success, now)
                target = Target(query, scope, text(tenant))
                attempts.restore(target, success_at, Reason(fate) if fate else None, at)
        case "gone":
            attempts.gone |= {_target(key): (bool(succeeded), at) for key, succeeded, at in rows}
        case "earlier":
            attempts.earlier |= {_target(key): (_seen(age, now), at) for key, age, at in rows}
        case "failed":
            attempts.failed |= {(_target(key), Reason(reason)): at for key, reason, at in rows}


def _target(value: list[Any]) -> Target:
    query, scope, tenant = value
    return Target(Query(query), Scope(scope), text(tenant))


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
            # A rule that was removed with an update is nothing to complain about.
            if tuple(map(text, row[0])) in _RULES:
                yield _alert(row, now)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            leave_out(str(error))


def _alert(row: list[Any], now: float) -> Alert:
    kind, labels, state, value, threshold, *ages = row
    since, fired_at, ending_since = (None if age is None else _seen(age, now) for age in ages)
    if since is None or (fired_at is None) is not (State(state) is State.PENDING):
        raise ValueError("an alert without the time since when")
    (rule, expected), names = _RULES[tuple(kind)], dict(pair(label) for label in labels)
    team = names.pop("team", "")
    if names.keys() != expected:
        raise ValueError(f"labels of {rule.name} are {sorted(expected)}, not {sorted(names)}")
    identity = rule, tuple(names.items())
    figures = number(value), number(threshold)
    return Alert(identity, State(state), since, *figures, fired_at, ending_since, team)
