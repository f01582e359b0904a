"""When a target that failed is asked again: pure decisions, with the clock passed in."""

from dataclasses import dataclass

from exporter.model import Reason

LONGEST = 15 * 60.0
"""Seconds. A target that does not answer, or refuses, is asked at least this often (design, section 5)."""

_SLOWED = frozenset({Reason.TIMEOUT, Reason.AUTH})


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row a target timed out or was refused, and when it may be asked again."""

    failures: int
    retry_at: float

    def holds(self, now: float) -> bool:
        """Tell whether it is too early to ask again. Times are monotonic seconds."""
        return now < self.retry_at


def after(
    before: Backoff | None, reason: Reason | None, *, started: float, interval: float
) -> Backoff | None:
    """Return the back-off after an attempt that started at ``started``; ``reason`` None means success.

    The first failure costs nothing. After the second the target sits out one turn, and each further failure
    doubles the pause, up to 15 minutes. Half an interval is taken off, so that a sweep which comes a little
    early does not sit out one turn too many.
    """
    if reason not in _SLOWED:
        return None
    if before is None:
        return Backoff(1, started)
    failures = before.failures + 1
    pause = max(interval, min(interval * 2.0 ** (failures - 1), LONGEST))
    return Backoff(failures, started + pause - interval / 2)
