"""Trunks: the registrations of the switch with its providers (MANAGEDB sipregs list).

No response has been seen, and the vendor's reference only names the request. So the field names are
configurable, and ``probe`` helps to find them. Other lists of MANAGEDB are objects keyed by id (seen, wire
notes 2026-10). The list presumably contains credentials.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import AfterValidator, Field

from exporter.decode.columns import KEY, Column, Layout
from exporter.decode.records import display_of, interning, read_rows, text_of
from exporter.decode.text import Windows
from exporter.fields import ExactText, Form, Interval, SchemaOf, Section, not_empty, unique, with_entries
from exporter.model import Answer, Failure, Query, Reason, Registration
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.queries.words import TRUNK_WORDS, StateWords, lookup, state_of
from exporter.request import Operation

MOST_TRUNKS = 10_000
"""Per installation: two per tenant of the largest supported one."""

# Inferred: field names in other lists have a prefix (``te_name``, ``ex_name``, ``st_state``: seen or
# documented), and the columns of Asterisk's `sip show registry` are Host, Username, Refresh and State.
_NAMES = ("name", "sr_name", "pr_name", "re_name", "trunk", "provider", "peer", "host", "sr_host")
_STATES = ("state", "status", "sr_state", "sr_status", "st_state", "pr_state", "re_state", "registration")
_TENANTS = ("te_code", "tenantcode", "tenant", "te_name", "te_id", "sr_te_id", "pr_te_id", "re_te_id")
_ID = Column("id", "sr_id", "pr_id", "re_id", KEY, required=False)

_PHONE = Column("ex_number", "Number", required=False)
"""A column of the list of extensions (seen). A list with this column is not read as trunks, because it
contains names of people."""

FieldNames = Annotated[
    tuple[ExactText, ...],
    AfterValidator(unique),
    AfterValidator(not_empty),
    SchemaOf(with_entries),
    Form("list of texts"),
]


class TrunksQuery(Section):
    """For the installation, and for tenants that may list their own trunks."""

    interval: Interval = every(
        None, "How often to request the list of all trunks, which needs the admin key.", example="1m"
    )
    tenant_interval: Interval = every(
        None,
        "How often to request each tenant's own list of trunks. Use it without an admin key, if the tenant's "
        "key allows it.",
        example="1m",
    )
    name_fields: FieldNames = Field(
        _NAMES,
        description="Names of the field with the name of a trunk, the label `trunk`. The first one in the "
        "list is used, ignoring case; without any, the id is used. `probe --query=trunks` prints the fields.",
        examples=[["sr_description"]],
    )
    state_fields: FieldNames = Field(
        _STATES,
        description="Names of the field with the registration state, selected like `name_fields`.",
        examples=[["sr_regstate"]],
    )
    tenant_fields: FieldNames = Field(
        _TENANTS,
        description="Names of the field with the tenant's code, name or id, selected like `name_fields`. "
        'A trunk that belongs to no polled tenant has `tenant=""`.',
        examples=[["sr_tenant"]],
    )
    words: StateWords = Field(
        default_factory=dict,
        description="This switch's own words for the states, as in `queries.registrations.words`. Those of "
        "Asterisk are built in.",
        examples=[{"registered": ["Up"], "unregistered": ["Down"]}],
    )


@dataclass(frozen=True, slots=True)
class Trunk:
    """One row of the list of trunks, without its credentials.

    ``id`` and ``tenant`` are "" if unknown. ``tenant`` is as listed: a code, a name or an id.
    """

    name: str
    id: str
    tenant: str
    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Trunks(Answer):
    """The list of trunks."""

    rows: tuple[Trunk, ...]


def layout(section: TrunksQuery) -> Layout:
    """Return the columns of the list."""
    name = Column(*section.name_fields, required=False)
    state = Column(*section.state_fields, required=False)
    tenant = Column(*section.tenant_fields, required=False)
    return Layout("the list of trunks", (name, state, tenant, _ID), key=name, most=MOST_TRUNKS)


def read_trunks(windows: Windows, section: TrunksQuery) -> Trunks | Failure:
    """Read the name, state and tenant of each trunk. The id replaces a missing name.

    A list without states is a failure: otherwise, the query would succeed and no alert could ever fire.
    """
    columns = layout(section)
    name_column, state_column, *_ = columns.columns
    known, once = lookup(section.words, TRUNK_WORDS), interning()
    trunks: list[Trunk] = []
    has_states = False

    def take(cells: Sequence[object]) -> Column | None:
        nonlocal has_states
        name, state, tenant, number, phone = cells
        has_states = has_states or state is not None
        word = str(state).casefold() if isinstance(state, bool) else text_of(state)
        row_id = display_of(number)
        label = display_of(name) or row_id
        if not label or phone is not None:
            return name_column
        trunks.append(Trunk(label, row_id, once(text_of(tenant)), state_of(known, word), once(word)))
        return None if word is not None else state_column

    skipped = read_rows(windows, replace(columns, columns=(*columns.columns, _PHONE)), take)
    if isinstance(skipped, Failure):
        return skipped
    if trunks and not has_states:
        return Failure(
            Reason.DECODE,
            "the list of trunks has no known state field: set `queries.trunks.state_fields`; "
            "`probe --query=trunks` prints the fields of the list",
        )
    return Trunks(tuple(trunks), skipped=skipped)


def _endpoint() -> Endpoint[TrunksQuery, Trunks]:
    return Endpoint(operation=Operation.TRUNKS, rows=read_trunks, fills=None, layout=layout)


SPEC: QuerySpec[TrunksQuery] = QuerySpec(
    query=Query.TRUNKS,
    summary="Registrations of the switch with its providers (MANAGEDB sipregs list).",
    section=TrunksQuery,
    switch=_endpoint(),
    tenant=_endpoint(),
    start=0.08,
    series=4,
)
