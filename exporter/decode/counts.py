"""Peers and channels, counted by node or in all."""

from exporter.decode.complaints import ENVELOPE_NAMES, complaint, is_complaint, rejected, unread
from exporter.decode.documents import parse_record
from exporter.decode.excerpts import quoted
from exporter.decode.labels import servable
from exporter.decode.numbers import TRAILING, count_of
from exporter.decode.options import Options
from exporter.model import Counts, Failure, Reason

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

_DUE = "a count, or `node:count` pairs,"


def decode_counts(text: str, options: Options) -> Counts | Failure:
    """COUNTPEERS (seen), COUNTCHANNELS (inferred): pairs of node and count, with a total, or one number."""
    bare = count_of(text.rstrip(TRAILING))
    if bare is not None:
        return Counts(total=bare, nodes=None)
    entries = _from_json(text) if text.startswith(("{", "[")) else _from_plain(text, options)
    return entries if isinstance(entries, Failure) else _counts(entries, text, options)


def _from_plain(text: str, options: Options) -> dict[str, int] | Failure:
    parts = [part.rpartition(":") for part in text.rstrip(TRAILING).split("|")]
    pairs = [(name.strip(), count_of(count)) for name, _, count in parts]
    if all(count is None for _, count in pairs):
        return unread(text, _DUE)
    match pairs:
        case [(name, _)] if "|" not in text and len(name.split()) > 1 and not _is_total(name, options):
            return rejected(text)  # "Sorry, try again at 12:30"
    entries: dict[str, int] = {}
    for name, count in pairs:
        if count is None or not _is_plain_name(name):
            return Failure(Reason.DECODE, f"{_DUE} was due, one of them is not: {quoted(text)}")
        if name in entries:
            return Failure(Reason.DECODE, f"the node {quoted(name)} is there twice")
        entries[name] = count
    return complaint(entries, text) if is_complaint(entries) else entries


def _is_plain_name(name: str) -> bool:
    """Tell whether a name can be believed: in the plain form nothing marks where it ends."""
    return servable(name) and "<" not in name and name.isprintable()


def _from_json(text: str) -> dict[str, int] | Failure:
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"{_DUE} was due; {record.detail}: {quoted(text)}")
    if is_complaint(record):
        return complaint(record, text)
    entries: dict[str, int] = {}
    for name, value in record.items():
        count = count_of(value)
        if count is None or not servable(name):
            shown = "…" if isinstance(value, dict | list) else value
            return Failure(Reason.DECODE, f"a node and its count was due, {quoted(f'{name}: {shown}')} came")
        entries[name] = count
    return _without_twins(entries)


def _without_twins(entries: dict[str, int]) -> dict[str, int]:
    """Drop PHP's positional twins, where there is one to each name, in order, with the same count (seen)."""
    named = [name for name in entries if not name.isdecimal()]
    if "0" not in entries or len(entries) != 2 * len(named):
        return entries
    if any(entries.get(str(position)) != entries[name] for position, name in enumerate(named)):
        return entries
    return {name: entries[name] for name in named}


def _counts(entries: dict[str, int], text: str, options: Options) -> Counts | Failure:
    if any(name.casefold() in ENVELOPE_NAMES for name in entries):
        return Failure(Reason.DECODE, f"not all of the names are those of nodes: {quoted(text)}")
    match [name for name in entries if _is_total(name, options)]:
        case []:
            return Counts(total=None, nodes=entries)
        case [name]:
            return Counts(total=entries.pop(name), nodes=entries)
        case names:
            return Failure(
                Reason.DECODE, f"more than one total: {quoted(', '.join(names))}; set `total_name`"
            )


def _is_total(name: str, options: Options) -> bool:
    if options.total_name is not None:
        return name == options.total_name
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split()) in TOTAL_NAMES
