"""The extensions of each tenant: INFO extensions (seen in JSON and as a table, wire notes 2026-10)."""

from collections.abc import Sequence

from pydantic import Field

from exporter.decode.records import REPEATED, Column, Layout, interning, name_of, read_rows, text_of
from exporter.decode.windows import Windows
from exporter.decode.words import Words, lookup, state_of
from exporter.fields import Interval, Section, parse_duration
from exporter.model import Extension, Extensions, Failure, Query, Registration
from exporter.queries.spec import Endpoint, QuerySpec
from exporter.request import Operation

NOTE = "a list with about 3.4 kB for each extension"

MOST_EXTENSIONS = 25_000
"""Of one tenant. 64 MiB, the most that is read, hold 19,700 records as they were seen (3.4 kB)."""

_NUMBER = Column("ex_number", "Number")
_STATE = Column("st_state", "State")
_LAYOUT = Layout("the list of extensions", (_NUMBER, _STATE), key=_NUMBER, most=MOST_EXTENSIONS)


class ExtensionsQuery(Section):
    """Discovery of the extensions of each tenant."""

    tenant_interval: Interval = Field(
        parse_duration("6h"),
        description="How often the list of extensions is asked, of tenants with `extensions: all`.",
        examples=["1d"],
    )


def read_extensions(windows: Windows, words: Words) -> Extensions | Failure:
    """Read number and state of each extension. ``words`` are those of the configuration.

    An extension whose state cannot be read, or that is listed twice with different states, is unknown, and so
    is one with a word that is in no table.
    """
    known, once = lookup(words), interning()
    extensions: dict[str, Extension] = {}

    def take(cells: Sequence[object]) -> Column | None:
        number, word = name_of(cells[0]), text_of(cells[1])
        if number is None:
            return _NUMBER
        row = Extension(number, state_of(known, word), once(word))
        before = extensions.setdefault(number, row)
        if before is not row:
            if before.state is not row.state:
                extensions[number] = Extension(number, Registration.UNKNOWN, "")
            return REPEATED
        return None if word is not None else _STATE

    skipped = read_rows(windows, _LAYOUT, take)
    if isinstance(skipped, Failure):
        return skipped
    return Extensions(tuple(extensions.values()), skipped=skipped)


def _read(windows: Windows, _: ExtensionsQuery) -> Extensions | Failure:
    return read_extensions(windows, {})


SPEC = QuerySpec(
    query=Query.EXTENSIONS,
    summary="Discovery of extensions (INFO extensions).",
    section=ExtensionsQuery,
    tenant=Endpoint(operation=Operation.EXTENSIONS, rows=_read, fills=None, note=NOTE),
    start=0.92,
    finds=True,
    series=0,
    unused="no list of extensions is needed, because no tenant has extensions: all, or `source` gives it",
)
