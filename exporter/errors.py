"""The errors that softswitch-exporter raises itself.

    ExporterError            something a person should read, never a traceback
    ├── ConfigurationError   every problem of a configuration file, all at once
    ├── TlsFileError         a certificate or key file that cannot be used
    └── StartError           a start that cannot succeed: an address in use, say

What goes wrong with *one answer of a switch* is not an exception but a value,
``model.Failure``: it is expected, counted and shown, and nothing is unwound by it.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

_MOST_LINES = 100
_MOST_CHARACTERS = 16_000


class ExporterError(Exception):
    """Something that is wrong outside the program; the text says what to do about it."""


class ConfigurationError(ExporterError):
    """A configuration that cannot be used.

    ``problems`` holds one line for each mistake, all of them, in the order of the file:
    the path of the place, what is wrong there, and what to do.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))

    @classmethod
    def joined(cls, errors: Sequence["ConfigurationError"]) -> "ConfigurationError":
        """Return the error of several files as one."""
        joined = cls(", ".join(error.source for error in errors), [])
        joined.problems = tuple(problem for error in errors for problem in error.problems)
        joined.args = ("\n".join(str(error) for error in errors),)
        return joined


def shortened(error: ExporterError) -> str:
    """Return the text of an error as the daemon logs it: the first lines, and how many more there are.

    3,000 mistakes in one file are 350 kB, and masking them held up the event loop for a second (2026-11).
    """
    lines = str(error).split("\n")
    more = len(lines) - _MOST_LINES
    first = "\n".join(lines[:_MOST_LINES])
    if len(first) > _MOST_CHARACTERS:
        first = f"{first[:_MOST_CHARACTERS]}…"
    return f"{first}\nand {more:,} more; --config.check tells all" if more > 0 else first


class TlsFileError(ExporterError):
    """A certificate or key file cannot be used. The text names the file and holds nothing of its content."""


class StartError(ExporterError):
    """The daemon cannot start, although its configuration is valid."""


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
