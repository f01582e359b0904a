"""What an engine remembers, as lines of JSON and back. Pure; ``state_file`` knows the disk.

The first line says which version of this it is and what time it was, the last one how many lines there are;
what lies between can be written, and read, in small portions. Times are seconds before the first line's.
Of what is configured only what was taken back is among it: the rest is there as soon as the exporter is.
Most of a line is columns: keys, their values, and how long ago each was seen, once where that is the same.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.alerting.attempts import Attempts
from exporter.alerting.engine import Alert, Engine, State
from exporter.alerting.inputs import Memory
from exporter.alerting.rules import RULES, distinguishing_labels
from exporter.alerting.windows import AvgOverTime, LastOverTime
from exporter.model import Query, Reason, Registration, Scope, Target

VERSION = 2

_ROWS_AT_A_TIME = 1000
_ALERTS_AT_A_TIME = 250
_Row = TypeVar("_Row")
_Part = Mapping[str, Any]
_Rows = Iterable[tuple[Any, Any, float]]
"""A key, its value, and when it was seen."""

_KINDS = {(rule.name, rule.severity, rule.scope): rule for rule in RULES}


def dump(engine: Engine, times: Mapping[str, float | str] = MappingProxyType({})) -> Iterator[str]:
    """Return the lines. ``times`` are added to the first one."""
    now = engine.evaluated_at or 0.0
    number = 0
    for number, part in enumerate(_parts(engine, now), 1):
        if number == 1:
            yield _line({"version": VERSION, "moment": now, **times})
        yield _line(part)
    yield _line({"parts": number})


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
    engine.evaluated_at = now = read_moment(first["moment"])
    for part in parts:
        if "alerts" in part:
            engine.alerts.restore(_alerts(part["alerts"], now, leave_out))
        else:
            memory = engine.memories.setdefault(read_text(part["switch"]), Memory(read_text(part["switch"])))
            _restore(memory, part, now)
    return engine, first


def _line(part: _Part) -> str:
    return json.dumps(part, separators=(",", ":")) + "\n"


def _alerts(rows: Iterable[Any], now: float, leave_out: Callable[[str], None]) -> Iterator[Alert]:
    for row in rows:
        try:
            # A rule that was taken away by an update is nothing to complain about.
            if tuple(map(read_text, row[0])) in _KINDS:
                yield _alert(row, now)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            leave_out(str(error))


def _parts(engine: Engine, now: float) -> Iterator[_Part]:
    rows = (_alert_row(alert, now) for alert in engine.alerts.by_identity.values())
    yield from ({"alerts": portion} for portion in _portions(rows, _ALERTS_AT_A_TIME))
    for switch, memory in engine.memories.items():
        for part in _remembered(memory, now):
            yield {"switch": switch, **part}


def _remembered(memory: Memory, now: float) -> Iterator[_Part]:
    for name, (held, _, _) in _answers(memory).items():
        yield from _columns(name, held.dump(), now)
    for name, (held, _, _) in _configured(memory).items():
        yield from _columns(name, held.dump_gone(), now)
    for name, history in _histories(memory).items():
        for moment, values in history.recorded:
            yield from _columns(name, ((key, value, moment) for key, value in values.items()), now)
    yield from _attempts(memory.attempts, now)


def _columns(name: str, rows: _Rows, now: float, **more: object) -> Iterator[_Part]:
    for portion in _portions(rows):
        keys, values, seen = zip(*portion, strict=True)
        ages = _age(seen[0], now) if seen.count(seen[0]) == len(seen) else [_age(at, now) for at in seen]
        yield {"of": name, **more, "keys": keys, "values": values, "ages": ages}


def _attempts(attempts: Attempts, now: float) -> Iterator[_Part]:
    """Return the newest attempts by what they are about, to say that once, and what is left of others."""
    for portion in _portions(attempts.present.items()):
        pages: dict[tuple[Query, Scope], list[tuple[str, Any, float]]] = defaultdict(list)
        for (query, scope, tenant), attempt in portion:
            at = attempt.succeeded_at
            success = None if at is None else _age(attempts.moment(at), now)
            fate = attempt.failure.reason if attempt.failure else 0
            pages[query, scope].append((tenant, [success, fate], attempts.looked_at))
        for (query, scope), rows in pages.items():
            yield from _columns("attempts", rows, now, query=query, scope=scope)
    gone = ((target, int(succeeded), seen) for target, (succeeded, seen) in attempts.gone.items())
    yield from _columns("gone", gone, now)
    earlier = ((target, _age(at, now), seen) for target, (at, seen) in attempts.earlier.items())
    yield from _columns("earlier", earlier, now)
    failed = ((target, reason, seen) for (target, reason), seen in attempts.failed.items())
    yield from _columns("failed", failed, now)


def _portions(rows: Iterable[_Row], size: int = _ROWS_AT_A_TIME) -> Iterator[list[_Row]]:
    rows = iter(rows)
    while portion := list(islice(rows, size)):
        yield portion


def _restore(memory: Memory, part: _Part, now: float) -> None:
    name, keys, ages = part["of"], part["keys"], part["ages"]
    seen = [now - read_age(age) for age in (ages if isinstance(ages, list) else [ages] * len(keys))]
    rows = zip(keys, part["values"], seen, strict=True)
    if name == "attempts":
        key = read_job([part["query"], part["scope"]])
        for tenant, (success, fate), at in rows:
            memory.attempts.restore(
                Target(*key, read_text(tenant)),
                None if success is None else now - read_age(success),
                Reason(fate) if fate else None,
                at,
            )
    elif name == "gone":
        memory.attempts.gone |= {read_target(key): (bool(succeeded), at) for key, succeeded, at in rows}
    elif name == "earlier":
        memory.attempts.earlier |= {read_target(key): (now - read_age(age), at) for key, age, at in rows}
    elif name == "failed":
        memory.attempts.failed |= {(read_target(key), Reason(reason)): at for key, reason, at in rows}
    elif name in (histories := _histories(memory)):
        for key, value, at in rows:
            histories[name].restore(read_text(key), read_number(value), at)
    else:
        held, key_of, value_of = (_answers(memory) | _configured(memory))[name]
        for key, value, at in rows:
            held.restore(key_of(key), value_of(value), at)


_Readable = tuple[LastOverTime[Any, Any], Callable[[Any], Any], Callable[[Any], Any]]
"""What is held, and how its keys and its values are read back."""


def _answers(memory: Memory) -> dict[str, _Readable]:
    return {
        "up": (memory.up, read_text, read_number),
        "breaker_open": (memory.breaker_open, read_text, read_number),
        "license": (memory.license, read_text, read_number),
        "node_present": (memory.node_present, read_text, read_number),
        "node_channels": (memory.node_channels, read_text, read_number),
        "tenant_channels": (memory.tenant_channels, read_text, read_number),
        "tenant_limits": (memory.tenant_limits, read_text, read_number),
        "balances": (memory.balances, read_text, read_number),
        "extensions": (memory.extensions, read_text, read_states),
        "had_phones": (memory.had_phones, read_text, read_number),
        "registered": (memory.registered, read_pair, read_number),
        "cycles": (memory.cycles, read_job, read_number),
    }


def _configured(memory: Memory) -> dict[str, _Readable]:
    """Return what is configured: of it only what was taken back a while ago is written."""
    return {
        "intervals": (memory.intervals, read_job, read_number),
        "license_thresholds": (memory.license_thresholds, read_pair, read_number),
        "node_limits": (memory.node_limits, read_pair, read_number),
        "balance_thresholds": (memory.balance_thresholds, read_pair, read_number),
        "ratio_thresholds": (memory.ratio_thresholds, read_pair, read_number),
        "watched": (memory.watched, read_pair, read_number),
        "labelled": (memory.labelled, read_pair, read_nothing),
    }


def _histories(memory: Memory) -> dict[str, AvgOverTime]:
    return {"ups": memory.ups, "node_used": memory.node_used, "tenant_used": memory.tenant_used}


def _age(at: float, now: float) -> float:
    return max(0.0, round(now - at, 3))  # what comes while others are evaluated is a little later than now


def _alert_row(alert: Alert, now: float) -> list[Any]:
    rule, labels = alert.identity
    moments = (alert.since, alert.fired_at, alert.ending_since)
    ages = [None if at is None else _age(at, now) for at in moments]
    kind = (rule.name, rule.severity, rule.scope)
    if alert.team:
        labels = (*labels, ("team", alert.team))
    return [kind, labels, alert.state, alert.value, alert.threshold, *ages]


def _alert(row: list[Any], now: float) -> Alert:
    kind, labels, state, value, threshold, *ages = row
    since, fired_at, ending_since = (None if age is None else now - read_age(age) for age in ages)
    if since is None or (fired_at is None) is not (State(state) is State.PENDING):
        raise ValueError("an alert without the time since when")
    rule, names = _KINDS[tuple(kind)], dict(read_pair(label) for label in labels)
    team = names.pop("team", "")
    if names.keys() != (expected := distinguishing_labels(rule)):
        raise ValueError(f"labels of {rule.name} are {sorted(expected)}, not {sorted(names)}")
    return Alert(
        (rule, tuple(names.items())),
        State(state),
        since,
        read_number(value),
        read_number(threshold),
        fired_at,
        ending_since,
        team,
    )


CENTURY = 100 * 365.25 * 86_400
"""Seconds. No exporter ran for longer; with numbers far above it a step of a minute is lost in rounding."""

_AN_HOUR = 3600.0
_YEAR_10000 = 253_402_300_800.0


def read_number(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {type(value).__name__}")  # noqa: TRY004 -- one kind of error
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number of 400 digits
        is_finite = False
    if not is_finite:
        raise ValueError("expected a finite number")
    return value


def read_moment(value: object) -> float:
    """Return seconds since some start: from 0 to a century."""
    return _within(0.0, read_number(value), CENTURY)


def read_age(value: object) -> float:
    """Return how many seconds ago something was: from 0 to a century.

    Files of before 2026-12 have what happened during an evaluation as a little younger than 0 seconds.
    """
    return max(0.0, _within(-_AN_HOUR, read_number(value), CENTURY))


def read_wall(value: object) -> float:
    """Return a time in seconds since 1970, before the year 10000."""
    return _within(0.0, read_number(value), _YEAR_10000)


def _within(least: float, found: float, greatest: float) -> float:
    if not least <= found <= greatest:
        raise ValueError(f"expected seconds from {least:.0f} to {greatest:.0f}, got {found:g}")
    return found


def read_text(value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def read_nothing(_: object) -> None:
    """Return None: what is written there only says that the key is."""


def read_pair(value: list[Any]) -> tuple[str, str]:
    """Return two texts."""
    first, second = value
    return read_text(first), read_text(second)


def read_job(value: list[Any]) -> tuple[Query, Scope]:
    """Return a query and its scope."""
    query, scope = value
    return Query(query), Scope(scope)


def read_target(value: list[Any]) -> Target:
    """Return a target."""
    query, scope, tenant = value
    return Target(Query(query), Scope(scope), read_text(tenant))


def read_states(value: Mapping[str, Any]) -> dict[str, float]:
    """Return how many extensions are in each state. Raises KeyError where one is missing."""
    return {state.value: read_number(value[state.value]) for state in Registration}
