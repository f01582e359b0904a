"""The parts of a tenant that are requested one by one: extensions or queues. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from exporter.model import Failure

ENOUGH = 90
"""Percent of the parts that need a value for the query to succeed (design, section 5)."""

Value = TypeVar("Value")


class _Known(NamedTuple, Generic[Value]):
    value: Value
    at: float


class PartValues(Generic[Value]):
    """The newest value of each part of one tenant, and which parts failed. Times are monotonic seconds.

    ``noun``: what the parts are, for messages.
    """

    def __init__(self, noun: str) -> None:
        self.parts: tuple[str, ...] = ()
        self._noun = noun
        self._values: dict[str, _Known[Value]] = {}
        self._failures: dict[str, Failure] = {}

    def set_parts(self, parts: Sequence[str]) -> None:
        """Keep these parts, and drop all others."""
        if self.parts == parts:
            return
        self.parts = tuple(parts)
        self._values = {part: self._values[part] for part in parts if part in self._values}
        self._failures = {part: self._failures[part] for part in parts if part in self._failures}

    def record(self, part: str, outcome: Value | Failure, now: float) -> None:
        """Store the outcome for one part. A failure changes no value."""
        if part not in self.parts:
            return  # removed while its request was in flight
        if isinstance(outcome, Failure):
            self._failures[part] = outcome
        else:
            self._failures.pop(part, None)
            self._values[part] = _Known(outcome, now)

    def current(self, *, oldest: float) -> dict[str, Value]:
        """Return the values that are not older than ``oldest``."""
        return {part: known.value for part, known in self._values.items() if known.at >= oldest}

    def verdict(self) -> Failure | bool:
        """Return True if the query succeeds, the most common failure if not, and False if undecided."""
        failed = len(self._failures)
        if 100 * failed > len(self.parts) * (100 - ENOUGH):
            reason, _ = Counter(failure.reason for failure in self._failures.values()).most_common(1)[0]
            detail = next(failure.detail for failure in self._failures.values() if failure.reason is reason)
            return Failure(reason, f"{failed} of {len(self.parts)} {self._noun}: {detail}")
        succeeded = len(self._values.keys() - self._failures.keys())
        return 100 * succeeded >= len(self.parts) * ENOUGH
