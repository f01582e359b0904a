"""Read single values: labels, numbers, counts per node and registration states."""

import re
import sys
from collections.abc import Callable

from exporter.decode.classify import (
    ENVELOPE_NAMES,
    complaint,
    is_complaint,
    mentions_error,
    noise,
    rejected,
    unread,
)
from exporter.decode.redact import quoted
from exporter.decode.text import (
    STRICT,
    BrokenOffError,
    Record,
    Windows,
    elements,
    one_record,
    parse_record,
)
from exporter.model import Counts, Failure, Number, Reason, Skipped
from exporter.patterns import Pattern

LONGEST_LABEL = 255
"""Characters: the longest host name, and a typical database column. It also bounds the memory of the series.
"""

# NUL ends the text for many readers, and half a surrogate pair cannot be encoded in UTF-8.
UNSERVABLE = re.compile(r"[\x00\ud800-\udfff]")

TRAILING = "| \t\r\n"
"""May follow a value: this API often ends a response with ``|`` (wire notes 2026-10)."""

_NUMBER = re.compile(r"-?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_LONGEST_NUMBER = 400
_LONGEST_WRAPPING = 10_000
"""Characters up to which ``pattern`` is searched."""

_LARGEST_WHOLE = 2**53
"""Above it, a float (every sample is one) cannot represent each whole number."""


def servable(text: str) -> bool:
    """Return whether a text can be a label value. An empty one cannot: it means no label."""
    return 0 < len(text) <= LONGEST_LABEL and not UNSERVABLE.search(text)


def label(cell: object) -> str | None:
    """Return a text or a whole number as a label value; None for anything else."""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    text = str(cell).strip()
    return text if servable(text) else None


def number_of(value: object) -> int | float | None:
    """Return a JSON value or a text as a finite number; None for anything else, including booleans.

    Thousands separators and decimal commas are rejected: ``1,234`` is ambiguous.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if text.removeprefix("-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # False for NaN and the infinities, and exact for integers beyond the range of a float.
    return value if -sys.float_info.max <= value <= sys.float_info.max else None


def whole_of(value: object) -> int | None:
    """Return a JSON value or a text as a whole number (30.0 is one); None for anything else."""
    number = number_of(value)
    if number is None or abs(number) > _LARGEST_WHOLE or number != int(number):
        return None
    return int(number)


def count_of(value: object) -> int | None:
    """Return a JSON value or a text as a whole number of at least 0; None for anything else."""
    if type(value) is int and value <= _LARGEST_WHOLE:  # most are, and a response has one for each node
        return value if value >= 0 else None
    whole = whole_of(value)
    return whole if whole is not None and whole >= 0 else None


def read_number(
    text: str,
    convert: Callable[[object], float | None],
    expected: str,
    *,
    pattern: Pattern | None = None,
    key: str = "",
) -> Number | Failure:
    """Read one number.

    ``pattern`` is tried if the whole text is not a number; its one group is the number. ``key`` is the
    configuration key of ``pattern``, for the error message.
    """
    if text.startswith(("[", "{")) and (failure := noise(text, may_quote=True)):
        return failure
    found: str | Failure | None = text.rstrip(TRAILING)
    number = number_of(found)
    if number is None:
        found = _match(text, pattern)
        number = number_of(found)
    if isinstance(found, Failure):
        return found
    if found is None:
        has_digit = any(map(str.isdigit, text[:_LONGEST_WRAPPING]))
        hint = f"; if the response contains the number, set `{key}` to match it" if key and has_digit else ""
        return unread(text, expected, hint=hint)
    value = convert(number)
    if value is None:
        return Failure(Reason.DECODE, f"expected {expected}, got {quoted(found)}")
    return Number(float(value))


def _match(text: str, pattern: Pattern | None) -> str | Failure | None:
    if pattern is None or len(text) > _LONGEST_WRAPPING or mentions_error(text):
        return None
    match pattern.first_two(text):
        case []:
            return None
        case [found]:
            return found
        case _:
            return Failure(
                Reason.DECODE, f"`pattern` matches more than once in {quoted(text)}; make it more specific"
            )


TOTAL_NAMES = frozenset(
    {
        *("total", "totals", "tot", "sum", "all", "overall", "grand total"),
        *("total peers", "total channels", "totale", "gesamt"),
    }
)
"""Names of the total in a list of nodes, in lower case, with spaces for ``_`` and ``-``.

Inferred: the vendor's reference (reqtype=HELP) promises "each node and the total" but does not name the
total.
``total_name`` in the configuration replaces all of these.
"""

MOST_NODES = 1_000
"""Per installation; 50 were seen (wire notes 2026-10)."""

_NAMED = 10
"""Unreadable counts that are described one by one."""

_COUNTS = "a count, or `node:count` pairs"

_RECORD_FIELDS = frozenset({"node", "nodename", "name", "id", "count", "server", "host"})
"""Lower-case names that, beside a value that is not a count, mark an object as a record and not as counts."""

_Entries = dict[str, int | None]
"""The count of each node, None if unreadable. The key "" stands for all entries with an unreadable name."""


def read_counts(text: str, total_name: str | None = None) -> Counts | Failure:
    """Read pairs of node and count, with or without a total; or a single number.

    An unreadable count costs that node, and the sum unless a total is stated. The whole response is a failure
    if it is truncated, an error message or a record, or if more than half of its entries are unreadable. In
    the plain form, where nothing marks the end of a name, half are enough.
    """
    if text.startswith(("{", "[")):
        entries = _from_json(text)
    else:
        bare = count_of(text.rstrip(TRAILING))
        if bare is not None:
            return Counts(total=bare, nodes=None)
        entries = _from_plain(text, total_name)
    return entries if isinstance(entries, Failure) else _counts(entries, text, total_name)


def _from_plain(text: str, total_name: str | None) -> _Entries | Failure:
    parts = [part.rpartition(":") for part in text.rstrip(TRAILING).split("|")]
    pairs = [(name.strip(), count_of(count)) for name, _, count in parts]
    if all(count is None for _, count in pairs):
        return unread(text, _COUNTS)
    match pairs:
        case [(name, _)] if "|" not in text and len(name.split()) > 1 and not _is_total(name, total_name):
            return rejected(text)  # "Sorry, try again at 12:30"
    bad = sum(count is None or not _is_plain_name(name) for name, count in pairs)
    if 2 * bad >= len(pairs) or pairs[-1][1] is None:
        return Failure(Reason.DECODE, f"expected {_COUNTS}, got {quoted(text)}")
    entries: _Entries = {}
    for name, count in pairs:
        known = name if _is_plain_name(name) else ""
        entries[known] = None if known in entries else count  # a node listed twice has no count
    return complaint(entries, text) if is_complaint(entries) else entries


def _is_plain_name(name: str) -> bool:
    return _is_name(name) and "<" not in name and name.isprintable()


def _is_name(name: str) -> bool:
    return servable(name) and "\ufffd" not in name


def _from_json(text: str) -> _Entries | Failure:
    record = parse_record(text)
    if isinstance(record, Failure):
        record = _without_broken(text) or record
    if isinstance(record, Failure):
        return Failure(record.reason, f"expected {_COUNTS}; {record.detail}: {quoted(text)}")
    if is_complaint(record):
        return complaint(record, text)
    read: _Entries = {name: count_of(value) for name, value in record.items()}
    wrong = [name for name, count in read.items() if count is None or not _is_name(name)]
    if wrong and (2 * len(wrong) > len(read) or not _RECORD_FIELDS.isdisjoint(map(str.casefold, read))):
        value = record[wrong[0]]
        shown = value if isinstance(value, str | int | float) else "…"
        return Failure(Reason.DECODE, f"expected a node and its count, got {quoted(f'{wrong[0]}: {shown}')}")
    read = _without_twins(read)
    if not wrong:
        return read
    named = {name: count for name, count in read.items() if _is_name(name)}
    return named if len(named) == len(read) else {**named, "": None}


def _without_broken(text: str) -> Record | None:
    """Return an object some of whose values are no JSON, such as ``{"pbx1": 3, "pbx2": , "pbx3": 4}``."""
    if not text.startswith("{"):
        return None
    try:
        return one_record(list(elements(Windows(text.encode("utf-8", "replace")), STRICT, of_values=True)))
    except BrokenOffError:
        return None


def _without_twins(entries: _Entries) -> _Entries:
    """Drop PHP's positional duplicates if each name has one, in order and with the same count (seen)."""
    if "0" not in entries:
        return entries
    named = [name for name in entries if not name.isdecimal()]
    if len(entries) != 2 * len(named):
        return entries
    if any(entries.get(str(position), -1) != entries[name] for position, name in enumerate(named)):
        return entries
    return {name: entries[name] for name in named}


def _counts(entries: _Entries, text: str, total_name: str | None) -> Counts | Failure:
    if not ENVELOPE_NAMES.isdisjoint(map(str.casefold, entries)):
        return Failure(Reason.DECODE, f"expected only node names, got {quoted(text)}")
    if len(entries) > MOST_NODES:
        return Failure(Reason.TOO_LARGE, f"the response names more than {MOST_NODES:,} nodes")
    totals = [name for name in entries if _is_total(name, total_name)]
    if len(totals) > 1:
        return Failure(
            Reason.DECODE, f"expected one total, got {quoted(', '.join(totals))}; set `total_name`"
        )
    total = entries.pop(totals[0]) if totals else None
    unread_total = bool(totals) and total is None
    nodes = {name: count for name, count in entries.items() if count is not None and name}
    if len(nodes) == len(entries) and not unread_total:
        return Counts(total=total, nodes=nodes)
    uncounted = frozenset(entries.keys() - nodes.keys() - {""})
    nameless = int("" in entries)
    named = [*totals[:unread_total], *sorted(uncounted)]
    errors = [f"the count of {quoted(name)} cannot be read" for name in named[:_NAMED]]
    first, *more = errors or ["the name of an entry cannot be read"]
    skipped = Skipped(len(named) + nameless, nameless, first, tuple(more))
    return Counts(total, nodes, uncounted, skipped=skipped)


def _is_total(name: str, total_name: str | None) -> bool:
    if total_name is not None:
        return name == total_name
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split()) in TOTAL_NAMES
