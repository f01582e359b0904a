"""How the targets of one switch fare, as the rules see it: five minutes are remembered of each series."""

import math
from collections.abc import Iterator, Mapping

from exporter.alerting.held import Held
from exporter.alerting.look import Look
from exporter.model import Query, Reason, Scope, Target
from exporter.store import Attempt

_WINDOW = 300.0
_AT_A_TIME = 2500

AttemptRow = tuple[Target, bool, float, float | None, float]
"""A target, whether its newest attempt succeeded, and when that was seen; its last success, and likewise."""


class Attempts:
    """The newest attempt at each target, and what counts of earlier ones. Times are moments (``memory``)."""

    def __init__(self) -> None:
        self.failing: Held[tuple[Target, Reason], None] = Held(_WINDOW)
        self._present: Mapping[Target, Attempt] = {}
        self._gone: dict[Target, tuple[bool, float]] = {}
        self._earlier: dict[Target, tuple[float, float]] = {}
        self._offset = 0.0
        self._speed = 1.0
        self._looked_at = 0.0

    def update(self, present: Mapping[Target, Attempt], look: Look | None, now: float) -> Iterator[None]:
        """Take in the newest attempts; the mapping is kept. Yields where others may have their turn."""
        for number, (target, attempt) in enumerate(self._present.items(), 1):
            if target not in present:
                self._gone[target] = (attempt.failure is None, self._looked_at)
                if attempt.succeeded_at is not None:
                    self._earlier[target] = (self._moment(attempt.succeeded_at), self._looked_at)
            if not number % _AT_A_TIME:
                yield
        failing: dict[tuple[Target, Reason], None] = {}
        for number, (target, attempt) in enumerate(present.items(), 1):
            if attempt.failure is not None and not _is_idle(target, attempt.failure.reason):
                failing[target, attempt.failure.reason] = None
            if not number % _AT_A_TIME:
                yield
        yield
        self.failing.update(failing, now)
        self._present, self._looked_at = present, now
        if look is not None:
            self._offset, self._speed = look.offset, look.speed
        self._gone = {
            target: (succeeded, seen)
            for target, (succeeded, seen) in self._gone.items()
            if now - seen <= _WINDOW and target not in present
        }
        self._earlier = {
            target: (at, seen)
            for target, (at, seen) in self._earlier.items()
            if now - seen <= _WINDOW and (target not in present or present[target].succeeded_at is None)
        }
        yield

    def is_tried(self, target: Target) -> bool:
        """Tell whether an attempt at a target has ended."""
        return target in self._present or target in self._gone

    def failures(self) -> Iterator[tuple[Target, Reason]]:
        """Return what fails, with every reason that was seen; not what has succeeded since."""
        return ((target, reason) for target, reason in self.failing.known if not self._is_well(target))

    def stale(
        self, paces: Mapping[tuple[Query, Scope], float], now: float, patience: float
    ) -> Iterator[Target | None]:
        """Return the targets whose value is older than so many of their paces, or never came.

        None comes between, where others may have their turn.
        """
        oldest = {key: now - patience * pace for key, pace in paces.items()}
        never = -math.inf
        for number, (target, attempt) in enumerate(self._present.items(), 1):
            at = attempt.succeeded_at
            if at is not None and at * self._speed + self._offset < oldest.get(target[:2], never):
                yield target
            if not number % _AT_A_TIME:
                yield None
        for target, (at, _) in self._earlier.items():
            if at < oldest.get(target[:2], never):
                yield target
        yield from {target for target, _ in self.failures() if not self._has_succeeded(target)}

    def _moment(self, at: float) -> float:
        return at * self._speed + self._offset

    def _is_well(self, target: Target) -> bool:
        if target in self._present:
            return self._present[target].failure is None
        return target in self._gone and self._gone[target][0]

    def _has_succeeded(self, target: Target) -> bool:
        attempt = self._present.get(target)
        return target in self._earlier or (attempt is not None and attempt.succeeded_at is not None)

    def dump(self) -> Iterator[AttemptRow]:
        """Return all that is remembered but for what fails."""
        for target, attempt in self._present.items():
            at, seen = self._earlier.get(target, (None, 0.0))
            if attempt.succeeded_at is not None:
                at, seen = self._moment(attempt.succeeded_at), self._looked_at
            yield target, attempt.failure is None, self._looked_at, at, seen
        for target, (succeeded, looked_at) in self._gone.items():
            at, seen = self._earlier.get(target, (None, 0.0))
            yield target, succeeded, looked_at, at, seen

    def restore(self, row: AttemptRow) -> None:
        """Take back what was dumped, as gone."""
        target, succeeded, looked_at, at, seen = row
        self._gone[target] = (succeeded, looked_at)
        if at is not None:
            self._earlier[target] = (at, seen)


def _is_idle(target: Target, reason: Reason) -> bool:
    """Tell of an empty count of calls: so answers a switch for an idle tenant (seen, wire notes 2026-10)."""
    return target.query is Query.CALLS and reason is Reason.EMPTY
