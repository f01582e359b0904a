"""What was seen a while ago and still counts: ``last_over_time`` of the rules.

A gap must neither end an alert nor start its ``for`` anew: a daemon that restarts, a value that has just
become stale. So what is not there any more counts for a window of time, with the value it had.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Held(Generic[Key, Value]):
    """Values by key: those of the newest look, and those that went within ``window`` seconds.

    At 5,000 tenants a look costs one comparison of keys, and what went is little.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.present: Mapping[Key, Value] = {}
        self.gone: dict[Key, tuple[Value, float]] = {}
        self._looked_at = 0.0

    def update(self, present: Mapping[Key, Value], now: float) -> None:
        """Take in what is there now; the mapping is kept and must not be changed any more."""
        if present is not self.present:
            for key in self.present.keys() - present.keys():
                self.gone[key] = (self.present[key], self._looked_at)
        if self.gone:
            self.gone = {
                key: (value, seen)
                for key, (value, seen) in self.gone.items()
                if now - seen <= self.window and key not in present
            }
        self.present = present
        self._looked_at = now

    def get(self, key: Key) -> Value | None:
        """Return the value that counts, or None."""
        if key in self.present:
            return self.present[key]
        return self.gone[key][0] if key in self.gone else None

    def __contains__(self, key: Key) -> bool:
        return key in self.present or key in self.gone

    def __iter__(self) -> Iterator[Key]:
        return chain(self.present, self.gone)

    def __len__(self) -> int:
        return len(self.present) + len(self.gone)

    def items(self) -> Iterator[tuple[Key, Value]]:
        """Return every key with the value that counts."""
        return chain(self.present.items(), ((key, value) for key, (value, _) in self.gone.items()))

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
