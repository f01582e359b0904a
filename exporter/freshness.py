"""How old a value may be: one rule for every value and phone, the status page and the alerts. Pure; seconds.

A value is stale after ``stale_after`` times its pace, and is dropped then. The pace is the longer of its
interval and what the last whole sweep of its query took (design, section 5).
"""

from enum import StrEnum

_LATE_AFTER = 1.5
"""Paces. Half a sweep is for slow answers."""


class Freshness(StrEnum):
    """What the age of a value means."""

    WAITING = "waiting"  # there is none yet
    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


def pace(interval: float, cycle: float | None) -> float:
    """Return how far apart two answers are. ``cycle`` is what the last whole sweep took, None before one."""
    return interval if cycle is None else max(interval, cycle)


def lifetime(pace: float, stale_after: float) -> float:
    """Return how old a value may become."""
    return stale_after * pace


def oldest(now: float, pace: float, stale_after: float) -> float:
    """Return the time before which a value is stale."""
    return now - lifetime(pace, stale_after)


def age(at: float | None, now: float) -> float | None:
    """Return the age of a value that came at this time, to the millisecond; None where none came."""
    return None if at is None else round(now - at, 3)


def freshness(age: float | None, pace: float, stale_after: float) -> Freshness:
    """Return what an age means; None is that of a value that never came."""
    if age is None:
        return Freshness.WAITING
    if age > lifetime(pace, stale_after):
        return Freshness.STALE
    return Freshness.LATE if age > _LATE_AFTER * pace else Freshness.FRESH


def is_up(valid_at: float | None, now: float, *, shortest_interval: float, timeout: float) -> bool:
    """Tell whether a switch that was asked gives valid answers; the newest came at ``valid_at``."""
    return valid_at is not None and now - valid_at <= max(3 * shortest_interval, 2 * timeout)
