"""When a target that failed is asked again: pure decisions, with the clock passed in."""

from dataclasses import dataclass

from exporter.model import Reason

LONGEST = 15 * 60.0
"""Seconds. A target that does not answer, or refuses, is asked at least this often (design, section 5)."""

_LONG_INTERVAL = 5 * 60.0
_FIRST_RETRY = 60.0
_DOUBLINGS = 20  # far above every cap, far below what a float can hold
_SLOWED = frozenset({Reason.TIMEOUT, Reason.AUTH})


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row a target failed, why, and when it may be asked again (monotonic seconds).

    ``is_retry``: it is then asked at once, without waiting for the next sweep.
    """

    failures: int
    reason: Reason
    retry_at: float
    is_retry: bool

    def holds(self, now: float) -> bool:
        """Tell whether it is too early to ask again."""
        return now < self.retry_at


def after(
    before: Backoff | None, reason: Reason | None, *, started: float, interval: float
) -> Backoff | None:
    """Return the back-off after an attempt that started at ``started``; ``reason`` None means success.

    Intervals are seconds. Where they are short, only a target that timed out or was refused is slowed down:
    the first failure costs nothing, after the second it sits out a turn, and each further one doubles the
    pause, up to 15 minutes. Where they are long, any failure is retried after 1, 2, 4 … minutes, up to 15.
    """
    if reason is None:
        return None
    failures = before.failures + 1 if before else 1
    if interval > _LONG_INTERVAL:
        pause = min(_FIRST_RETRY * 2.0 ** min(failures - 1, _DOUBLINGS), LONGEST, interval)
        return Backoff(failures, reason, started + pause, is_retry=True)
    if reason not in _SLOWED:
        return None
    if failures == 1:
        return Backoff(failures, reason, started, is_retry=False)
    # Whole turns: else, of two minutes, the turn after 14 would by chance be sat out too, and 16 pass.
    longest = LONGEST // interval * interval
    pause = min(interval * 2.0 ** min(failures - 1, _DOUBLINGS), longest)
    # Half an interval is taken off, so that a sweep which comes a little early is not sat out as well.
    return Backoff(failures, reason, started + pause - interval / 2, is_retry=False)
