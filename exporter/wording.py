"""How a problem speaks of a value or of a key that nobody knows."""

import difflib
import re
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


def without_secrets(text: str, values: Iterable[str]) -> str:
    """Return the text of a problem with … for each of these values of the file that may be a secret."""
    runs = {run for value in values for run in _RUN.findall(value) if may_be_secret(run)}
    for run in sorted(runs, key=len, reverse=True):
        text = text.replace(run[:_LONGEST], "…")
    return text


def may_be_secret(text: str) -> bool:
    """Tell whether a text is like a key or a password that was put in the wrong place.

    It has eight characters or more in a row, of more than one kind: small and capital letters, digits, and
    signs such as ``-``. Plain words and numbers have one. The names in the file of the web server are
    known by their start or end.
    """
    return any(
        len(run) >= _LONGEST_WORD or (sum(kind.search(run) is not None for kind in _KINDS) > 1)
        for run in _RUN.findall(text)
        if not (run.isdigit() or run.startswith("TLS_") or run.endswith("ClientCert"))
    )


_RUN = re.compile(r"[\w+=~$!@#%^&*-]{8,}")
_LONGEST_WORD = 24
_KINDS = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]")))


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
