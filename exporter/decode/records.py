"""Read lists of records. A Failure never quotes the list, which contains credentials.

``read_rows`` passes the cells of each row to a function. ``columns`` declares the cells, and the names that a
switch may use for them. Whichever format was requested, these are accepted:

- an array of records, or an object of records, whose keys are the cells of ``KEY``
- if a column has the name ``VALUE``: an object of values, or ``key: value`` pairs separated by ``|``
- a table with a header
- if the layout has ``twice``: lines without a header that contain every value twice

``name_of`` reads a cell that a request may contain, ``text_of`` one with a word, ``display_of`` one to show.
Columns are found by name, so a record may also contain its values by position.

An unreadable row is skipped and counted. The whole list is a Failure if

- it is truncated (the JSON or the last line of the table ends early): what is missing is unknown;
- it is an error message, or the header of the table lacks a column;
- more than half of the rows are unreadable: it is probably a different list or format;
- it has more rows than any installation has (``too_large``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from json import JSONDecoder

from exporter.decode.classify import ENVELOPE_NAMES, unread
from exporter.decode.columns import ABSENT, KEY, VALUE, Cells, Column, Layout, cells_of
from exporter.decode.plain_rows import Row, header_of, plain_rows
from exporter.decode.text import BROKEN, UNREADABLE, BrokenOffError, Pairs, Windows, elements, record_decoder
from exporter.decode.values import LONGEST_LABEL, UNSERVABLE, label
from exporter.model import Content, Failure, Reason, Skipped

REPEATED = Column("", "")
"""Returned by ``take`` for a row with the key of an earlier row."""


_NAMED = 10
"""Unreadable rows that are described individually."""

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
        for row in _from_json(windows, layout) if first and first in "[{" else plain_rows(windows, layout):
            if isinstance(row, Failure):
                return row
            if failure := tally.give_up():
                return failure
            tally.add(row)
    except BrokenOffError as error:
        return Failure(Reason.DECODE, f"expected {layout.name}; {error} after row {tally.rows:,}")
    if first == "{" and tally.rows and not tally.has_cells:
        return _not_this_list(windows, layout)
    return tally.verdict()


def text_of(cell: object) -> str | None:
    """Return the text of a cell: "" if it is blank or null, None if it cannot be a label."""
    return "" if cell is None or (isinstance(cell, str) and not cell.strip()) else label(cell)


def display_of(cell: object) -> str:
    """Return the text of a cell for display; "" for anything but a text or a whole number.

    What a label cannot contain is replaced or cut off: a broken name does not make its row unreadable.
    """
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return ""
    return UNSERVABLE.sub("\ufffd", str(cell).strip()[:LONGEST_LABEL])


def name_of(cell: object) -> str | None:
    """Return the name in a cell, or None if it is unreadable.

    A name with an undecodable byte counts as unreadable: no request can contain it.
    """
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
    errors: list[str] = field(default_factory=list)
    has_cells: bool = False

    def add(self, row: Sequence[object] | str) -> None:
        """Pass a row to ``take``, or count it as unreadable."""
        if isinstance(row, str):
            self.skip(row)
            return
        self.has_cells = True
        columns = self.layout.columns
        cells = [
            (UNREADABLE if column.required else None) if cell is ABSENT else cell
            for column, cell in zip(columns, row, strict=True)
        ]
        wrong = self.take(cells)
        if wrong is None:
            self.rows += 1
        elif wrong is REPEATED:
            self.skip(f"the {self.layout.key.title} of an earlier row", nameless=False)
        else:
            unreadable = (column for column, cell in zip(columns, cells, strict=True) if cell is UNREADABLE)
            column = next(unreadable, wrong)
            cell = row[columns.index(column)]
            how = "no" if cell is ABSENT or cell is None or cell == "" else "an unreadable"
            self.skip(f"{how} {column.title}", nameless=wrong is self.layout.key)

    def skip(self, wrong: str, *, nameless: bool = True) -> None:
        """Count an unreadable row."""
        self.rows += 1
        self.bad += 1
        self.nameless += nameless
        if len(self.errors) < _NAMED:
            self.errors.append(f"row {self.rows:,} has {wrong}")

    def verdict(self) -> Skipped | Failure | None:
        if not self.bad:
            return None
        if 2 * self.bad > self.rows:
            return self.mostly_bad()
        first, *more = self.errors
        return Skipped(self.bad, self.nameless, f"{self.layout.name}: {first}", tuple(more))

    def mostly_bad(self) -> Failure:
        return Failure(
            Reason.DECODE,
            f"{self.bad:,} of {self.rows:,} rows of {self.layout.name} are unreadable: {self.errors[0]}",
        )

    def give_up(self) -> Failure | None:
        """Return a Failure if the list has too many rows, or too many unreadable ones, to continue."""
        if self.rows >= self.layout.most:
            return Failure(Reason.TOO_LARGE, f"{self.layout.name} has more than {self.layout.most:,} rows")
        return self.mostly_bad() if self.bad >= _GIVE_UP and 2 * self.bad > self.rows else None


@cache
def _decoder(columns: tuple[Column, ...]) -> JSONDecoder:
    return record_decoder(lambda pairs: cells_of(pairs, columns))


def _from_json(windows: Windows, layout: Layout) -> Iterator[Row]:
    for name, element in elements(windows, _decoder(layout.columns), of_values=layout.has_values):
        if isinstance(element, tuple):
            yield _with_key(element, name, layout)
        elif name.casefold() in ENVELOPE_NAMES:  # {"error": "No id specified"}
            yield _not_this_list(windows, layout)
        elif element is BROKEN:
            yield "malformed JSON"
        elif layout.has_values and name:
            yield cells_of([(KEY, name), (VALUE, element)], layout.columns)
        else:
            yield "no columns"


def _with_key(cells: Cells, key: str, layout: Layout) -> Cells:
    if not key or not layout.has_keys:
        return cells
    columns = zip(layout.columns, cells, strict=True)
    return tuple(key if cell is ABSENT and KEY in column.names else cell for column, cell in columns)


_RECORDS = 100
"""Records in which a column is looked for: some may lack it."""


def fields_of(body: Content, layout: Layout) -> Mapping[Column, str]:
    """Return the name that each column has in a response, "" if it is missing; nothing without records."""
    found: dict[Column, str] = {}
    windows = Windows(body)
    is_json = windows.skip_blanks() in {"[", "{"}
    for names in _names_in_json(windows, layout) if is_json else _names_in_header(windows, layout):
        for column, name in zip(layout.columns, names, strict=True):
            found[column] = found.get(column) or (name if isinstance(name, str) else "")
    return {column: name for column, name in found.items() if column.fields}


def _names(pairs: Pairs, layout: Layout) -> Cells:
    return cells_of([(name, name) for name, _ in pairs], layout.columns)


def _names_in_json(windows: Windows, layout: Layout) -> Iterator[Cells]:
    decoder = record_decoder(lambda pairs: _names(pairs, layout))
    try:
        for _, element in islice(elements(windows, decoder), _RECORDS):
            if isinstance(element, tuple):
                yield element
    except BrokenOffError:
        return


def _names_in_header(windows: Windows, layout: Layout) -> Iterator[Cells]:
    try:
        header = header_of(windows.line() or "")
    except BrokenOffError:
        return
    names = _names([(name, None) for name in header], layout)
    if any(name is not ABSENT for name in names):
        yield names
