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


def oldest(now: float, pace: float, stale_after: float) -> float:
    """Return the time before which a value is stale."""
    return now - stale_after * pace


def freshness(age: float | None, pace: float, stale_after: float) -> Freshness:
    """Return what an age means; None is that of a value that never came."""
    if age is None:
        return Freshness.WAITING
    if age > stale_after * pace:
        return Freshness.STALE
    return Freshness.LATE if age > _LATE_AFTER * pace else Freshness.FRESH
