"""Tenant discovery: MANAGEDB tenant list. Its field names are documented; no response was seen.

An administrator's tool knows only ``te_id`` and ``te_name``, and sends the name as ``tenant=``. The vendor
says that the parameter is "code or name" (wire notes 2026-10).
"""

import re
from collections.abc import Sequence
from datetime import date

from exporter.decode.columns import Column, Layout
from exporter.decode.records import REPEATED, display_of, name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.fields import Interval, Section
from exporter.model import Failure, Query, Tenant, Tenants
from exporter.queries.spec import Endpoint, ProbeTexts, QuerySpec, every
from exporter.request import Operation

MOST_TENANTS = 10_000
"""Per installation: twice the largest supported one."""

# A table is presumed to use the same names.
_CODE = Column("te_code", required=False)
_NAME = Column("te_name", required=False)
_DISABLED = Column("te_disabled", required=False)
_ID = Column("te_id", required=False)
_LAYOUT = Layout("the list of tenants", (_CODE, _NAME, _DISABLED, _ID), key=_CODE, most=MOST_TENANTS)

# '' and 'on' are documented; the others are inferred.
_YES = frozenset({"on", "1", "y", "yes", "t", "true"})
_NO = frozenset({"", "0", "off", "n", "no", "f", "false"})
_DATE = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[ t][0-9:.z+-]{1,20})?")
_NO_DATE = ("0000", "00", "00")  # how MySQL writes that there is none


class TenantsQuery(Section):
    """For the installation only."""

    interval: Interval = every(
        "6h", "How often to request the list of tenants if `discover_tenants` is enabled.", example="1h"
    )


def read_tenants(windows: Windows, _: TenantsQuery) -> Tenants | Failure:
    """Read the list of tenants. The name of a tenant without a code is its code.

    A name that cannot be shown is repaired. An unreadable ``te_disabled`` is None.
    """
    tenants: dict[str, Tenant] = {}

    def take(cells: Sequence[object]) -> Column | None:
        code = name_of(cells[1] if text_of(cells[0]) == "" else cells[0])
        if code is None:
            return _CODE
        if code in tenants:
            return REPEATED
        tenants[code] = Tenant(code, display_of(cells[1]), _disabled(cells[2]), display_of(cells[3]))
        return None if tenants[code].disabled is not None else _DISABLED

    skipped = read_rows(windows, _LAYOUT, take)
    return skipped if isinstance(skipped, Failure) else Tenants(tuple(tenants.values()), skipped=skipped)


def _disabled(cell: object) -> bool | date | None:
    if cell is None:
        return False
    word = str(cell).strip().casefold() if isinstance(cell, str | int) else "?"
    if word in _YES | _NO:
        return word in _YES
    found = _DATE.fullmatch(word)
    if found is None:
        return None
    if found.groups() == _NO_DATE:
        return False
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


SPEC = QuerySpec(
    query=Query.TENANTS,
    summary="Tenant discovery (MANAGEDB tenant list).",
    section=TenantsQuery,
    switch=Endpoint(
        operation=Operation.TENANTS,
        rows=read_tenants,
        fills=None,
        note="the list of all tenants",
        layout=lambda _: _LAYOUT,
    ),
    finds=True,
    probe=ProbeTexts(
        without={
            "te_code": "tenants have no code: `te_name` is sent as `tenant`, and is the label `tenant`",
            "te_disabled": "disabled tenants cannot be told from others; exclude them in `discover_tenants`",
        }
    ),
)
