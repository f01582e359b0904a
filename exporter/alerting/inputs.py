"""What the conditions of the alerts read of one switch: values of now, and those that still count. Pure.

Rules declare their inputs; each is updated once for each evaluation, whether a condition reads it or not.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic

from exporter.alerting.windows import Attempts, Key, LastOverTime, RangeVector, Value
from exporter.metrics.catalogue import Metric
from exporter.model import Query, Registration, Scope
from exporter.store import Store, Values

Labels = tuple[tuple[str, str], ...]
"""What tells alerts of one rule apart, in a fixed order. Never an empty value: that would be no label."""

Reader = Callable[["SwitchInputs", Store | None], Mapping[Key, Value]]
"""Returns the values of now, from other inputs or from the store, which is None where there is none."""


@dataclass(frozen=True, slots=True)
class SwitchSnapshot:
    """One switch as it is now.

    ``up`` is None before the first attempt has ended; ``offset`` is added to monotonic seconds for a moment;
    ``speed`` is how many seconds of moments go by in a second of the switch: 1, but for tests.
    """

    store: Store
    up: bool | None
    breaker_open: bool
    offset: float
    speed: float = 1.0


def text(value: object) -> str:
    """Return a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def number(value: object) -> float:
    """Return a finite number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {type(value).__name__}")  # noqa: TRY004 -- one kind of error
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number of 400 digits
        is_finite = False
    if not is_finite:
        raise ValueError("expected a finite number")
    return value


def pair(value: list[Any]) -> tuple[str, str]:
    """Return two texts. Raises ValueError or TypeError."""
    first, second = value
    return text(first), text(second)


def job(value: list[Any]) -> tuple[Query, Scope]:
    """Return a query and its scope. Raises ValueError or TypeError."""
    query, scope = value
    return Query(query), Scope(scope)


def states(value: Mapping[str, Any]) -> dict[str, float]:
    """Return how many extensions are in each state. Raises KeyError where one is missing."""
    return {state.value: number(value[state.value]) for state in Registration}


@dataclass(frozen=True, eq=False)
class Input(Generic[Key, Value]):
    """``last_over_time`` of what ``read`` returns, over ``window`` seconds.

    ``name`` stands in the state file; ``key`` and ``value`` check what is read back from there. What is
    ``configured`` is known as soon as the exporter runs: only what was removed lately is written.
    """

    name: str
    window: float
    read: Reader[Key, Value]
    key: Callable[[Any], Key] = text  # type: ignore[assignment]  # most keys are texts
    value: Callable[[Any], Value] = number  # type: ignore[assignment]  # most values are numbers
    configured: bool = False


@dataclass(frozen=True, eq=False)
class RangeInput:
    """What ``read`` returned at each evaluation of the last ``window`` seconds."""

    name: str
    window: float
    read: Reader[str, float]


AnyInput = Input[Any, Any] | RangeInput


class SwitchInputs:
    """The inputs of one switch. ``firing`` gives the labels of the alerts of a name that fired before."""

    def __init__(
        self, switch: str, declared: Iterable[AnyInput], firing: Callable[[str], Collection[Labels]]
    ) -> None:
        self.switch = switch
        self.now = 0.0
        self.firing = firing
        self.attempts = Attempts()
        self.last: dict[Input[Any, Any], LastOverTime[Any, Any]] = {}
        self.ranges: dict[RangeInput, RangeVector] = {}
        for each in (TEAMS, *declared):
            if isinstance(each, RangeInput):
                self.ranges[each] = RangeVector(each.window)
            else:
                self.last[each] = LastOverTime(each.window)
        self.snapshot: SwitchSnapshot | None = None
        self._configured: Store | None = None
        self._pending: set[AnyInput] = set()

    def observe(self, snapshot: SwitchSnapshot | None, store: Store | None, now: float) -> Iterator[None]:
        """Update every input; yields after each.

        ``snapshot`` is None for an evaluation that was missed; ``store`` then still has what is configured.
        """
        self.snapshot, self._configured, self.now = snapshot, store, now
        self._pending = {*self.last, *self.ranges}
        self.attempts.update(snapshot.store.attempts if snapshot else {}, now)
        if snapshot:
            self.attempts.offset, self.attempts.speed = snapshot.offset, snapshot.speed
        yield
        declared: tuple[AnyInput, ...] = (*self.last, *self.ranges)
        for each in declared:
            self._update(each)
            yield

    def __getitem__(self, which: Input[Key, Value]) -> Mapping[Key, Value]:
        """Return the values that count. Raises KeyError for an input that no rule declares."""
        window = self.last[which]
        self._update(which)
        return window.known

    def range(self, which: RangeInput) -> RangeVector:
        """Return the values of the last evaluations. Raises KeyError for an undeclared input."""
        return self.ranges[which]

    @property
    def is_empty(self) -> bool:
        """Whether nothing counts any longer of a switch that is not there any more."""
        return not any(window.known for window in self.last.values())

    def _update(self, which: AnyInput) -> None:
        if which not in self._pending:
            return
        self._pending.discard(which)
        answers = self.snapshot.store if self.snapshot else None
        if isinstance(which, RangeInput):
            self.ranges[which].update(which.read(self, answers), self.now)
        else:
            values = which.read(self, self._configured if which.configured else answers)
            self.last[which].update(values, self.now)


def by_tenant(metric: Metric) -> Reader[str, float]:
    """Return a reader of single values by tenant, that of the switch itself by ""."""

    def read(_: SwitchInputs, store: Store | None) -> dict[str, float]:
        return {
            tenant: values for tenant, values in _values(store, metric) if isinstance(values, float | int)
        }

    return read


def by_label(metric: Metric) -> Reader[tuple[str, str], float]:
    """Return a reader of values by tenant and last label."""

    def read(_: SwitchInputs, store: Store | None) -> dict[tuple[str, str], float]:
        return {
            (tenant, label): value
            for tenant, values in _values(store, metric)
            if not isinstance(values, float | int)
            for label, value in values.items()
        }

    return read


def states_by_tenant(metric: Metric) -> Reader[str, Mapping[str, float]]:
    """Return a reader of values by last label, by tenant."""

    def read(_: SwitchInputs, store: Store | None) -> dict[str, Mapping[str, float]]:
        return {tenant: values for tenant, values in _values(store, metric) if isinstance(values, Mapping)}

    return read


def by_node(metric: Metric) -> Reader[str, float]:
    """Return a reader of values of the switch by node; nodes that are asked one by one have a part each."""
    read_all = by_label(metric)
    return lambda inputs, store: {node: value for (_, node), value in read_all(inputs, store).items()}


def _values(store: Store | None, metric: Metric) -> Iterator[tuple[str, Values]]:
    parts = store.snapshot(metric) if store else {}
    return chain.from_iterable(values.items() for values in parts.values())


def _teams(_: SwitchInputs, store: Store | None) -> dict[str, str]:
    return {tenant: labels.get("team", "") for tenant, labels in store.labels.items()} if store else {}


TEAMS = Input("teams", 900.0, _teams, value=text, configured=True)
"""The label ``team`` of each tenant, "" where it has none: alerts on tenants carry it."""
