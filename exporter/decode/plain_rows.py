"""Read lists in the plain form: a table with a header, pairs, or records with every value twice."""

from collections.abc import Iterator, Sequence
from itertools import chain

from exporter.decode.classify import ENVELOPE_NAMES, noise, unread
from exporter.decode.columns import ABSENT, KEY, VALUE, Cells, Column, Layout, cells_of
from exporter.decode.text import BrokenOffError, Windows
from exporter.model import Failure, Reason

_LONGEST_HEADER = 16 * 1024

Row = Cells | str | Failure
"""The cells of a row in the order of the columns, or what is wrong with it; a Failure ends the list."""


def plain_rows(windows: Windows, layout: Layout) -> Iterator[Row]:
    """Yield the rows. Raises BrokenOffError if the text is truncated."""
    lines = _lines(windows)
    head = next(lines, "")
    header = header_of(head)
    positions = cells_of([(name, at) for at, name in enumerate(header)], layout.columns)
    if any(isinstance(position, int) for position in positions):
        yield from _table(lines, len(header), positions, layout.columns, layout.name)
    elif layout.twice and "|" in head:
        yield from _records_twice(chain([head], lines), windows.start(), layout)
    elif layout.has_values and _starts_with_a_pair(head):
        yield from _pairs(chain([head], lines), windows.start(), layout)
    elif any(position is not ABSENT for position in positions):
        columns = zip(layout.columns, positions, strict=True)
        yield _not_one(next(column for column, position in columns if position is not ABSENT), layout.name)
    else:
        yield unread(windows.start(), layout.name, may_quote=False)


def _lines(windows: Windows) -> Iterator[str]:
    while (line := windows.line()) is not None:
        if stripped := line.strip():
            yield stripped


def header_of(line: str) -> list[str]:
    """Return the names in the header of a table."""
    return _split(line.strip()[:_LONGEST_HEADER].removesuffix("|"))


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _not_one(column: Column, name: str) -> Failure:
    return Failure(Reason.DECODE, f"{name} must have exactly one column {column.names[-1]}")


def _table(
    lines: Iterator[str], width: int, positions: Cells, columns: Sequence[Column], name: str
) -> Iterator[Row]:
    for column, position in zip(columns, positions, strict=True):
        if not isinstance(position, int) and column.required:
            yield _not_one(column, name)
    is_cut_off = False
    for line in lines:
        # With as many ``|`` as columns, the last one ends the row. With one fewer, an empty cell follows.
        row = line.removesuffix("|") if line.count("|") == width else line
        found = row.count("|") + 1
        is_cut_off = found < width
        if found == width:
            cells = _split(row)
            yield tuple(cells[at] if isinstance(at, int) else ABSENT for at in positions)
        else:
            yield f"{found:,} of {width} cells"
    if is_cut_off:
        raise BrokenOffError


def _records_twice(lines: Iterator[str], start: str, layout: Layout) -> Iterator[Row]:
    """Yield records that contain every value twice: by position, then by name (seen, wire notes).

    It is unknown whether each record has its own line, and whether position and name precede the value. All
    of these forms are accepted. A record is valid only if each value equals its twin, so a wrong guess yields
    no rows.
    """
    if wrong := noise(start, may_quote=False):
        yield wrong
    width = 2 * len(layout.twice)
    is_cut_off = False
    for line in lines:
        cells = _split(line)
        if len(cells) % width == 1 and not cells[-1]:  # the trailing ``|``
            cells.pop()
        for at in range(0, len(cells), width):
            record = cells[at : at + width]
            is_cut_off = len(record) < width
            values = None if is_cut_off else _without_twins(record, layout.twice)
            if values is None:
                yield f"{len(record)} cells, expected {len(layout.twice)} values, each twice"
            elif values != list(layout.twice):  # a header
                yield cells_of(list(zip(layout.twice, values, strict=True)), layout.columns)
    if is_cut_off:
        raise BrokenOffError


def _without_twins(cells: Sequence[str], names: Sequence[str]) -> list[str] | None:
    first = [cell.removeprefix(f"{at}:").strip() for at, cell in enumerate(cells[::2])]
    second = [cell.removeprefix(f"{name}:").strip() for name, cell in zip(names, cells[1::2], strict=True)]
    return first if first == second else None


def _pairs(lines: Iterator[str], start: str, layout: Layout) -> Iterator[Row]:
    """Yield ``key: value`` pairs separated by ``|`` (seen, wire notes). A value may contain commas."""
    if wrong := noise(start, may_quote=False):
        yield wrong
    has_colon = True
    for line in lines:
        for pair in line.rstrip("| \t").split("|"):
            key, colon, value = map(str.strip, pair.partition(":"))
            has_colon = bool(colon)
            is_pair = has_colon and _is_key(key)
            yield cells_of([(KEY, key), (VALUE, value)], layout.columns) if is_pair else "no pair"
    if not has_colon:
        raise BrokenOffError


def _starts_with_a_pair(head: str) -> bool:
    key, colon, _ = head.partition("|")[0].partition(":")
    return bool(colon) and _is_key(key.strip())


def _is_key(key: str) -> bool:
    """Return whether a text is an id, and not the start of a sentence or the name of an error."""
    return key != "" and not any(map(str.isspace, key)) and key.casefold() not in ENVELOPE_NAMES
