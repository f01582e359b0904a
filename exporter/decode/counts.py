"""Peers and channels, counted by node or in all."""

from exporter.decode.complaints import ENVELOPE_NAMES, complaint, is_complaint, rejected, unread
from exporter.decode.documents import parse_record
from exporter.decode.excerpts import quoted
from exporter.decode.labels import servable
from exporter.decode.numbers import TRAILING, count_of
from exporter.decode.options import Options
from exporter.model import Counts, Failure, Reason, Skipped

TOTAL_NAMES = frozenset(
    {
        "total",
        "totals",
        "tot",
        "sum",
        "all",
        "overall",
        "grand total",
        "total peers",
        "total channels",
        "totale",
        "gesamt",
    }
)
"""Names of the total among the nodes, in lower case, with blanks for ``_`` and ``-``.

The vendor's reference promises "each node and the total" and does not say how the total is named
(reqtype=HELP). Inferred; ``total_name`` in the configuration replaces them all.
"""

MOST_NODES = 1_000
"""Of one installation; 50 were seen (wire notes 2026-10)."""

_DUE = "a count, or `node:count` pairs,"

_OF_A_RECORD = frozenset({"node", "nodename", "name", "id", "count", "server", "host"})
"""Names of the members of one record, in lower case: no node is called so beside a value that is no count."""

_Entries = dict[str, int | None]
"""The count of each node, None where it cannot be read. "" holds the place of all whose name cannot be."""


def decode_counts(text: str, options: Options) -> Counts | Failure:
    """COUNTPEERS (seen), COUNTCHANNELS (inferred): pairs of node and count, with a total, or one number.

    A node whose count cannot be read costs that node, and the sum, unless a total is stated. All of it is a
    failure where the answer breaks off, where it is an error message or a record, or where more than half of
    the entries cannot be read. In the plain form, in which nothing marks where a name ends, half are enough.
    """
    bare = count_of(text.rstrip(TRAILING))
    if bare is not None:
        return Counts(total=bare, nodes=None)
    entries = _from_json(text) if text.startswith(("{", "[")) else _from_plain(text, options)
    return entries if isinstance(entries, Failure) else _counts(entries, text, options)


def _from_plain(text: str, options: Options) -> _Entries | Failure:
    parts = [part.rpartition(":") for part in text.rstrip(TRAILING).split("|")]
    pairs = [(name.strip(), count_of(count)) for name, _, count in parts]
    if all(count is None for _, count in pairs):
        return unread(text, _DUE)
    match pairs:
        case [(name, _)] if "|" not in text and len(name.split()) > 1 and not _is_total(name, options):
            return rejected(text)  # "Sorry, try again at 12:30"
    bad = sum(count is None or not _is_plain_name(name) for name, count in pairs)
    if 2 * bad >= len(pairs) or pairs[-1][1] is None:
        return Failure(Reason.DECODE, f"expected {_DUE} got {quoted(text)}")
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
        return Failure(record.reason, f"expected {_DUE} but {record.detail}: {quoted(text)}")
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


def _counts(entries: _Entries, text: str, options: Options) -> Counts | Failure:
    if any(name.casefold() in ENVELOPE_NAMES for name in entries):
        return Failure(Reason.DECODE, f"not all of the names are those of nodes: {quoted(text)}")
    if len(entries) > MOST_NODES:
        return Failure(Reason.TOO_LARGE, f"the answer names more than {MOST_NODES:,} nodes")
    totals = [name for name in entries if _is_total(name, options)]
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
    return Counts(total, nodes, uncounted, skipped)


def _is_total(name: str, options: Options) -> bool:
    if options.total_name is not None:
        return name == options.total_name
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split()) in TOTAL_NAMES
