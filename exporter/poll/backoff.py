"""When to retry after failures, per target, key and switch. Pure; times are those of ``Clock.elapsed``."""

from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus

from exporter.model import TRANSPORT_REASONS, Failure, Query, Reason, Scope, Target

LONGEST_PAUSE = 15 * 60.0
"""Seconds. The longest pause of a failing target. Its next sweep may be up to one interval later."""

LONG_INTERVAL = 5 * 60.0
"""Seconds. A query with a longer interval is retried before its next sweep."""

_FIRST_RETRY = 60.0
_FIRST_KEY_PAUSE = 5.0
_DISTINCT_TARGETS = 3
_DOUBLINGS = 20  # keeps the power within a float; every pause is capped long before


@dataclass(frozen=True, slots=True)
class Backoff:
    """The consecutive failures of a target, and when to request it again.

    That is at ``retry_at`` if ``is_retry``, otherwise with the first sweep after ``retry_at``.
    """

    failures: int
    retry_at: float
    is_retry: bool

    def is_active(self, now: float) -> bool:
        """Return whether it is too early for the next request."""
        return now < self.retry_at


def next_backoff(
    before: Backoff | None, failure: Failure | None, *, started: float, interval: float
) -> Backoff | None:
    """Return the backoff after an attempt that started at ``started``; ``failure`` is None after a success.

    At intervals up to 5 minutes, only timeouts, refusals, HTTP 429 and 5xx slow a target down: the first
    failure costs nothing, the second skips one sweep, and each further one doubles the pause, up to 15
    minutes. At longer intervals, any failure is retried after 1, 2, 4 … minutes, up to 15. A longer
    ``Retry-After`` extends the pause, also up to 15 minutes.
    """
    if failure is None:
        return None
    failures = before.failures + 1 if before else 1
    retry_after = started + min(failure.retry_after or 0.0, LONGEST_PAUSE)
    doubled = 2.0 ** min(failures - 1, _DOUBLINGS)
    if interval > LONG_INTERVAL:
        pause = min(_FIRST_RETRY * doubled, LONGEST_PAUSE, interval)
        return Backoff(failures, max(started + pause, retry_after), is_retry=True)
    if not _needs_backoff(failure):
        return None
    if failures == 1:
        return Backoff(failures, retry_after, is_retry=False)
    # Cap at a multiple of the interval. At 2-minute intervals, a cap of 15 minutes would end the pause at the
    # sweep after 14 minutes, and if that started a little early, the target would wait until 16.
    pause = min(interval * doubled, LONGEST_PAUSE // interval * interval)
    # Half an interval less, so that a sweep which starts a little early is not skipped as well.
    return Backoff(failures, max(started + pause - interval / 2, retry_after), is_retry=False)


def _needs_backoff(failure: Failure) -> bool:
    status = failure.status or 0
    is_overloaded = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return failure.reason is Reason.TIMEOUT or failure.is_refusal or is_overloaded


class SwitchPause:
    """Pauses all requests to a switch for the time in ``Retry-After``, up to 15 minutes.

    The pause starts when three different targets have received ``Retry-After`` without a success in between,
    so that one malformed response does not stop polling. Each of these targets waits in any case
    (``next_backoff``). Until the next success, each further ``Retry-After`` pauses the switch again.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self.asked_to_wait: set[Target] = set()
        self._logged_at = float("-inf")

    def record(self, target: Target, failure: Failure | None, now: float) -> float | None:
        """Record an attempt; return the seconds of a new pause if the caller must log it, else None.

        A pause is logged at most every 15 minutes.
        """
        if failure is None:
            self.asked_to_wait.clear()
        if failure is None or not failure.retry_after:
            return None
        if len(self.asked_to_wait) < _DISTINCT_TARGETS:
            self.asked_to_wait.add(target)
        if len(self.asked_to_wait) < _DISTINCT_TARGETS:
            return None
        seconds = min(failure.retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + seconds)
        if now - self._logged_at < LONGEST_PAUSE:
            return None
        self._logged_at = now
        return seconds


@dataclass(slots=True, eq=False)
class KeyHealth:
    """Whether the key of ``owner``, a tenant code or "" for the admin key, is refused.

    A key counts as refused when three different targets were refused without a success in between: the switch
    returns the same message for a wrong key, an unknown tenant and a forbidden operation (seen, wire notes
    2026-10). A refused key is tried again after 5 s, then after twice as long each time, up to 15 minutes.

    A changed key gets a new record. A request keeps the record of the key that it was sent with, so that a
    late response does not count for the new key. ``slowed`` are the targets that back off because this key
    was refused. ``answered``: the queries that have returned a value, if an empty response then is one, too.
    """

    key: str = field(repr=False)
    owner: str = ""
    source: str = ""
    refused: set[Target] = field(default_factory=set)
    slowed: set[Target] = field(default_factory=set)
    trials: int = 0
    retry_at: float = 0.0
    is_refused: bool = False
    answered: set[Query] = field(default_factory=set)

    def may_send(self, now: float) -> bool:
        """Return whether a request with this key may be sent."""
        return not self.is_refused or now >= self.retry_at

    def record_send(self, now: float) -> None:
        """Count a request with a refused key as a trial, which delays the next one."""
        if self.is_refused:
            self._pause(now)

    def record(self, target: Target, failure: Failure | None, *, now: float) -> bool:
        """Record an attempt; return whether the key became refused, or accepted again."""
        was_refused = self.is_refused
        if failure is None:
            self.is_refused = False
            self.refused.clear()
            self.trials = 0
        elif failure.is_refusal and not was_refused:
            self.refused.add(target)
            if len(self.refused) >= _DISTINCT_TARGETS:
                self.is_refused = True
                self._pause(now)
        return self.is_refused is not was_refused

    def _pause(self, now: float) -> None:
        self.retry_at = now + min(_FIRST_KEY_PAUSE * 2.0 ** min(self.trials, _DOUBLINGS), LONGEST_PAUSE)
        self.trials += 1


_TRANSPORT_FAILURES = 5
_FAILED_TARGETS = 2


class CircuitBreaker:
    """Opens after five transport failures in a row over at least two targets; any HTTP response closes it.

    While it is open, only one probe is sent per ``shortest_interval``.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._failures = 0
        self._failed: set[Target] = set()
        self._probed_at = float("-inf")
        self._fastest: dict[Target, float] = {}

    def record(
        self, target: Target, reason: Reason | None, *, seconds: float, other_targets_exist: bool
    ) -> bool:
        """Record an attempt that took ``seconds``; return whether the breaker opened or closed.

        Without other targets, failures of a single one are enough.
        """
        was_open = self.is_open
        if reason in TRANSPORT_REASONS:
            self._failures += 1
            self._failed.add(target)
            has_enough_targets = len(self._failed) >= _FAILED_TARGETS or not other_targets_exist
            self.is_open = was_open or (self._failures >= _TRANSPORT_FAILURES and has_enough_targets)
        else:
            self._failures = 0
            self._failed.clear()
            self.is_open = False
        if reason is None:
            self._fastest[target] = seconds
        elif reason not in TRANSPORT_REASONS:
            self._fastest.pop(target, None)
        return self.is_open is not was_open

    def take_probe(self, now: float, shortest_interval: float) -> bool:
        """Return whether a probe is due, and count it as sent."""
        if now - self._probed_at < shortest_interval:
            return False
        self._probed_at = now
        return True

    @property
    def probe_target(self) -> Target | None:
        """The target whose latest success was the fastest, if it has not failed since."""
        return min(self._fastest, key=self._fastest.__getitem__, default=None)

    def keep_queries(self, jobs: Collection[tuple[Query, Scope]]) -> None:
        """Drop the targets of queries that are no longer polled."""
        self._fastest = {target: at for target, at in self._fastest.items() if target[:2] in jobs}

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._fastest = {target: at for target, at in self._fastest.items() if target.tenant not in codes}
