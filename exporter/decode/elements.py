"""The elements of a JSON array, or the members of a JSON object, one after the other.

The grammar is left to ``json``: it reads one element at a time, out of a window of the text.
"""

import json
import re
from collections.abc import Iterator

from exporter.decode.windows import LONGEST_RECORD, BrokenOffError, Windows

BROKEN = object()
"""Stands for an element that is not JSON, where it can be told at which the next one begins."""

_NEXT = {
    "]": re.compile(r"\}\s*(?:,\s*(?=\{)|(?=\][\s|]*\Z))"),
    "}": re.compile(r'\}\s*(?:,\s*(?="[^"\\]{0,255}"\s*:\s*\{)|(?=\}[\s|]*\Z))'),
}
"""Where a broken record ends, by what closes the whole: before the next record, or at the very end."""


def elements(windows: Windows, decoder: json.JSONDecoder) -> Iterator[tuple[str, object]]:
    """Yield each element with its name, "" in an array; ``BROKEN`` for one that is not JSON.

    Begins at the opening bracket. Raises BrokenOffError at the place from which on nothing can be read.
    """
    close = "]" if windows.skip_blanks() == "[" else "}"
    windows.at += 1
    separator = "," if windows.skip_blanks() != close else close
    windows.at += separator == close
    while separator == ",":
        windows.skip_blanks()
        yield _element(windows, decoder, close)
        separator = windows.skip_blanks()
        windows.at += 1
    if separator != close:
        raise BrokenOffError
    _end(windows)


def _end(windows: Windows) -> None:
    """Raise BrokenOffError unless nothing follows but what may follow any answer: blanks and ``|``."""
    while windows.skip_blanks():
        if windows.text[windows.at] != "|":
            raise BrokenOffError
        windows.at += 1


def _element(windows: Windows, decoder: json.JSONDecoder, close: str) -> tuple[str, object]:
    name: object = ""
    try:
        if close == "}":
            name = _value(windows, decoder)
            if not isinstance(name, str) or windows.skip_blanks() != ":":
                raise BrokenOffError
            windows.at += 1
            windows.skip_blanks()
        return str(name), _value(windows, decoder)
    except (ValueError, RecursionError) as error:  # ValueError: more digits than Python converts, too
        wrong = error.pos if isinstance(error, json.JSONDecodeError) else windows.at
        _resume(windows, max(wrong, windows.at), close)
        return str(name), BROKEN


def _value(windows: Windows, decoder: json.JSONDecoder) -> object:
    """Read one value at ``at``, however many windows it needs, up to the longest record."""
    while True:
        try:
            value: object
            value, end = decoder.raw_decode(windows.text, windows.at)
        except json.JSONDecodeError:
            if windows.ahead > LONGEST_RECORD or not windows.more():
                raise
        else:
            if end < len(windows.text) or not windows.more():  # a number may go on in the next window
                windows.at = end
                return value


def _resume(windows: Windows, wrong: int, close: str) -> None:
    """Go on behind a broken record, whose JSON goes wrong at ``wrong``."""
    found = _NEXT[close].search(windows.text, wrong)
    while found is None:
        if windows.ahead > LONGEST_RECORD:
            raise BrokenOffError
        before = windows.at
        if not windows.more():
            raise BrokenOffError
        wrong -= before
        found = _NEXT[close].search(windows.text, wrong)
    windows.at = found.start() + 1
