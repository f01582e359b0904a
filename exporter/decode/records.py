"""Lists of records, as JSON or as a table. No failure here quotes anything: lists hold credentials.

One bad row costs that row: it is skipped and counted. The whole list is a failure where

- the document breaks off, in JSON or in the last line of a table: nobody knows what is missing;
- it is an error message, or the header of the table lacks a column;
- more than half of the rows cannot be read: then it is another list, or another format;
- there are more rows than any installation has (``too_large``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from json import JSONDecoder

from exporter.decode.classify import ENVELOPE_NAMES, unread
from exporter.decode.json_text import BROKEN, UNREADABLE, elements, record_decoder
from exporter.decode.values import label
from exporter.decode.windows import BrokenOffError, Windows
from exporter.model import Failure, Reason, Skipped


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be kept: its name in JSON, its name in a table, and whether it must be there."""

    json: str
    plain: str
    required: bool = True


REPEATED = Column("", "")
"""What ``take`` returns for a row whose key an earlier row had."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a list is called in a failure, the columns to be kept of it, and how many rows it has at most.

    ``key`` is the column that says whose row it is.
    """

    name: str
    columns: tuple[Column, ...]
    key: Column
    most: int


_LONGEST_HEADER = 16 * 1024

_GIVE_UP = 100
"""Rows that cannot be read, after which a list that is mostly such rows is not read to its end."""

Take = Callable[[Sequence[object]], Column | None]
"""Gets the cells of a row in the order of the columns, ``UNREADABLE`` where a required one is missing.
Returns the column that cannot be read, ``REPEATED``, or None where the row is fine. It cannot return a text:
that would be logged, and could quote the row."""


def read_rows(windows: Windows, layout: Layout, take: Take) -> Skipped | Failure | None:
    """Pass each row to ``take``; return which rows were skipped, None where all could be read."""
    first = windows.skip_blanks()
    if windows.start() == "]":  # an empty list (seen, wire notes 2026-10)
        return None
    tally = _Tally(layout, take)
    try:
        failure = (_from_json if first and first in "[{" else _from_table)(windows, tally)
    except BrokenOffError as error:
        return Failure(Reason.DECODE, f"expected {layout.name}; {error} after row {tally.rows:,}")
    if failure is None and first == "{" and tally.rows and not tally.has_records:
        return _other(windows, layout)
    return failure or tally.verdict()


def text_of(cell: object) -> str | None:
    """Return the text of a cell, "" where it is blank or null, and None where it cannot be a label."""
    return "" if cell is None or (isinstance(cell, str) and not cell.strip()) else label(cell)


def name_of(cell: object) -> str | None:
    """Return what a row is known by. One with a byte that is no text is none: it cannot be asked for."""
    name = label(cell)
    return None if name is None or "\ufffd" in name else name


def interning() -> Callable[[str | None], str]:
    """Return a function that returns the same object for the same text: of 300,000 words few differ."""
    texts: dict[str, str] = {}
    return lambda text: texts.setdefault(text, text) if text else ""


def _other(windows: Windows, layout: Layout) -> Failure:
    """Return the failure for what is no such list: an error message of the switch, perhaps."""
    return unread(windows.start(), layout.name, shown=False)


@dataclass(slots=True)
class _Tally:
    """Counts the rows of a list, and those that cannot be read."""

    layout: Layout
    take: Take
    rows: int = 0
    bad: int = 0
    nameless: int = 0
    first: str = ""
    has_records: bool = False

    def note(self, cells: Sequence[object]) -> None:
        """Pass on a row with its cells."""
        wrong = self.take(cells)
        if wrong is None:
            self.rows += 1
        elif wrong is REPEATED:
            self.skip(f"the {self.layout.key.plain.casefold()} of an earlier row", nameless=False)
        else:
            columns = zip(self.layout.columns, cells, strict=True)
            missing = (column.json for column, cell in columns if cell is UNREADABLE)
            self.skip(f"no {next(missing, wrong.plain.casefold())}", nameless=wrong is self.layout.key)

    def skip(self, wrong: str, *, nameless: bool = True) -> None:
        """Count a row that cannot be read."""
        self.rows += 1
        self.bad += 1
        self.nameless += nameless
        self.first = self.first or f"row {self.rows:,} has {wrong}"

    def verdict(self) -> Skipped | Failure | None:
        if not self.bad:
            return None
        if 2 * self.bad > self.rows:
            return self.mostly_bad()
        return Skipped(self.bad, self.nameless, f"{self.layout.name}: {self.first}")

    def mostly_bad(self) -> Failure:
        return Failure(
            Reason.DECODE,
            f"{self.bad:,} of {self.rows:,} rows of {self.layout.name} cannot be read: {self.first}",
        )

    def hopeless(self) -> Failure | None:
        """Return the failure where reading on is of no use."""
        if self.rows >= self.layout.most:
            return Failure(Reason.TOO_LARGE, f"{self.layout.name} has more than {self.layout.most:,} rows")
        return self.mostly_bad() if self.bad >= _GIVE_UP and 2 * self.bad > self.rows else None


@cache
def _decoder(layout: Layout) -> JSONDecoder:
    return record_decoder([column.json for column in layout.columns])


def _from_json(windows: Windows, tally: _Tally) -> Failure | None:
    layout = tally.layout
    columns = [(column, UNREADABLE if column.required else None) for column in layout.columns]
    for name, element in elements(windows, _decoder(layout)):
        if failure := tally.hopeless():
            return failure
        if isinstance(element, dict):
            tally.has_records = True
            tally.note([element.get(column.json, absent) for column, absent in columns])
        elif name.casefold() in ENVELOPE_NAMES:  # {"error": "No id specified"}
            return _other(windows, layout)
        else:
            tally.skip("JSON that cannot be read" if element is BROKEN else "no columns")
    return None


def _from_table(windows: Windows, tally: _Tally) -> Failure | None:
    layout = tally.layout
    lines = _lines(windows)
    head = next(lines, "")[:_LONGEST_HEADER]
    header = [name.casefold() for name in _cells(head.removesuffix("|"))]
    positions = {column: _position(header, column) for column in layout.columns}
    if all(position is None for position in positions.values()):
        return _other(windows, layout)
    for column, position in positions.items():
        if position is None and column.required:
            return Failure(Reason.DECODE, f"the table of {layout.name} has no column {column.plain}, or two")
    tally.has_records = True
    is_cut_off = False
    for line in lines:
        if failure := tally.hopeless():
            return failure
        # A ``|`` at the end closes the last cell, unless it opens one that the header has.
        row = line.removesuffix("|") if line.count("|") == len(header) else line
        found = row.count("|") + 1
        is_cut_off = found < len(header)
        if found == len(header):
            cells = _cells(row)
            tally.note([None if position is None else cells[position] for position in positions.values()])
        else:
            tally.skip(f"{found:,} of {len(header)} cells")
    if is_cut_off:
        return Failure(Reason.DECODE, f"{layout.name} breaks off in row {tally.rows:,}")
    return None


def _lines(windows: Windows) -> Iterator[str]:
    while (line := windows.line()) is not None:
        if stripped := line.strip():
            yield stripped


def _position(header: Sequence[str], column: Column) -> int | None:
    name = column.plain.casefold()
    return header.index(name) if header.count(name) == 1 else None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]
