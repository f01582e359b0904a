"""Lists of records, as JSON or as a table. No failure here quotes anything: lists hold credentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from json import JSONDecoder

from exporter.decode.complaints import unread
from exporter.decode.documents import parse, record_decoder
from exporter.model import Failure, Reason


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be kept: its name in JSON, its name in a table, and whether it must be there."""

    json: str
    plain: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """What a list is called in a failure, and the columns to be kept of it."""

    name: str
    columns: tuple[Column, ...]


Rows = list[tuple[object, ...]]


def read_rows(text: str, layout: Layout) -> Rows | Failure:
    """Return the cells of each row, in the order of the layout's columns; None where one is not there."""
    if text == "]":  # an empty list (seen, wire notes 2026-10)
        return []
    return _from_json(text, layout) if text.startswith(("[", "{")) else _from_table(text, layout)


def broken_row(layout: Layout, position: int, what: str) -> Failure:
    """Return the failure for a row; ``position`` counts from 0."""
    return Failure(Reason.DECODE, f"row {position + 1:,} of {layout.name} has {what}")


@cache
def _decoder(layout: Layout) -> JSONDecoder:
    return record_decoder(
        required=[column.json for column in layout.columns if column.required],
        optional=[column.json for column in layout.columns if not column.required],
    )


def _from_json(text: str, layout: Layout) -> Rows | Failure:
    document = parse(text, _decoder(layout))
    if isinstance(document, Failure):
        return Failure(document.reason, f"{layout.name} was due; {document.detail}")
    records = _records(document)
    if records is None:
        return unread(text, layout.name, shown=False)
    rows: Rows = []
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            return broken_row(layout, position, "no columns")
        for column in layout.columns:
            if column.required and column.json not in record:
                return broken_row(layout, position, f"no {column.json}")
        rows.append(tuple(record.get(column.json) for column in layout.columns))
    return rows


def _records(document: object) -> list[object] | None:
    """Return the records of a list, or of an object that holds nothing but records."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and all(isinstance(record, dict) for record in document.values()):
        return list(document.values())
    return None


def _from_table(text: str, layout: Layout) -> Rows | Failure:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    header = [name.casefold() for name in _cells(lines[0].removesuffix("|"))]
    positions = {column: _position(header, column) for column in layout.columns}
    if all(position is None for position in positions.values()):
        return unread(text, layout.name, shown=False)
    for column, position in positions.items():
        if position is None and column.required:
            return Failure(Reason.DECODE, f"the table of {layout.name} has no column {column.plain}, or two")
    rows: Rows = []
    for number, line in enumerate(lines[1:]):
        # A ``|`` at the end closes the last cell, unless it opens one that the header has.
        cells = _cells(line.removesuffix("|") if line.count("|") == len(header) else line)
        if len(cells) != len(header):
            return broken_row(layout, number, f"{len(cells)} cells where the header has {len(header)}")
        rows.append(tuple(None if position is None else cells[position] for position in positions.values()))
    return rows


def _position(header: Sequence[str], column: Column) -> int | None:
    name = column.plain.casefold()
    return header.index(name) if header.count(name) == 1 else None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]
