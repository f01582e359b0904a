"""The columns of a list, and the names that a switch may give them."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.decode.text import Record, one_record

KEY = "(key)"
"""A name for ``Column``: the key of a record or value, in an object of records or values."""

VALUE = "(value)"
"""A name for ``Column``: the value itself, if the list is an object of values, such as queue id → name."""

ABSENT = object()
"""The cell of a column that a record does not have."""


@dataclass(frozen=True, slots=True, init=False)
class Column:
    """A column to keep: the names that it may have, and whether it is required.

    The first of its names that a record or table has wins. Case is ignored, but an exact match takes
    precedence. If a record has several inexact matches, the cell is ``UNREADABLE``.
    """

    names: tuple[str, ...]
    required: bool

    def __init__(self, *names: str, required: bool = True) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "required", required)

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.names[0]

    @property
    def fields(self) -> tuple[str, ...]:
        """Its names without ``KEY`` and ``VALUE``."""
        return tuple(name for name in self.names if name not in {KEY, VALUE})


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of list.

    ``name`` is its name in failures, ``key`` the column that identifies a row, ``most`` the maximum number of
    rows. Only ``columns`` are kept. ``twice``: the names of all fields, in order, if the plain form has no
    header and contains every value twice.
    """

    name: str
    columns: tuple[Column, ...]
    key: Column
    most: int
    twice: tuple[str, ...] = ()

    @property
    def has_keys(self) -> bool:
        """Whether the key of a record in an object of records is a cell."""
        return any(KEY in column.names for column in self.columns)

    @property
    def has_values(self) -> bool:
        """Whether a row may be a single value with a key."""
        return any(VALUE in column.names for column in self.columns)


Cells = tuple[object, ...]


def cells_of(pairs: Sequence[tuple[str, object]], columns: Sequence[Column]) -> Cells:
    """Return the cell of each column, ``ABSENT`` if there is none."""
    record = one_record(pairs)
    folded: Record = {}

    def find(name: str) -> object:
        if name in record:
            return record[name]
        if not folded:  # built lazily: an extension has about 148 fields (seen, wire notes 2026-10)
            folded.update(one_record([(other.casefold(), cell) for other, cell in pairs]))
        return folded.get(name.casefold(), ABSENT)

    def cell(column: Column) -> object:
        found = map(find, column.names)
        return next((cell for cell in found if cell is not ABSENT), ABSENT)

    return tuple(map(cell, columns))
