"""Single values: labels, numbers, and counts by node."""

import re
import sys
from collections.abc import Callable

from exporter.decode.classify import (
    ENVELOPE_NAMES,
    complaint,
    is_complaint,
    noise,
    rejected,
    speaks_of_trouble,
    unread,
)
from exporter.decode.json_text import parse_record
from exporter.decode.redact import quoted
from exporter.model import Counts, Failure, Number, Reason, Skipped
from exporter.patterns import Pattern

LONGEST_LABEL = 255
"""Characters: those of the longest host name, and of a usual column of a database. It also bounds what the
series of a switch can take in memory."""

# Neither can be served: NUL ends the text for many readers, half a surrogate pair has no UTF-8.
_UNSERVABLE = re.compile(r"[\x00\ud800-\udfff]")

TRAILING = "| \t\r\n"
"""What may follow a value: this API likes to end with a ``|`` (wire notes 2026-10)."""

_NUMBER = re.compile(r"-?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_LONGEST_NUMBER = 400
_LONGEST_WRAPPING = 10_000
"""Characters within which ``pattern`` is searched. A number in words is a sentence, not a book."""

_LARGEST_WHOLE = 2**53
"""Above it a float, which is what every sample is, cannot tell one whole number from the next."""


def servable(text: str) -> bool:
    """Tell whether a text can be the value of a label. An empty one cannot: it means no label."""
    return 0 < len(text) <= LONGEST_LABEL and not _UNSERVABLE.search(text)


def label(cell: object) -> str | None:
    """Return the label that a cell of a list holds, as text or as a whole number; None if it holds none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    text = str(cell).strip()
    return text if servable(text) else None


def number_of(value: object) -> int | float | None:
    """Return the finite number that a JSON value or a text is; None for everything else, booleans too.

    No thousands separators, no decimal comma: ``1,234`` means two different things to two people.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if text.removeprefix("-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN and the infinities, and exact for whole numbers beyond any float.
    return value if -sys.float_info.max <= value <= sys.float_info.max else None


def whole_of(value: object) -> int | None:
    """Return the whole number that a JSON value or a text is. 30.0 is whole."""
    number = number_of(value)
    if number is None or abs(number) > _LARGEST_WHOLE or number != int(number):
        return None
    return int(number)


def count_of(value: object) -> int | None:
    """Return the count that a JSON value or a text is: whole, and not below 0."""
    if type(value) is int:  # nearly always, and 50 nodes a tenant have one each
        return value if 0 <= value <= _LARGEST_WHOLE else None
    whole = whole_of(value)
    return whole if whole is not None and whole >= 0 else None


def read_number(
    text: str, convert: Callable[[object], float | None], expected: str, *, pattern: Pattern | None, key: str
) -> Number | Failure:
    """Read one number, bare or wrapped in words. ``key`` is that of ``pattern`` in the configuration.

    ``pattern`` has one group, the number. It is searched only where the whole text is not a number.
    """
    if text.startswith(("[", "{")) and (wrong := noise(text, shown=True)):
        return wrong
    bare = text.rstrip(TRAILING)
    if number_of(bare) is not None:
        found = bare
    else:
        wrapped = _wrapped(text, pattern)
        if wrapped is None:
            hint = f"; if it contains the number, set `{key}` to where it stands"
            return unread(
                text, expected, hint=hint if any(map(str.isdigit, text[:_LONGEST_WRAPPING])) else ""
            )
        if isinstance(wrapped, Failure):
            return wrapped
        found = wrapped
    value = convert(found)
    if value is None:
        return Failure(Reason.DECODE, f"expected {expected}, got {quoted(found)}")
    return Number(float(value))


def _wrapped(text: str, pattern: Pattern | None) -> str | Failure | None:
    if pattern is None or len(text) > _LONGEST_WRAPPING or speaks_of_trouble(text):
        return None
    match pattern.first_two(text):
        case []:
            return None
        case [found]:
            return found
        case _:
            return Failure(Reason.DECODE, f"`pattern` matches more than once in {quoted(text)}; narrow it")


TOTAL_NAMES = frozenset(
    {
        *("total", "totals", "tot", "sum", "all", "overall", "grand total"),
        *("total peers", "total channels", "totale", "gesamt"),
    }
)
"""Names of the total among the nodes, in lower case, with blanks for ``_`` and ``-``.

The vendor's reference promises "each node and the total" and does not say how the total is named
(reqtype=HELP). Inferred; ``total_name`` in the configuration replaces them all.
"""

MOST_NODES = 1_000
"""Of one installation; 50 were seen (wire notes 2026-10)."""

_COUNTS = "a count, or `node:count` pairs"

_OF_A_RECORD = frozenset({"node", "nodename", "name", "id", "count", "server", "host"})
"""Names of the members of one record, in lower case: no node is called so beside a value that is no count."""

_Entries = dict[str, int | None]
"""The count of each node, None where it cannot be read. "" holds the place of all whose name cannot be."""


def read_counts(text: str, total_name: str | None = None) -> Counts | Failure:
    """Read pairs of node and count, with a total, or one number.

    A node whose count cannot be read costs that node, and the sum, unless a total is stated. All of it is a
    failure where the answer breaks off, where it is an error message or a record, or where more than half of
    the entries cannot be read. In the plain form, in which nothing marks where a name ends, half are enough.
    """
    bare = count_of(text.rstrip(TRAILING))
    if bare is not None:
        return Counts(total=bare, nodes=None)
    entries = _from_json(text) if text.startswith(("{", "[")) else _from_plain(text, total_name)
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
        entries[known] = None if known in entries else count  # a node that is there twice has no count
    return complaint(entries, text) if is_complaint(entries) else entries


def _is_plain_name(name: str) -> bool:
    """Tell whether a name can be believed: in the plain form nothing marks where it ends."""
    return _is_name(name) and "<" not in name and name.isprintable()


def _is_name(name: str) -> bool:
    return servable(name) and "\ufffd" not in name


def _from_json(text: str) -> _Entries | Failure:
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"expected {_COUNTS}; {record.detail}: {quoted(text)}")
    if is_complaint(record):
        return complaint(record, text)
    read: _Entries = {name: count_of(value) for name, value in record.items()}
    wrong = [name for name, count in read.items() if count is None or not _is_name(name)]
    if wrong and (2 * len(wrong) > len(read) or not _OF_A_RECORD.isdisjoint(map(str.casefold, read))):
        value = record[wrong[0]]
        shown = value if isinstance(value, str | int | float) else "…"
        return Failure(Reason.DECODE, f"expected a node and its count, got {quoted(f'{wrong[0]}: {shown}')}")
    read = _without_twins(read)
    named = {name: count for name, count in read.items() if _is_name(name)}
    return named if len(named) == len(read) else {**named, "": None}


def _without_twins(entries: _Entries) -> _Entries:
    """Drop PHP's positional twins, where there is one to each name, in order, with the same count (seen)."""
    named = [name for name in entries if not name.isdecimal()]
    if "0" not in entries or len(entries) != 2 * len(named):
        return entries
    if any(entries.get(str(position), -1) != entries[name] for position, name in enumerate(named)):
        return entries
    return {name: entries[name] for name in named}


def _counts(entries: _Entries, text: str, total_name: str | None) -> Counts | Failure:
    if any(name.casefold() in ENVELOPE_NAMES for name in entries):
        return Failure(Reason.DECODE, f"not all of the names are those of nodes: {quoted(text)}")
    if len(entries) > MOST_NODES:
        return Failure(Reason.TOO_LARGE, f"the answer names more than {MOST_NODES:,} nodes")
    totals = [name for name in entries if _is_total(name, total_name)]
    if len(totals) > 1:
        return Failure(Reason.DECODE, f"more than one total: {quoted(', '.join(totals))}; set `total_name`")
    total = entries.pop(totals[0]) if totals else None
    unread_total = bool(totals) and total is None
    nodes = {name: count for name, count in entries.items() if count is not None and name}
    if len(nodes) == len(entries) and not unread_total:
        return Counts(total=total, nodes=nodes)
    uncounted = frozenset(entries.keys() - nodes.keys() - {""})
    nameless = int("" in entries)
    named = [*totals[:unread_total], *sorted(uncounted)]
    first = f"the count of {quoted(named[0])}" if named else "the name of an entry"
    skipped = Skipped(len(named) + nameless, nameless, f"{first} cannot be read")
    return Counts(total, nodes, uncounted, skipped=skipped)


def _is_total(name: str, total_name: str | None) -> bool:
    if total_name is not None:
        return name == total_name
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split()) in TOTAL_NAMES
