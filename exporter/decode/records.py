"""Read lists of records, as JSON or as a table. A Failure never quotes the list, which contains credentials.

An unreadable row is skipped and counted. The whole list is a Failure if

- it is truncated (the JSON ends early, or the last line of the table does): what is missing is unknown;
- it is an error message, or the header of the table lacks a column;
- more than half of the rows are unreadable: it is probably a different list or format;
- it has more rows than any installation has (``too_large``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from json import JSONDecoder

from exporter.decode.classify import ENVELOPE_NAMES, unread
from exporter.decode.text import BROKEN, UNREADABLE, BrokenOffError, Windows, elements, record_decoder
from exporter.decode.values import label
from exporter.model import Failure, Reason, Skipped


@dataclass(frozen=True, slots=True)
class Column:
    """A column to keep: its name in JSON, its name in a table, and whether it is required."""

    json: str
    plain: str
    required: bool = True


REPEATED = Column("", "")
"""Returned by ``take`` for a row with the key of an earlier row."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of list.

    ``name`` is its name in failures, ``key`` the column that identifies a row, ``most`` the maximum number of
    rows. Only ``columns`` are kept.
    """

    name: str
    columns: tuple[Column, ...]
    key: Column
    most: int


_LONGEST_HEADER = 16 * 1024

_GIVE_UP = 100
"""Stop reading after this many unreadable rows, if they are more than half of all rows so far."""

Take = Callable[[Sequence[object]], Column | None]
"""Receives the cells of a row in the order of the columns; a missing required cell is ``UNREADABLE``.
Returns None if the row is valid, else the unreadable column or ``REPEATED``. It returns no error message,
because the message would be logged and might quote the row."""


def read_rows(windows: Windows, layout: Layout, take: Take) -> Skipped | Failure | None:
    """Pass each row to ``take``; return which rows were skipped, or None."""
    first = windows.skip_blanks()
    if windows.start() == "]":  # an empty list (seen, wire notes 2026-10)
        return None
    tally = _Tally(layout, take)
    try:
        failure = (_from_json if first and first in "[{" else _from_table)(windows, tally)
    except BrokenOffError as error:
        return Failure(Reason.DECODE, f"expected {layout.name}; {error} after row {tally.rows:,}")
    if failure is None and first == "{" and tally.rows and not tally.has_records:
        return _not_this_list(windows, layout)
    return failure or tally.verdict()


def text_of(cell: object) -> str | None:
    """Return the text of a cell: "" if it is blank or null, None if it cannot be a label."""
    return "" if cell is None or (isinstance(cell, str) and not cell.strip()) else label(cell)


def name_of(cell: object) -> str | None:
    """Return the name in a cell, or None if it has an undecodable byte, so that no request can contain it."""
    name = label(cell)
    return None if name is None or "\ufffd" in name else name


def interning() -> Callable[[str | None], str]:
    """Return a function that returns the same object for equal texts: 300,000 peers share a few words."""
    texts: dict[str, str] = {}
    return lambda text: texts.setdefault(text, text) if text else ""


def _not_this_list(windows: Windows, layout: Layout) -> Failure:
    return unread(windows.start(), layout.name, may_quote=False)


@dataclass(slots=True)
class _Tally:
    """Counts the rows of a list, and the unreadable ones."""

    layout: Layout
    take: Take
    rows: int = 0
    bad: int = 0
    nameless: int = 0
    first: str = ""
    has_records: bool = False

    def add(self, cells: Sequence[object]) -> None:
        """Pass a row to ``take``."""
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
        """Count an unreadable row."""
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
            f"{self.bad:,} of {self.rows:,} rows of {self.layout.name} are unreadable: {self.first}",
        )

    def give_up(self) -> Failure | None:
        """Return a Failure if the list has too many rows, or too many unreadable ones, to read on."""
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
        if failure := tally.give_up():
            return failure
        if isinstance(element, dict):
            tally.has_records = True
            tally.add([element.get(column.json, absent) for column, absent in columns])
        elif name.casefold() in ENVELOPE_NAMES:  # {"error": "No id specified"}
            return _not_this_list(windows, layout)
        else:
            tally.skip("malformed JSON" if element is BROKEN else "no columns")
    return None


def _from_table(windows: Windows, tally: _Tally) -> Failure | None:
    layout = tally.layout
    lines = _lines(windows)
    head = next(lines, "")[:_LONGEST_HEADER]
    header = [name.casefold() for name in _cells(head.removesuffix("|"))]
    positions = {column: _position(header, column) for column in layout.columns}
    if all(position is None for position in positions.values()):
        return _not_this_list(windows, layout)
    for column, position in positions.items():
        if position is None and column.required:
            return Failure(
                Reason.DECODE, f"the table of {layout.name} must have exactly one column {column.plain}"
            )
    tally.has_records = True
    is_cut_off = False
    for line in lines:
        if failure := tally.give_up():
            return failure
        # As many ``|`` as columns: the last one ends the row. One fewer: an empty last cell follows it.
        row = line.removesuffix("|") if line.count("|") == len(header) else line
        found = row.count("|") + 1
        is_cut_off = found < len(header)
        if found == len(header):
            cells = _cells(row)
            tally.add([None if position is None else cells[position] for position in positions.values()])
        else:
            tally.skip(f"{found:,} of {len(header)} cells")
    if is_cut_off:
        return Failure(Reason.DECODE, f"{layout.name} is truncated in row {tally.rows:,}")
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
