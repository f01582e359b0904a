"""What was seen a while ago and still counts: ``last_over_time`` of the rules.

A gap must neither end an alert nor start its ``for`` anew: a daemon that restarts, a value that has just
become stale. So what is not there any more counts for a window of time, with the value it had.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class LastOverTime(Generic[Key, Value]):
    """Values by key: those of the newest look, and those that went within ``window`` seconds.

    ``known`` is both together. At 5,000 tenants a look costs a comparison of keys, and what went is little.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.known: Mapping[Key, Value] = {}
        self.present: Mapping[Key, Value] = {}
        self.gone: dict[Key, tuple[Value, float]] = {}
        self._looked_at = 0.0

    def update(self, present: Mapping[Key, Value], now: float) -> None:
        """Take in what is there now; the mapping is kept and must not be changed any more."""
        if present is not self.present:
            for key in [key for key in self.present if key not in present]:
                self.gone[key] = (self.present[key], self._looked_at)
        self.known = present
        if self.gone:
            self.gone = {
                key: (value, seen)
                for key, (value, seen) in self.gone.items()
                if now - seen <= self.window and key not in present
            }
            self.known = {**{key: value for key, (value, _) in self.gone.items()}, **present}
        self.present = present
        self._looked_at = now

    def dump(self) -> Iterator[tuple[Key, Value, float]]:
        """Return each key, its value, and when it was last seen."""
        yield from ((key, value, self._looked_at) for key, value in self.present.items())
        yield from self.dump_gone()

    def dump_gone(self) -> Iterator[tuple[Key, Value, float]]:
        """Return the same of what is not there any more."""
        return ((key, value, seen) for key, (value, seen) in self.gone.items())

    def restore(self, key: Key, value: Value, seen: float) -> None:
        """Take back what was dumped, as gone: it is for the next look to find it again."""
        self.gone[key] = (value, seen)


_PRECISION = 1_000_000
"""As in the rules: an average that is exactly on a limit must not pass it by its last digit."""


class AvgOverTime:
    """What was recorded of late: a mapping for each moment."""

    def __init__(self, window: float) -> None:
        self._window = window
        self.recorded: deque[tuple[float, dict[str, float]]] = deque()

    def record(self, values: dict[str, float], now: float) -> None:
        """Record what is so now, and forget what is older than the window."""
        if self.recorded and self.recorded[-1][0] == now:
            self.recorded.pop()
        self.recorded.append((now, values))
        while now - self.recorded[0][0] > self._window:
            self.recorded.popleft()

    def restore(self, key: str, value: float, moment: float) -> None:
        """Take back one value that was recorded; the moments come in their order."""
        if not self.recorded or self.recorded[-1][0] != moment:
            self.recorded.append((moment, {}))
        self.recorded[-1][1][key] = value

    def averages_above(self, limit: float) -> Iterator[tuple[str, float]]:
        """Return every key whose rounded average over the window is greater, with that average."""
        candidates = {key for _, values in self.recorded for key, value in values.items() if value > limit}
        for key in candidates:
            mean = rounded(fmean(values[key] for _, values in self.recorded if key in values))
            if mean > limit:
                yield key, mean


def rounded(value: float) -> float:
    """Return what ``round(value, 0.000001)`` of PromQL returns: a half is rounded up."""
    scaled = value * _PRECISION + 0.5
    return math.floor(scaled) / _PRECISION if math.isfinite(scaled) else value
