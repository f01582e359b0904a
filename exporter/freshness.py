"""How old a value may be: one rule for all values, the status page and the alerts. Pure; seconds.

A value is stale, and is dropped, after ``stale_after`` times its pace: the longer of its interval and the
time between the starts of the last two sweeps of its query.
"""

from enum import StrEnum

LATE_AFTER = 1.5
"""In paces: one, and half of one as a tolerance for slow responses."""


class Freshness(StrEnum):
    """How fresh a value is."""

    WAITING = "waiting"  # no value yet
    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


def pace(interval: float, cycle: float | None) -> float:
    """Return the time between two responses. ``cycle``: between the starts of the last two sweeps."""
    return interval if cycle is None else max(interval, cycle)


def lifetime(pace: float, stale_after: float) -> float:
    """Return the age after which a value is stale."""
    return stale_after * pace


def oldest(now: float, pace: float, stale_after: float) -> float:
    """Return the time before which a value is stale."""
    return now - lifetime(pace, stale_after)


def age(at: float | None, now: float) -> float | None:
    """Return the age of a value of this time, to the millisecond; None without a value."""
    return None if at is None else round(now - at, 3)


def freshness(age: float | None, pace: float, stale_after: float) -> Freshness:
    """Return how fresh a value of this age is; ``age`` is None if there is no value yet."""
    if age is None:
        return Freshness.WAITING
    if age > lifetime(pace, stale_after):
        return Freshness.STALE
    return Freshness.LATE if age > LATE_AFTER * pace else Freshness.FRESH


def is_up(valid_at: float | None, now: float, *, shortest_interval: float, timeout: float) -> bool:
    """Return whether a switch is up: its newest valid response came at ``valid_at``."""
    return valid_at is not None and now - valid_at <= max(3 * shortest_interval, 2 * timeout)
