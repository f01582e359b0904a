"""The extensions of a tenant: INFO extensions (seen as JSON and as a table, wire notes 2026-10)."""

from collections.abc import Sequence
from dataclasses import replace

from exporter.decode.columns import Column, Layout
from exporter.decode.records import REPEATED, interning, name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.fields import Interval, Section
from exporter.model import Extension, Extensions, Failure, Query, Registration, Technology
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.queries.words import Words, lookup, state_of
from exporter.request import Operation

NOTE = "a list of about 3.4 kB per extension"

MOST_EXTENSIONS = 25_000
"""Per tenant. The body limit of 64 MiB holds 19,700 records of the size that was seen (3.4 kB)."""

_NUMBER = Column("ex_number", "Number")
_STATE = Column("st_state", "State")
_TECHNOLOGY = Column("ex_tech", "Tech", required=False)
_COLUMNS = (_NUMBER, _STATE, _TECHNOLOGY)
LAYOUT = Layout("the list of extensions", _COLUMNS, key=_NUMBER, most=MOST_EXTENSIONS)

# Discovery needs no states. The list of an integrator has only ids, numbers and names (wire notes 2026-10).
_ANY_STATE = Column(*_STATE.names, required=False)
_DISCOVERY = replace(LAYOUT, columns=(_NUMBER, _ANY_STATE, _TECHNOLOGY))

_TECHNOLOGIES = {technology.value: technology for technology in Technology}


class ExtensionsQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every(
        "6h", "How often to request the list of extensions of tenants with `extensions: all`.", example="1d"
    )


def read_extensions(windows: Windows, words: Words, layout: Layout = LAYOUT) -> Extensions | Failure:
    """Read number, state and technology of each extension. ``words`` come from the configuration.

    ``layout``: of another list, whose columns are the number, the state and maybe the technology. An
    extension is unknown if its state is unreadable, if its word is unknown, or if it is listed twice with
    different states or technologies.
    """
    known, once = lookup(words), interning()
    number_column, state_column, *_ = layout.columns
    extensions: dict[str, Extension] = {}

    def take(cells: Sequence[object]) -> Column | None:
        number, word = name_of(cells[0]), text_of(cells[1])
        if number is None:
            return number_column
        technology = _technology_of(cells[2]) if cells[2:] else None
        row = Extension(number, state_of(known, word), once(word), technology)
        before = extensions.setdefault(number, row)
        if before is not row:
            if (before.state, before.technology) != (row.state, row.technology):
                extensions[number] = Extension(number, Registration.UNKNOWN, "")
            return REPEATED
        return None if word is not None else state_column

    skipped = read_rows(windows, layout, take)
    if isinstance(skipped, Failure):
        return skipped
    return Extensions(tuple(extensions.values()), skipped=skipped)


def _technology_of(cell: object) -> Technology | None:
    word = text_of(cell)
    return _TECHNOLOGIES.get(word.casefold(), Technology.OTHER) if word else None


SPEC = QuerySpec(
    query=Query.EXTENSIONS,
    summary="Extension discovery (INFO extensions).",
    section=ExtensionsQuery,
    tenant=Endpoint(
        operation=Operation.EXTENSIONS,
        rows=lambda windows, _: read_extensions(windows, {}, _DISCOVERY),
        fills=None,
        note=NOTE,
        layout=lambda _: _DISCOVERY,
    ),
    start=0.92,
    finds=True,
    parts_of=Query.REGISTRATIONS,
    series=1,  # the state not_applicable
    unused="no tenant has `extensions: all`, or `source` already returns the list",
)
