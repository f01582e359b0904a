"""How a problem speaks of a value or of a key that nobody knows."""

import difflib
from collections.abc import Iterable

_LONGEST = 60  # characters of a value that a sentence repeats


def shown(value: object) -> str:
    """Return how a sentence names a value of the file: texts in quotes, shortened and printable.

    Never for a key, nor for anything a key may have been pasted into.
    """
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return '"' + "".join(letter if letter.isprintable() else "?" for letter in text) + '"'
    return shape(value)


def shape(value: object) -> str:
    """Return what kind of value it is, without the value."""
    match value:
        case str():
            return "a single value"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "empty"


def single(value: object) -> str:
    """Return a single value as it was written. Raises ValueError for a list or a mapping."""
    if isinstance(value, str):
        return value
    raise ValueError(f"is {shape(value)}; write a single value")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, or "" where none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def unknown_key(word: str, known: Iterable[str]) -> str:
    """Return what to say of a key that is not among the known ones."""
    meant = nearest(word, known)
    return f'unknown key; did you mean "{meant}"?' if meant else f"unknown key; known are {', '.join(known)}"
