"""When a target, or a switch, that failed is asked again: pure decisions, with the clock passed in."""

from dataclasses import dataclass
from http import HTTPStatus

from exporter.model import Failure, Reason, Target

LONGEST = 15 * 60.0
"""Seconds. A target that does not answer, or refuses, is asked at least this often (design, section 5)."""

LONG_INTERVAL = 5 * 60.0
"""Seconds. What is asked more rarely does not wait for its next sweep after it failed or was left out."""

_FIRST_RETRY = 60.0
_DOUBLINGS = 20  # far above every cap, far below what a float can hold


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row a target failed, and when it may be asked again (seconds, on the caller's clock).

    ``is_retry``: it is then asked at once, without waiting for the next sweep.
    """

    failures: int
    retry_at: float
    is_retry: bool

    def is_active(self, now: float) -> bool:
        """Tell whether it is too early to ask again."""
        return now < self.retry_at


def next_backoff(
    before: Backoff | None, failure: Failure | None, *, started: float, interval: float
) -> Backoff | None:
    """Return the back-off after an attempt that started at ``started``; ``failure`` None means success.

    Intervals are seconds. Where they are short, only a target that timed out, was refused, or got HTTP 429 or
    5xx is slowed down: the first failure costs nothing, after the second it is left out of one sweep, and
    each further one doubles the pause, up to 15 minutes. Where they are long, any failure is retried after 1,
    2, 4 … minutes, up to 15.
    """
    if failure is None:
        return None
    failures = before.failures + 1 if before else 1
    asked_for = started + min(failure.retry_after or 0.0, LONGEST)  # `Retry-After`
    if interval > LONG_INTERVAL:
        pause = min(_FIRST_RETRY * 2.0 ** min(failures - 1, _DOUBLINGS), LONGEST, interval)
        return Backoff(failures, max(started + pause, asked_for), is_retry=True)
    if not _slows(failure):
        return None
    if failures == 1:
        return Backoff(failures, asked_for, is_retry=False)
    # Whole turns: else, of two minutes, the turn after 14 would by chance be sat out too, and 16 pass.
    longest = LONGEST // interval * interval
    pause = min(interval * 2.0 ** min(failures - 1, _DOUBLINGS), longest)
    # Half an interval is taken off, so that a sweep which comes a little early is not sat out as well.
    return Backoff(failures, max(started + pause - interval / 2, asked_for), is_retry=False)


def _slows(failure: Failure) -> bool:
    """Tell whether asking again at full pace would hurt, or would be to no purpose."""
    status = failure.status or 0
    is_overloaded = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return failure.reason is Reason.TIMEOUT or failure.is_refusal or is_overloaded


_WITNESSES = 3
_LOGGED_EVERY = 15 * 60.0


class SwitchPause:
    """Sends nothing to a switch for as long as ``Retry-After`` says, up to 15 minutes. Times are seconds.

    It takes three different targets that were asked to wait, with no success since: one odd answer must not
    silence a switch. Each of these targets waits as long in any case (``next_backoff``).

    Nothing is sent before ``until``. ``asked_to_wait`` are the first targets that were asked to wait. When
    the time is over, one more such answer is enough, until there is a success.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self.asked_to_wait: set[Target] = set()
        self._logged_at = float("-inf")

    def record(self, target: Target, failure: Failure | None, now: float) -> float | None:
        """Learn from an attempt; return for how many seconds nothing is sent, where that is to be logged.

        That is not more often than every 15 minutes: a switch may ask for it every second.
        """
        if failure is None:
            self.asked_to_wait.clear()
        if failure is None or not failure.retry_after:
            return None
        if len(self.asked_to_wait) < _WITNESSES:
            self.asked_to_wait.add(target)
        if len(self.asked_to_wait) < _WITNESSES:
            return None
        seconds = min(failure.retry_after, LONGEST)
        self.until = max(self.until, now + seconds)
        if now - self._logged_at < _LOGGED_EVERY:
            return None
        self._logged_at = now
        return seconds
