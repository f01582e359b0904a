"""What an engine remembers, as lines of JSON and back. Pure; ``state_file`` knows the disk.

The first line says which version of this it is and what time it was, the last one how many lines there are;
what lies between can be written, and read, in small portions. Times are seconds before the first line's.
Of what is configured only what was taken back is among it: the rest is there as soon as the exporter is.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.alerting.alerts import Alert, State
from exporter.alerting.attempts import AttemptRow
from exporter.alerting.engine import Engine
from exporter.alerting.held import Held
from exporter.alerting.history import History
from exporter.alerting.memory import Memory
from exporter.alerting.rules import RULES
from exporter.model import Query, Reason, Registration, Scope, Target

VERSION = 1

_ROWS_AT_A_TIME = 1000
_Row = TypeVar("_Row")

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


def restore(lines: Iterable[str]) -> tuple[Engine, Mapping[str, Any]]:
    """Return the engine that was dumped, and the first line.

    Raises ValueError, KeyError, TypeError or AttributeError for anything but all the lines of a dump.
    """
    first, *parts, last = [json.loads(line) for line in lines]
    if first["version"] != VERSION:
        raise ValueError(f"version {first['version']!r} is not {VERSION}")
    if last != {"parts": len(parts)}:
        raise ValueError("it is not complete")
    engine = Engine()
    engine.evaluated_at = now = _number(first["moment"])
    for part in parts:
        if "alerts" in part:
            engine.alerts.restore(_alert(row, now) for row in part["alerts"] if tuple(row[0]) in _KINDS)
        else:
            memory = engine.memories.setdefault(_text(part["switch"]), Memory(_text(part["switch"])))
            _restore(memory, part["of"], part["rows"], now)
    return engine, first


def _line(part: Mapping[str, Any]) -> str:
    return json.dumps(part, separators=(",", ":")) + "\n"


def _parts(engine: Engine, now: float) -> Iterator[Mapping[str, Any]]:
    rows = (_alert_row(alert, now) for alert in engine.alerts.by_identity.values())
    yield from ({"alerts": portion} for portion in _portions(rows))
    for switch, memory in engine.memories.items():
        for name, of_rows in _rows(memory, now).items():
            for portion in _portions(of_rows):
                yield {"switch": switch, "of": name, "rows": portion}


def _portions(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    rows = iter(rows)
    while portion := list(islice(rows, _ROWS_AT_A_TIME)):
        yield portion


def _rows(memory: Memory, now: float) -> dict[str, Iterable[Any]]:
    return {
        **{name: _held_rows(held.dump(), now) for name, (held, _, _) in _answers(memory).items()},
        **{name: _held_rows(held.dump_gone(), now) for name, (held, _, _) in _configured(memory).items()},
        **{name: _history_rows(history, now) for name, history in _histories(memory).items()},
        "attempts": (_attempt_row(row, now) for row in memory.attempts.dump()),
    }


def _restore(memory: Memory, name: str, rows: list[Any], now: float) -> None:
    if name == "attempts":
        for query, scope, tenant, succeeded, looked, at, seen in rows:
            target = Target(Query(query), Scope(scope), _text(tenant))
            success_at = None if at is None else now - _number(at)
            row = (target, bool(succeeded), now - _number(looked), success_at, now - _number(seen))
            memory.attempts.restore(row)
    elif name in (histories := _histories(memory)):
        for age, values in rows:
            recorded = {_text(key): _number(value) for key, value in values.items()}
            histories[name].record(recorded, now - _number(age))
    else:
        held, key_of, value_of = (_answers(memory) | _configured(memory))[name]
        for key, value, age in rows:
            held.restore(key_of(key), value_of(value), now - _number(age))


_Readable = tuple[Held[Any, Any], Callable[[Any], Any], Callable[[Any], Any]]
"""What is held, and how its keys and its values are read back."""


def _answers(memory: Memory) -> dict[str, _Readable]:
    return {
        "up": (memory.up, _text, _number),
        "breaker_open": (memory.breaker_open, _text, _number),
        "license": (memory.license, _text, _number),
        "node_present": (memory.node_present, _text, _number),
        "node_channels": (memory.node_channels, _text, _number),
        "tenant_channels": (memory.tenant_channels, _text, _number),
        "tenant_limits": (memory.tenant_limits, _text, _number),
        "balances": (memory.balances, _text, _number),
        "extensions": (memory.extensions, _text, _states),
        "had_phones": (memory.had_phones, _text, _number),
        "registered": (memory.registered, _pair, _number),
        "cycles": (memory.cycles, _pace, _number),
        "failing": (memory.attempts.failing, _failing, _nothing),
    }


def _configured(memory: Memory) -> dict[str, _Readable]:
    """Return what is configured: of it only what was taken back a while ago is written."""
    return {
        "intervals": (memory.intervals, _pace, _number),
        "license_thresholds": (memory.license_thresholds, _pair, _number),
        "node_limits": (memory.node_limits, _pair, _number),
        "balance_thresholds": (memory.balance_thresholds, _pair, _number),
        "ratio_thresholds": (memory.ratio_thresholds, _pair, _number),
        "watched": (memory.watched, _pair, _number),
        "labelled": (memory.labelled, _pair, _nothing),
    }


def _number(written: object) -> float:
    if isinstance(written, bool) or not isinstance(written, int | float) or not math.isfinite(written):
        raise ValueError("not a number where one is due")
    return written


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise TypeError("not a text where one is due")
    return written


def _nothing(_: object) -> None:
    return None


def _pair(written: list[Any]) -> tuple[str, str]:
    first, second = written
    return _text(first), _text(second)


def _pace(written: list[Any]) -> tuple[Query, Scope]:
    query, scope = written
    return Query(query), Scope(scope)


def _failing(written: list[Any]) -> tuple[Target, Reason]:
    (query, scope, tenant), reason = written
    return Target(Query(query), Scope(scope), _text(tenant)), Reason(reason)


def _states(written: Mapping[str, Any]) -> dict[str, float]:
    return {state.value: _number(written[state.value]) for state in Registration}


def _histories(memory: Memory) -> dict[str, History]:
    return {"ups": memory.ups, "node_used": memory.node_used, "tenant_used": memory.tenant_used}


def _age(at: float, now: float) -> float:
    return round(now - at, 3)


def _held_rows(rows: Iterable[tuple[Any, Any, float]], now: float) -> Iterator[list[Any]]:
    return ([key, value, _age(seen, now)] for key, value, seen in rows)


def _history_rows(history: History, now: float) -> Iterator[list[Any]]:
    return ([_age(moment, now), values] for moment, values in history.recorded)


def _attempt_row(row: AttemptRow, now: float) -> list[Any]:
    target, succeeded, looked_at, at, seen = row
    age = None if at is None else _age(at, now)
    return [*target, int(succeeded), _age(looked_at, now), age, 0 if at is None else _age(seen, now)]


def _alert_row(alert: Alert, now: float) -> list[Any]:
    rule, labels = alert.identity
    moments = (alert.since, alert.fired_at, alert.ending_since)
    ages = [None if at is None else _age(at, now) for at in moments]
    kind = (rule.name, rule.severity, rule.scope)
    return [kind, labels, alert.state, alert.value, alert.threshold, *ages]


def _alert(row: list[Any], now: float) -> Alert:
    kind, labels, state, value, threshold, *ages = row
    since, fired_at, ending_since = (None if age is None else now - _number(age) for age in ages)
    if since is None or (fired_at is None) is not (State(state) is State.PENDING):
        raise ValueError("an alert without the time since when")
    identity = (_KINDS[tuple(kind)], tuple(_pair(label) for label in labels))
    return Alert(identity, State(state), since, _number(value), _number(threshold), fired_at, ending_since)
