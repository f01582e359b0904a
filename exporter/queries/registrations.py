"""Registration states: one request per extension, one list per tenant, or one list of all peers.

``docs/registrations.md`` compares the sources.
"""

from collections.abc import Sequence

from pydantic import Field

from exporter.decode.classify import complaint, is_complaint, rejected, unread
from exporter.decode.columns import Column, Layout
from exporter.decode.records import interning, name_of, read_rows, text_of
from exporter.decode.redact import quoted
from exporter.decode.text import Record, Windows, parse_record
from exporter.decode.values import LONGEST_LABEL, TRAILING
from exporter.fields import Interval, Section
from exporter.model import (
    DeviceState,
    ExtensionParameter,
    Failure,
    Peer,
    Peers,
    Query,
    Reason,
    RegistrationSource,
    RegistrationState,
)
from exporter.queries import device_states, extensions
from exporter.queries.spec import Endpoint, QuerySpec, every
from exporter.queries.words import StateWords, Words, lookup, state_of
from exporter.request import Operation, Request

STATE_NAMES = frozenset({"state", "status", "registration", "regstate", "reg_state", "st_state"})
"""Lower-case names of the member with the state. ``st_state`` was seen in the list of extensions; the others
are inferred: no response to regstate was ever seen (wire notes 2026-10)."""

_EXPECTED = "the registration state of an extension"

MOST_PEERS = 300_000
"""Per installation; the largest supported one has 250,000 extensions."""

_NODE = Column("node")
_NAME = Column("Name")
_STATUS = Column("Status")
_LAYOUT = Layout("the list of peers", (_NODE, _NAME, _STATUS), key=_NAME, most=MOST_PEERS)


class RegistrationsQuery(Section):
    """Per tenant; ``source`` selects the request."""

    tenant_interval: Interval = every(
        "5m", "How often to update the state of every polled extension. `source` determines the cost."
    )
    source: RegistrationSource = Field(
        RegistrationSource.REGSTATE,
        description="Which request returns the states. `regstate`: one request per extension. `extensions`: "
        "one list of extensions per tenant. `peers`: one list of all chan_sip phones, which needs the admin "
        "key. `tenant_peers`, `blf`: one list of peers, or of device states, per tenant. "
        "`probe --query=registrations` tries them all; [registrations](registrations.md) compares them.",
        examples=["extensions"],
    )
    parameter: ExtensionParameter = Field(
        ExtensionParameter.EXT,
        description="The parameter that names the extension in a `regstate` request.",
        examples=["id"],
    )
    words: StateWords = Field(
        default_factory=dict,
        description="This switch's own words for the states `registered`, `unregistered` and `unknown`. They "
        "extend and override the built-in words.",
        examples=[{"registered": ["Up"], "unregistered": ["Down"]}],
    )


def read_state(text: str, words: Words) -> RegistrationState | Failure:
    """Read INFO regstate (never seen): a word, an object with one, or the ``KO`` object of INFO extstate."""
    if not text.startswith(("{", "[")):
        return _state(text.rstrip(TRAILING), text, words)
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"expected {_EXPECTED}; {record.detail}: {quoted(text)}")
    if len(record) > 1 and is_complaint(record):
        return complaint(record, text)
    match _words_in(record):
        case []:
            return unread(text, _EXPECTED)
        case [word]:
            return _state(word, text, words)
        case _:
            return Failure(Reason.DECODE, f"expected {_EXPECTED}, got more than one: {quoted(text)}")


def _words_in(record: Record) -> list[str]:
    named = {name.casefold(): _word(value) for name, value in record.items()}
    # INFO extstate returns {"UniqueID": "KO", "LinkedID": "Extension not registered", …} (seen).
    if named.get("uniqueid", "").casefold() == "ko":
        return [named.get("linkedid", "") or "KO"]
    return [word for name, word in named.items() if name in STATE_NAMES and word]


def _word(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _state(word: str, text: str, words: Words) -> RegistrationState | Failure:
    if len(word) > LONGEST_LABEL:
        return unread(text, _EXPECTED)
    state = lookup(words)(word)
    if state is not None:
        return RegistrationState(state, word)
    if len(word.split()) > 1:
        # A leading quotation mark is a truncated JSON string, not a sentence.
        readable = " ".join(word.split()).isprintable() and not word.startswith('"')
        return rejected(word) if readable else unread(text, _EXPECTED)
    return Failure(
        Reason.DECODE,
        f"unknown state {quoted(word)}; if it is one, add it to `queries.registrations.words`",
    )


def read_peers(windows: Windows, words: Words) -> Peers | Failure:
    """Read PEERS (seen, wire notes 2026-10) or CHANSIPPEERS: node, user and state of every peer.

    A user may be listed more than once, because phones move between nodes.
    """
    known, once = lookup(words), interning()
    peers: list[Peer] = []

    def take(cells: Sequence[object]) -> Column | None:
        node, word = name_of(cells[0]), text_of(cells[2])
        user = (name_of(cells[1]) or "").partition("/")[0].strip()  # "100-ACME/100-ACME" (seen)
        if not user:
            return _NAME
        peers.append(Peer(user, once(node), state_of(known, word), once(word)))
        if node is None:
            return _NODE
        return None if word is not None else _STATUS

    skipped = read_rows(windows, _LAYOUT, take)
    return skipped if isinstance(skipped, Failure) else Peers(tuple(peers), skipped=skipped)


_REGSTATE: Endpoint[RegistrationsQuery, RegistrationState] = Endpoint(
    operation=Operation.REGISTRATION,
    value=lambda text, section: read_state(text, section.words),
    fills=None,
    for_part=lambda section, tenant, number: Request(
        Operation.REGISTRATION, tenant=tenant, extension=number, extension_parameter=section.parameter
    ),
    private=False,
    title="regstate",
)

SPEC: QuerySpec[RegistrationsQuery] = QuerySpec(
    query=Query.REGISTRATIONS,
    summary="Registration states of phones.",
    section=RegistrationsQuery,
    tenant=_REGSTATE,
    sources={
        RegistrationSource.REGSTATE: _REGSTATE,
        RegistrationSource.EXTENSIONS: Endpoint(
            operation=Operation.EXTENSIONS,
            rows=lambda windows, section: extensions.read_extensions(windows, section.words),
            fills=None,
            note=extensions.NOTE,
            layout=lambda _: extensions.LAYOUT,
            title="list of extensions",
            series=1,  # the state not_applicable
        ),
        RegistrationSource.PEERS: Endpoint(
            operation=Operation.PEERS,
            rows=lambda windows, section: read_peers(windows, section.words),
            fills=None,
            note="one list of every phone on every node, the largest response of the API",
            title="list of peers",
            layout=lambda _: _LAYOUT,
        ),
        RegistrationSource.TENANT_PEERS: Endpoint(
            operation=Operation.TENANT_PEERS,
            rows=lambda windows, section: read_peers(windows, section.words),
            fills=None,
            title="list of the tenant's peers",
            layout=lambda _: _LAYOUT,
        ),
        RegistrationSource.BLF: Endpoint(
            operation=Operation.BLFS,
            rows=lambda windows, section: device_states.read_device_states(windows, section.words),
            fills=None,
            title="list of device states",
            series=len(DeviceState),
            layout=lambda _: device_states.LAYOUT,
        ),
    },
    start=0.5,
    series=3,
    unused="no tenant has `extensions` or `watch`",
)
