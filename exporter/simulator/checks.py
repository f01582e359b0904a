"""Says whether a value out of a control request will do, and what would."""

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Check(NamedTuple):
    """A test of a value, and the words for what passes it."""

    passes: Callable[[object], bool]
    wanted: str


def boolean() -> Check:
    """Accept true and false."""
    return Check(lambda value: isinstance(value, bool), "true or false")


def text() -> Check:
    """Accept any text."""
    return Check(lambda value: isinstance(value, str), "a text")


def one_of(words: list[str]) -> Check:
    """Accept one of these words."""
    return Check(lambda value: value in words, f"one of {', '.join(words)}")


def number(least: float, most: float) -> Check:
    """Accept a number within these bounds."""
    return Check(
        lambda value: (
            isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
        ),
        f"a number from {least:g} to {most:g}",
    )


def whole(least: int, most: int) -> Check:
    """Accept a whole number within these bounds."""
    return Check(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"a whole number from {least} to {most}",
    )


def or_null(check: Check) -> Check:
    """Accept null as well."""
    return Check(lambda value: value is None or check.passes(value), f"{check.wanted}, or null")


def problems(members: Mapping[str, object], checks: Mapping[str, Check], path: str = "") -> list[str]:
    """Return what is wrong with the members of an object, one line for each."""
    found = [f"{path}{name}: there is no such member" for name in members if name not in checks]
    for name, check in checks.items():
        if name in members and not check.passes(members[name]):
            found.append(f"{path}{name}: must be {check.wanted}")
    return found
