"""What stands in a state file, read back with distrust.

Each function returns what was written, or raises ValueError or TypeError.
"""

import math
from collections.abc import Mapping
from typing import Any

from exporter.model import Query, Registration, Scope, Target

CENTURY = 100 * 365.25 * 86_400
"""Seconds. No exporter ran for longer; with numbers far above it a step of a minute is lost in rounding."""

_AN_HOUR = 3600.0
_YEAR_10000 = 253_402_300_800.0


def number(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {type(value).__name__}")  # noqa: TRY004 -- one kind of error
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number of 400 digits
        is_finite = False
    if not is_finite:
        raise ValueError("expected a finite number")
    return value


def moment(value: object) -> float:
    """Return seconds since some start: from 0 to a century."""
    return _within(0.0, number(value), CENTURY)


def age(value: object) -> float:
    """Return how many seconds ago something was: from 0 to a century.

    Files of before 2026-12 have what happened during an evaluation as a little younger than 0 seconds.
    """
    return max(0.0, _within(-_AN_HOUR, number(value), CENTURY))


def wall(value: object) -> float:
    """Return a time in seconds since 1970, before the year 10000."""
    return _within(0.0, number(value), _YEAR_10000)


def _within(least: float, found: float, greatest: float) -> float:
    if not least <= found <= greatest:
        raise ValueError(f"expected seconds from {least:.0f} to {greatest:.0f}, got {found:g}")
    return found


def text(value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def nothing(_: object) -> None:
    """Return None: what is written there only says that the key is."""


def pair(value: list[Any]) -> tuple[str, str]:
    """Return two texts."""
    first, second = value
    return text(first), text(second)


def pace(value: list[Any]) -> tuple[Query, Scope]:
    """Return a query and its scope."""
    query, scope = value
    return Query(query), Scope(scope)


def target(value: list[Any]) -> Target:
    """Return a target."""
    query, scope, tenant = value
    return Target(Query(query), Scope(scope), text(tenant))


def states(value: Mapping[str, Any]) -> dict[str, float]:
    """Return how many extensions are in each state. Raises KeyError where one is missing."""
    return {state.value: number(value[state.value]) for state in Registration}
