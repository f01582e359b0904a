"""The values of one switch that the conditions of the alerts read: current and recent ones. Pure.

A gap, such as a restart of the daemon or a value that has just become stale, must neither end an alert nor
restart its ``for``. So a value that is gone counts for the rest of its window, as in the range functions of
PromQL. Rules declare their inputs; each is updated once an evaluation, whether a condition reads it or not.
Times are moments: see ``engine``.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Generic, TypeVar

from exporter.metrics.metric import Metric
from exporter.model import Query, Reason, Registration, Scope, Target
from exporter.storage.values import number, text
from exporter.store import Store

Labels = tuple[tuple[str, str], ...]
"""The labels that identify an alert of a rule, in a fixed order. No value is empty, because Prometheus has no
empty labels."""

Key = TypeVar("Key")
Value = TypeVar("Value")
Rows = Iterator[tuple[Key, Value, float]]
"""A key, its value, and when it was seen."""

Reader = Callable[["SwitchInputs", Store | None], Mapping[Key, Value]]
"""Returns the current values, from other inputs or from the store, which is None in a missed evaluation."""

_PRECISION = 1_000_000
"""Averages are rounded as in the rules: one that equals a limit must not exceed it by a rounding error."""


@dataclass(frozen=True, slots=True)
class SwitchSnapshot:
    """One switch as it is now.

    ``up`` is None before the first attempt has ended. A time of the store is the moment
    ``time * speed + offset``; ``speed`` is 1 outside of tests. ``configuration_good`` is the same for every
    switch.
    """

    store: Store
    up: bool | None
    breaker_open: bool
    offset: float
    speed: float = 1.0
    configuration_good: bool = True


class LastOverTime(Generic[Key, Value]):
    """``last_over_time``: ``known`` has the current values, and those that disappeared within the window.

    ``window`` is in seconds.
    """

    def __init__(self, window: float) -> None:
        self.known: Mapping[Key, Value] = {}
        self._window = window
        self._present: Mapping[Key, Value] = {}
        self._gone: dict[Key, tuple[Value, float]] = {}
        self._seen = 0.0

    def update(self, present: Mapping[Key, Value], now: float) -> None:
        """Set the current values. The caller must not change the mapping later."""
        for key in set(self._present).difference(present):  # faster for dicts than the difference of keys
            self._gone[key] = (self._present[key], self._seen)
        self.known = present
        if self._gone:
            self._gone = {
                key: (value, seen)
                for key, (value, seen) in self._gone.items()
                if now - seen <= self._window and key not in present
            }
            self.known = {**{key: value for key, (value, _) in self._gone.items()}, **present}
        self._present = present
        self._seen = now

    def rows(self) -> Rows[Key, Value]:
        """Return the values that count."""
        yield from ((key, value, self._seen) for key, value in self._present.items())
        yield from ((key, value, seen) for key, (value, seen) in self._gone.items())

    def restore(self, key: Key, value: Value, seen: float) -> None:
        """Restore a value as one that is gone. The next update may find it again."""
        self._gone[key] = (value, seen)


class RangeVector:
    """The values of the evaluations of the last ``window`` seconds, one mapping each."""

    def __init__(self, window: float) -> None:
        self._window = window
        self.recorded: deque[tuple[float, dict[str, float]]] = deque()

    def update(self, values: Mapping[str, float], now: float) -> None:
        """Record the current values, and drop those that are older than the window."""
        if self.recorded and self.recorded[-1][0] == now:
            self.recorded.pop()
        self.recorded.append((now, dict(values)))
        while now - self.recorded[0][0] > self._window:
            self.recorded.popleft()

    def rows(self) -> Rows[str, float]:
        """Return the values of all evaluations, oldest first."""
        return ((key, value, seen) for seen, values in self.recorded for key, value in values.items())

    def restore(self, key: str, value: float, seen: float) -> None:
        """Restore one value; call it in the order of ``rows``."""
        if not self.recorded or self.recorded[-1][0] != seen:
            self.recorded.append((seen, {}))
        self.recorded[-1][1][key] = value

    def averages_above(self, limit: float) -> Iterator[tuple[str, float]]:
        """Return each key whose rounded average over the window is above the limit, with that average."""
        candidates = {key for _, values in self.recorded for key, value in values.items() if value > limit}
        for key in candidates:
            mean = rounded(fmean(values[key] for _, values in self.recorded if key in values))
            if mean > limit:
                yield key, mean


def rounded(value: float) -> float:
    """Return what ``round(value, 0.000001)`` of PromQL returns: a half is rounded up."""
    scaled = value * _PRECISION + 0.5
    return math.floor(scaled) / _PRECISION if math.isfinite(scaled) else value


def pair(value: list[Any]) -> tuple[str, str]:
    """Return two texts. Raises ValueError or TypeError."""
    first, second = value
    return text(first), text(second)


def job(value: list[Any]) -> tuple[Query, Scope]:
    """Return a query and its scope. Raises ValueError or TypeError."""
    query, scope = value
    return Query(query), Scope(scope)


def target(value: list[Any]) -> Target:
    """Return a target. Raises ValueError or TypeError."""
    query, scope, tenant = value
    return Target(Query(query), Scope(scope), text(tenant))


def target_and_reason(value: list[Any]) -> tuple[Target, Reason]:
    """Return a target and why it failed. Raises ValueError or TypeError."""
    of, reason = value
    return target(of), Reason(reason)


def states(value: Mapping[str, Any]) -> dict[str, float]:
    """Return how many extensions are in each state. Raises KeyError if one is missing."""
    return {state.value: number(value[state.value]) for state in Registration}


@dataclass(frozen=True, eq=False)
class Input(Generic[Key, Value]):
    """``last_over_time`` over ``window`` seconds of what ``read`` returns.

    ``name`` is its name in the state file; ``key`` and ``value`` validate what is read from there.
    """

    name: str
    window: float
    read: Reader[Key, Value]
    key: Callable[[Any], Key] = text  # type: ignore[assignment]  # most keys are texts
    value: Callable[[Any], Value] = number  # type: ignore[assignment]  # most values are numbers


class RangeInput(Input[str, float]):
    """What ``read`` returned at each evaluation of the last ``window`` seconds."""


AnyInput = Input[Any, Any]


class SwitchInputs:
    """The inputs of one switch. ``firing`` returns the labels of the firing alerts of a name."""

    def __init__(
        self, switch: str, declared: Iterable[AnyInput], firing: Callable[[str], Collection[Labels]]
    ) -> None:
        self.switch = switch
        self.now = 0.0
        self.speed = 1.0
        self.firing = firing
        self.snapshot: SwitchSnapshot | None = None
        inputs = dict.fromkeys((TEAMS, *declared))
        self._ranges: dict[AnyInput, RangeVector] = {
            each: RangeVector(each.window) for each in inputs if isinstance(each, RangeInput)
        }
        self._last: dict[AnyInput, LastOverTime[Any, Any]] = {
            each: LastOverTime(each.window) for each in inputs if each not in self._ranges
        }
        self.windows: Mapping[AnyInput, LastOverTime[Any, Any] | RangeVector] = {**self._last, **self._ranges}
        self.is_configured = False  # whether the switch is still in the configuration
        self._pending: set[AnyInput] = set()

    def observe(self, snapshot: SwitchSnapshot | None, now: float, *, is_missed: bool) -> Iterator[None]:
        """Update every input; yields after each. In a missed evaluation, nothing has a current value."""
        self.now = now
        self.snapshot = None if is_missed else snapshot
        self.speed = snapshot.speed if snapshot else self.speed
        self.is_configured = snapshot is not None
        self._pending = set(self.windows)
        for each in self.windows:
            self._update(each)
            yield

    def __getitem__(self, which: Input[Key, Value]) -> Mapping[Key, Value]:
        """Return the values that count. Raises KeyError for an input that no rule declares."""
        window = self._last[which]
        self._update(which)
        return window.known

    def range(self, which: RangeInput) -> RangeVector:
        """Return the values of the last evaluations. Raises KeyError for an undeclared input."""
        return self._ranges[which]

    @property
    def is_empty(self) -> bool:
        """Whether no value counts any more, so that a switch that is gone can be dropped."""
        return not any(window.known for window in self._last.values())

    def _update(self, which: AnyInput) -> None:
        if which not in self._pending:
            return
        self._pending.discard(which)
        values = which.read(self, self.snapshot.store if self.snapshot else None)
        self.windows[which].update(values, self.now)


def by_tenant(metric: Metric) -> Reader[str, Any]:
    """Return a reader of the values of a metric by tenant; the switch itself is tenant ""."""
    return lambda _, store: dict(_values(store, metric))


def by_label(metric: Metric) -> Reader[tuple[str, str], float]:
    """Return a reader of values by tenant and last label."""
    return lambda _, store: {
        (tenant, label): value for tenant, values in _values(store, metric) for label, value in values.items()
    }


def by_node(metric: Metric) -> Reader[str, float]:
    """Return a reader of values of the switch by node. Nodes polled one by one are separate parts."""
    return lambda _, store: {
        node: value for _, values in _values(store, metric) for node, value in values.items()
    }


def _values(store: Store | None, metric: Metric) -> Iterator[tuple[str, Any]]:
    for values in store.snapshot(metric).values() if store else ():
        yield from values.items()


def _teams(_: SwitchInputs, store: Store | None) -> dict[str, str]:
    return {tenant: labels.get("team", "") for tenant, labels in store.labels.items()} if store else {}


TEAMS = Input("teams", 900.0, _teams, value=text)
"""The label ``team`` of each tenant, "" if it has none: alerts on tenants carry it."""
