"""Which phones are registered: one request an extension, a list a tenant, or one list of all peers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from exporter.decode.classify import complaint, is_complaint, rejected, unread
from exporter.decode.json_text import Record, parse_record
from exporter.decode.records import Column, Layout, interning, name_of, read_rows, text_of
from exporter.decode.redact import quoted
from exporter.decode.values import LONGEST_LABEL, TRAILING
from exporter.decode.windows import Windows
from exporter.decode.words import Words, lookup, state_of
from exporter.fields import ExactText, Form, Interval, Section, parse_duration
from exporter.model import (
    ExtensionParameter,
    Extensions,
    Failure,
    Peer,
    Peers,
    Query,
    Reason,
    Registration,
    RegistrationSource,
    RegistrationState,
)
from exporter.queries import extensions
from exporter.queries.spec import Endpoint, QuerySpec
from exporter.request import Operation
from exporter.wording import shown

STATE_NAMES = frozenset({"state", "status", "registration", "regstate", "reg_state", "st_state"})
"""Names, in lower case, under which an object may hold the word. ``st_state`` was seen in the list of
extensions; the others are inferred: no answer to regstate was ever seen (wire notes 2026-10)."""

_EXPECTED = "the registration state of an extension"

MOST_PEERS = 300_000
"""Of one installation, of which the largest that this is built for has 250,000 extensions."""

_NODE = Column("node", "node")
_NAME = Column("Name", "Name")
_STATUS = Column("Status", "Status")
_LAYOUT = Layout("the list of peers", (_NODE, _NAME, _STATUS), key=_NAME, most=MOST_PEERS)


def _one_state_each(words: Mapping[Registration, tuple[str, ...]]) -> Mapping[Registration, tuple[str, ...]]:
    times = Counter(word.casefold() for spellings in words.values() for word in spellings)
    twice = [shown(word) for word, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands more than once; give each word one state")
    return words


class RegistrationsQuery(Section):
    """``words`` adds to the table of what switches call the states of a phone."""

    tenant_interval: Interval = Field(
        parse_duration("5m"),
        description="How often the state of every polled extension is learned. What that costs depends on "
        "`source`.",
        examples=["5m"],
    )
    source: RegistrationSource = Field(
        RegistrationSource.REGSTATE,
        description="Which request the states are read from. `regstate`: one request an extension; "
        "`extensions`: one a tenant, its list of extensions; `peers`: one for the whole installation, its "
        "list of peers, which needs the admin key. `probe --query=registrations` tries them all.",
        examples=["extensions"],
    )
    parameter: ExtensionParameter = Field(
        ExtensionParameter.EXT,
        description="The parameter by which `regstate` names the extension, where the switch differs.",
        examples=["id"],
    )
    words: Annotated[
        dict[Registration, tuple[ExactText, ...]],
        AfterValidator(_one_state_each),
        Form("mapping of state to words"),
    ] = Field(
        default_factory=dict,
        description="What this switch calls the states (`registered`, `unregistered`, `unknown`), beyond the "
        "words that are known already. They hold over those.",
        examples=[{"registered": ["Up"], "unregistered": ["Down"]}],
    )


def read_state(text: str, words: Words) -> RegistrationState | Failure:
    """Read INFO regstate, never seen: a word, or an object that holds one, or the sibling's ``KO`` object."""
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
    # INFO extstate, the sibling, says {"UniqueID": "KO", "LinkedID": "Extension not registered", …} (seen).
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
        # A lone quotation mark is a JSON string that broke off, and no sentence.
        readable = " ".join(word.split()).isprintable() and not word.startswith('"')
        return rejected(word) if readable else unread(text, _EXPECTED)
    return Failure(
        Reason.DECODE,
        f"unknown word {quoted(word)}; if it is a state, add it to `queries.registrations.words`",
    )


def read_peers(windows: Windows, words: Words) -> Peers | Failure:
    """Read CHANSIPPEERS: node, user and state of every peer (seen, wire notes 2026-10).

    A user may be there more than once: phones move from node to node.
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


def _regstate(text: str, section: RegistrationsQuery) -> RegistrationState | Failure:
    return read_state(text, section.words)


def _listed(windows: Windows, section: RegistrationsQuery) -> Extensions | Failure:
    return extensions.read_extensions(windows, section.words)


def _peers(windows: Windows, section: RegistrationsQuery) -> Peers | Failure:
    return read_peers(windows, section.words)


_REGSTATE = Endpoint(
    operation=Operation.REGISTRATION, value=_regstate, fills=None, private=False, title="regstate"
)

SPEC = QuerySpec(
    query=Query.REGISTRATIONS,
    summary="Which phones are registered.",
    section=RegistrationsQuery,
    tenant=_REGSTATE,
    sources={
        RegistrationSource.REGSTATE: _REGSTATE,
        RegistrationSource.EXTENSIONS: Endpoint(
            operation=Operation.EXTENSIONS,
            rows=_listed,
            fills=None,
            note=extensions.NOTE,
            title="list of extensions",
        ),
        RegistrationSource.PEERS: Endpoint(
            operation=Operation.PEERS,
            rows=_peers,
            fills=None,
            note="every phone of every node in one list: the largest thing that can be asked",
            title="list of peers",
        ),
    },
    start=0.5,
    series=3,
    unused="no tenant has extensions or watch",
)
