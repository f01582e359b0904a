"""JSON as switches send it, whole or one element at a time; strict where a lax reading invents a value."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator

from exporter.decode.windows import LONGEST_RECORD, BrokenOffError, Windows
from exporter.model import Failure, Reason

Record = dict[str, object]

UNREADABLE = object()
"""Stands for a value that says nothing: NaN, an infinity, or a name that is twice in one object."""

BROKEN = object()
"""Stands for an element that is not JSON, where it is clear at which character the next one begins."""


def _one_record(pairs: list[tuple[str, object]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        times = Counter(name for name, _ in pairs)
        record |= {name: UNREADABLE for name, often in times.items() if often > 1}
    return record


def record_decoder(kept: Collection[str] = ()) -> json.JSONDecoder:
    """Return a decoder. With ``kept``, an object keeps only the columns with these names.

    The rest is dropped while reading, so that the credentials of a list are never held longer than its body.
    What cannot be a value is ``UNREADABLE``, which costs that value and not the document. Control characters
    in texts are read as they are, for the same reason.
    """

    def few_columns(pairs: list[tuple[str, object]]) -> Record:
        record = _one_record(pairs)
        return {name: record[name] for name in kept if name in record}

    return json.JSONDecoder(
        object_pairs_hook=few_columns if kept else _one_record,
        parse_constant=lambda _: UNREADABLE,
        strict=False,
    )


_STRICT = record_decoder()


def parse(text: str, decoder: json.JSONDecoder = _STRICT) -> object:
    """Return the JSON value of a text, or a Failure that quotes nothing of it."""
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        why = f"goes wrong or breaks off after character {error.pos:,} of {len(text):,}"
    except RecursionError:
        why = "is nested too deeply"
    except ValueError:  # Python's limit of digits
        why = "holds a number with too many digits"
    else:
        return value
    return Failure(Reason.DECODE, f"the JSON of the answer {why}")


def parse_record(text: str) -> Record | Failure:
    """Return the JSON object of a text, also where it stands alone in a list."""
    value = parse(text)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict | Failure):
        return value
    return Failure(Reason.DECODE, "got another kind of JSON")


def unwrapped(text: str) -> str:
    """Return the content of a JSON string, and any other text as it is."""
    if not text.startswith('"'):
        return text
    value = parse(text)
    return value.strip() if isinstance(value, str) else text


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
    while windows.skip_blanks():  # blanks and ``|`` may follow any answer
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
