"""Tenant discovery: MANAGEDB tenant list. Its field names are documented; no response was seen."""

from collections.abc import Sequence

from exporter.decode.columns import Column, Layout
from exporter.decode.records import REPEATED, name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.fields import Interval, Section
from exporter.model import Failure, Query, Tenant, Tenants
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.request import Operation

MOST_TENANTS = 10_000
"""Per installation: twice the largest supported one."""

# A table is presumed to use the same names.
_CODE = Column("te_code")
_NAME = Column("te_name", required=False)
_DISABLED = Column("te_disabled", required=False)
_LAYOUT = Layout("the list of tenants", (_CODE, _NAME, _DISABLED), key=_CODE, most=MOST_TENANTS)

_YES = frozenset({"1", "on", "yes", "true"})
_NO = frozenset({"", "0", "off", "no", "false"})


class TenantsQuery(Section):
    """For the installation only."""

    interval: Interval = every(
        "6h", "How often to request the list of tenants if `discover_tenants` is enabled.", example="1h"
    )


def read_tenants(windows: Windows, _: TenantsQuery) -> Tenants | Failure:
    """Read the list of tenants. An unreadable name becomes "", an unreadable ``disabled`` None."""
    tenants: dict[str, Tenant] = {}

    def take(cells: Sequence[object]) -> Column | None:
        code, name, disabled = name_of(cells[0]), text_of(cells[1]), _disabled(cells[2])
        if code is None:
            return _CODE
        if code in tenants:
            return REPEATED
        tenants[code] = Tenant(code, name or "", disabled)
        if name is None:
            return _NAME
        return None if disabled is not None else _DISABLED

    skipped = read_rows(windows, _LAYOUT, take)
    return skipped if isinstance(skipped, Failure) else Tenants(tuple(tenants.values()), skipped=skipped)


def _disabled(cell: object) -> bool | None:
    if cell is None:
        return False
    word = str(cell).strip().casefold() if isinstance(cell, str | int) else "?"
    return word in _YES if word in _YES | _NO else None


SPEC = QuerySpec(
    query=Query.TENANTS,
    summary="Tenant discovery (MANAGEDB tenant list).",
    section=TenantsQuery,
    switch=Endpoint(
        operation=Operation.TENANTS, rows=read_tenants, fills=None, note="the list of all tenants"
    ),
    finds=True,
)
