"""The errors that the exporter raises, and how an error quotes a value of the configuration.

    ExporterError            printed for the user without a traceback
    ├── ConfigurationError   all problems of a configuration file
    ├── TlsFileError         an unusable certificate or key file
    └── StartError           the daemon cannot start, for example because an address is in use

A problem with a response of a switch is not an exception but a value, ``model.Failure``.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_MOST_LINES = 100
_MOST_CHARACTERS = 16_000


class ExporterError(Exception):
    """A problem outside the program. The text says what to do about it."""


class ConfigurationError(ExporterError):
    """An invalid configuration.

    ``problems`` has one line per problem, in the order of the file: the path of the key, what is wrong, and
    what to do. ``places`` has the file, line and column of each; by default, they are all of ``source``.
    ``files`` are those that were read, and those that they name; ``patterns`` match further ones. The
    problems stay until one of these changes.
    """

    def __init__(
        self,
        source: str,
        problems: Sequence[str],
        places: Sequence[str] = (),
        *,
        files: Iterable[Path] = (),
        patterns: Iterable[str] = (),
    ) -> None:
        self.source = source
        self.files = frozenset(files)
        self.patterns = frozenset(patterns)
        self.problems = tuple(problems)
        located = zip(places or [source] * len(problems), problems, strict=True)
        super().__init__("\n".join(f"{place}: {problem}" for place, problem in located))

    @classmethod
    def joined(cls, errors: Sequence["ConfigurationError"]) -> "ConfigurationError":
        """Return the errors of several files as one."""
        joined = cls(", ".join(error.source for error in errors), [])
        joined.files = frozenset(file for error in errors for file in error.files)
        joined.patterns = frozenset(pattern for error in errors for pattern in error.patterns)
        joined.problems = tuple(problem for error in errors for problem in error.problems)
        joined.args = ("\n".join(str(error) for error in errors if error.problems),)
        return joined


def shortened(error: ExporterError, *, lines: int = _MOST_LINES, characters: int = _MOST_CHARACTERS) -> str:
    """Return the first lines of an error, and how many more there are, for the log.

    3,000 problems in one file were 350 kB, and masking them blocked the event loop for a second (2026-11).
    """
    found = str(error).split("\n")
    more = len(found) - lines
    first = "\n".join(found[:lines])
    if len(first) > characters:
        first = f"{first[:characters]}…"
    return f"{first}\nand {more:,} more; run --config.check to see all" if more > 0 else first


class TlsFileError(ExporterError):
    """A certificate or key file is unusable. The text names the file and contains nothing of its content."""


class StartError(ExporterError):
    """The daemon cannot start, although its configuration is valid."""


_LONGEST = 60  # characters of a value that are quoted


def shown(value: object) -> str:
    """Return a value of the configuration for an error: a text in quotes, shortened and printable.

    Not for a key, nor for a value into which a key may have been pasted.
    """
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST else f"{value[: _end(value)]}…"
        return f'"{printable(text)}"'
    return shape(value)


def printable(text: str) -> str:
    """Return a text with the code point of every character that a terminal does not print.

    Among them are the bytes of a file name that are not UTF-8: Python reads them as lone surrogates.
    """
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def _end(value: str) -> int:
    """Return where to cut a long value: before a possible secret, whose start alone would not be masked."""
    for run in _RUN.finditer(value):
        if run.start() < _LONGEST < run.end() and may_be_secret(run[0]):
            return run.start()
    return _LONGEST


def shown_url(url: str) -> str:
    """Return an invalid URL in quotes, or why it is not shown.

    It is shown only if it has no user, password or query, not even a mistyped one such as ``user:password``
    without ``@``. What looks like a key in the path is masked.
    """
    if not _PLAIN_URL.fullmatch(url):
        return "(not shown, because it may contain a password or a key)"
    return shown(_RUN.sub(lambda run: "…" if may_be_secret(run[0]) else run[0], url))


_PLAIN_URL = re.compile(r"(?:\w+://)?[^:@?#&=%]*(?::\d*(?:/[^:@?#&=%]*)?)?")
"""A scheme, a host, a numeric port and a path, each optional."""


def without_secrets(text: str, values: Iterable[str]) -> str:
    """Return a text with every part of these values that may be a secret replaced by …."""
    runs = {run for value in values for run in _RUN.findall(value) if may_be_secret(run)}
    for run in sorted(runs, key=len, reverse=True):
        # In "expected peers, tenant_peers, got tenant_peer", the expected words stay.
        whole = rf"(?<![a-z_]){run}(?![a-z_])" if _LOWER_CASE.fullmatch(run) else re.escape(run[:_LONGEST])
        text = re.sub(whole, "…", text)
    return text


def may_be_secret(text: str) -> bool:
    """Return whether a text looks like a key or a password in the wrong place.

    That is at least 24 word characters, or at least 8 of more than one kind (lower case, upper case, digits,
    signs such as ``-``). Numbers and the fixed names in the file of the web server do not count.
    """
    return any(
        len(run) >= _LONGEST_WORD or (sum(kind.search(run) is not None for kind in _KINDS) > 1)
        for run in _RUN.findall(text)
        if not (run.isdigit() or run.startswith("TLS_") or run.endswith("ClientCert"))
    )


def is_variable_name(text: str) -> bool:
    """Return whether a text is the name of an environment variable in capital words, and not a key."""
    return bool(_VARIABLE.fullmatch(text))


_VARIABLE = re.compile(r"[A-Z]{1,15}\d{0,3}(?:_(?:[A-Z]{1,15}\d{0,3}|\d{1,3})){0,8}")
_RUN = re.compile(r"[\w+=~$!@#%^&*-]{8,}")
_LOWER_CASE = re.compile("[a-z_]{,23}")
_LONGEST_WORD = 24
_KINDS = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]")))


def shape(value: object) -> str:
    """Return the kind of a value."""
    match value:
        case str():
            return "a single value"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "nothing"


def single(value: object) -> str:
    """Return a single value. Raises ValueError for a list or a mapping."""
    if isinstance(value, str):
        return value
    raise ValueError(f"expected a single value, got {shape(value)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the most similar known word, or ""."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def unknown_key(word: str, known: Iterable[str]) -> str:
    """Return the error for an unknown key."""
    meant = nearest(word, known)
    return (
        f'unknown key; did you mean "{meant}"?' if meant else f"unknown key; valid keys: {', '.join(known)}"
    )
