"""What was seen a while ago and still counts: ``last_over_time`` of the rules.

A gap must neither end an alert nor start its ``for`` anew: a daemon that restarts, a value that has just
become stale. So what is not there any more counts for a window of time, with the value it had.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Held(Generic[Key, Value]):
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
