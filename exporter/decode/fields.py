"""Which columns of a list a response has, for ``probe``: their names, and nothing else."""

from collections.abc import Iterator, Mapping
from itertools import islice

from exporter.decode.columns import ABSENT, Cells, Column, Layout, cells_of
from exporter.decode.plain_rows import header_of
from exporter.decode.text import BrokenOffError, Pairs, Windows, elements, record_decoder
from exporter.model import Content

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
