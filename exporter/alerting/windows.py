"""What is remembered of earlier evaluations, as the range functions of PromQL see it. Pure.

A gap must neither end an alert nor restart its ``for``: the daemon restarts, or a value has just become
stale. So a value that is gone counts for a window of time. Times are moments: see ``engine``.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Generic, TypeVar

from exporter import freshness
from exporter.model import Query, Reason, Scope, Target
from exporter.store import Attempt

_ATTEMPTS_WINDOW = 300.0
_PRECISION = 1_000_000
"""As in the rules: an average that is exactly on a limit must not pass it by its last digit."""

Key = TypeVar("Key")
Value = TypeVar("Value")
Rows = Iterator[tuple[Key, Value, float]]
"""A key, its value, and when it was seen."""


class LastOverTime(Generic[Key, Value]):
    """``last_over_time``: ``known`` is what is there now, and what went within ``window`` seconds."""

    def __init__(self, window: float) -> None:
        self.known: Mapping[Key, Value] = {}
        self._window = window
        self._present: Mapping[Key, Value] = {}
        self._gone: dict[Key, tuple[Value, float]] = {}
        self._seen = 0.0

    def update(self, present: Mapping[Key, Value], now: float) -> None:
        """Take in what is there now; the mapping is kept and must not be changed any more."""
        if present is not self._present:
            for key in self._present.keys() - present.keys():
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

    def present(self) -> Rows[Key, Value]:
        """Return what was there at the newest evaluation."""
        return ((key, value, self._seen) for key, value in self._present.items())

    def gone(self) -> Rows[Key, Value]:
        """Return what is not there any more, and when it was seen last."""
        return ((key, value, seen) for key, (value, seen) in self._gone.items())

    def restore(self, key: Key, value: Value, seen: float) -> None:
        """Restore a value as one that is gone: the next update may find it again."""
        self._gone[key] = (value, seen)


class RangeVector:
    """The values of the evaluations of the last ``window`` seconds, one mapping for each of them."""

    def __init__(self, window: float) -> None:
        self._window = window
        self.recorded: deque[tuple[float, dict[str, float]]] = deque()

    def update(self, values: Mapping[str, float], now: float) -> None:
        """Record the values of now, and forget those that are older than the window."""
        if self.recorded and self.recorded[-1][0] == now:
            self.recorded.pop()
        self.recorded.append((now, dict(values)))
        while now - self.recorded[0][0] > self._window:
            self.recorded.popleft()

    def restore(self, key: str, value: float, seen: float) -> None:
        """Restore one value; the moments come in their order."""
        if not self.recorded or self.recorded[-1][0] != seen:
            self.recorded.append((seen, {}))
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


class Attempts:
    """The newest attempt at each target, and for five minutes what counts of earlier ones.

    Most targets were not attempted since the evaluation before: only new attempts are looked at.
    ``failing``: why the newest attempt failed. ``failed``: why earlier ones did, and when that was last seen.
    ``gone``: of targets that are not polled any more, whether the last attempt succeeded; when it was seen.
    ``earlier``: the last success of a target whose newest attempt knows none, and when it was seen.
    """

    def __init__(self) -> None:
        self.present: dict[Target, Attempt] = {}
        self.failing: dict[Target, Reason] = {}
        self.failed: dict[tuple[Target, Reason], float] = {}
        self.gone: dict[Target, tuple[bool, float]] = {}
        self.earlier: dict[Target, tuple[float, float]] = {}
        self.seen = 0.0
        self.offset, self.speed = 0.0, 1.0

    def update(self, attempts: dict[Target, Attempt], now: float) -> None:
        """Take in the attempts, the newest of which stands last."""
        for target, attempt in reversed(attempts.items()):
            before = self.present.get(target)
            if before is attempt:
                break  # what stands before it was not attempted since either
            self.present[target] = attempt
            if before is None:
                self.gone.pop(target, None)
            if attempt.succeeded_at is not None and (before is None or before.succeeded_at is None):
                self.earlier.pop(target, None)
            if attempt.failure or (before and before.failure):
                self._fails(target, attempt.failure.reason if attempt.failure else None)
        if len(self.present) > len(attempts):
            for target in self.present.keys() - attempts.keys():
                self._lose(target)
        self.seen = now
        _forget(self.failed, lambda seen: now - seen > _ATTEMPTS_WINDOW)
        _forget(self.gone, lambda last: now - last[1] > _ATTEMPTS_WINDOW)
        _forget(self.earlier, lambda last: now - last[1] > _ATTEMPTS_WINDOW)

    def moment(self, at: float) -> float:
        """Return the moment of a time of an attempt."""
        return at * self.speed + self.offset

    def is_tried(self, target: Target) -> bool:
        """Tell whether an attempt at a target has ended."""
        return target in self.present or target in self.gone

    def failures(self) -> Iterator[tuple[Target, Reason]]:
        """Return what fails, with every reason that was seen; not what has succeeded since."""
        yield from self.failing.items()
        yield from ((target, reason) for target, reason in self.failed if not self._is_well(target))

    def stale(
        self, paces: Mapping[tuple[Query, Scope], float], now: float, stale_after: float
    ) -> Iterator[Target]:
        """Return the targets whose value is older than ``stale_after`` paces, or never came."""
        oldest = {job: freshness.oldest(now, pace, stale_after) for job, pace in paces.items()}
        never, any_oldest = -math.inf, max(oldest.values(), default=-math.inf)
        speed, offset = self.speed, self.offset
        for target, attempt in self.present.items():
            at = attempt.succeeded_at
            if at is None or (moment := at * speed + offset) >= any_oldest:
                continue  # as nearly all
            if moment < oldest.get(target[:2], never):
                yield target
        for target, (at, _) in self.earlier.items():
            if at < oldest.get(target[:2], never):
                yield target
        yield from {target for target, _ in self.failures() if not self._has_succeeded(target)}

    def restore(self, target: Target, success_at: float | None, reason: Reason | None, seen: float) -> None:
        """Restore an attempt as gone: when it succeeded last, and why it failed, if it did."""
        self.gone[target] = (reason is None, seen)
        if success_at is not None:
            self.earlier[target] = (success_at, seen)
        if reason is not None and not _is_idle(target, reason):
            self.failed[target, reason] = seen

    def _lose(self, target: Target) -> None:
        attempt = self.present.pop(target)
        self.gone[target] = (attempt.failure is None, self.seen)
        self._fails(target, None)
        if attempt.succeeded_at is not None:
            self.earlier[target] = (self.moment(attempt.succeeded_at), self.seen)

    def _fails(self, target: Target, reason: Reason | None) -> None:
        """Note why a target fails now, and what it failed for before."""
        if reason is not None and _is_idle(target, reason):
            reason = None
        before = self.failing.get(target)
        if before is reason:
            return
        if before is not None:
            del self.failing[target]
            self.failed[target, before] = self.seen
        if reason is not None:
            self.failing[target] = reason
            self.failed.pop((target, reason), None)

    def _is_well(self, target: Target) -> bool:
        if target in self.present:
            return self.present[target].failure is None
        return target in self.gone and self.gone[target][0]

    def _has_succeeded(self, target: Target) -> bool:
        attempt = self.present.get(target)
        return (attempt is not None and attempt.succeeded_at is not None) or target in self.earlier


def _forget(held: dict[Key, Value], is_old: Callable[[Value], bool]) -> None:
    for key in [key for key, value in held.items() if is_old(value)]:
        del held[key]


def _is_idle(target: Target, reason: Reason) -> bool:
    """Tell of an empty count of calls: so answers a switch for an idle tenant (seen, wire notes 2026-10)."""
    return target.query is Query.CALLS and reason is Reason.EMPTY
