"""What stands in a state file, read back with distrust.

Each function returns what was written, or raises ValueError or TypeError.
"""

import math
from collections.abc import Mapping
from typing import Any

from exporter.model import Query, Registration, Scope, Target


def number(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number where one is due")
    return value


def text(value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError("not a text where one is due")
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
