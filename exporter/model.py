"""The nouns of the field, shared by every module: what is asked, of whom, and what came back.

Wire names are left behind in ``request`` (going out) and ``decode`` (coming in).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple


class Query(StrEnum):
    """What is asked of a switch: the values of the label ``query``."""

    PEERS = "peers"
    CHANNELS = "channels"
    CALLS = "calls"
    LICENSE = "license"
    BALANCE = "balance"
    REGISTRATIONS = "registrations"
    LIMITS = "limits"
    TENANTS = "tenants"
    EXTENSIONS = "extensions"


class Scope(StrEnum):
    """Of whom it is asked: the whole installation, or one tenant at a time."""

    SWITCH = "switch"
    TENANT = "tenant"


class Reason(StrEnum):
    """Why an attempt failed: the values of the label ``reason``."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    TLS = "tls"
    HTTP = "http"  # a status other than 200, a redirect, or not HTTP at all
    AUTH = "auth"  # the known refusal
    REJECTED = "rejected"  # any other sentence where a value was due
    EMPTY = "empty"
    DECODE = "decode"
    TOO_LARGE = "too_large"
    SCOPE_IGNORED = "scope_ignored"


TRANSPORT_REASONS = frozenset({Reason.TIMEOUT, Reason.CONNECT, Reason.TLS})


class SkipReason(StrEnum):
    """Why a target of a sweep was not asked."""

    IN_FLIGHT = "in_flight"
    BACKOFF = "backoff"
    BREAKER = "breaker"
    BUDGET = "budget"


class Registration(StrEnum):
    """Whether a phone is registered, as far as the switch told."""

    REGISTERED = "registered"
    UNREGISTERED = "unregistered"
    UNKNOWN = "unknown"


class RegistrationSource(StrEnum):
    """Which request the registrations are read from."""

    REGSTATE = "regstate"
    EXTENSIONS = "extensions"
    PEERS = "peers"


class ExtensionParameter(StrEnum):
    """The wire parameter that names the extension in ``INFO regstate``; the right one is not documented."""

    EXT = "ext"
    ID = "id"
    NUMBER = "number"


class Target(NamedTuple):
    """One thing that is asked on a schedule. ``tenant`` is "" for the whole installation."""

    query: Query
    scope: Scope
    tenant: str = ""


_REFUSING_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt gave no value. ``detail`` never holds a key, nor any part of a list.

    ``status`` is that of an HTTP answer other than 200. ``retry_after``: the seconds for which it asked to be
    left alone, as it said, however many.
    """

    reason: Reason
    detail: str
    status: int | None = None
    retry_after: float | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the key was refused: by the known sentence, or by an HTTP status."""
        return self.reason is Reason.AUTH or self.status in _REFUSING_STATUSES


class Body(bytearray):
    """The body of an answer, in the buffer that it was received in: a copy of 64 MiB takes 40 ms.

    ``charset`` is the one that its Content-Type declares, "" without one.
    """

    charset: str = ""


Content = bytes | bytearray
"""What a body consists of."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The rows of a list, or the nodes of a count, that could not be read while the rest could.

    ``rows`` is how many, ``nameless`` those of them of which not even the name could be read: who is not in
    the list may be one of these. ``first`` says what is wrong with the first; it quotes nothing.
    """

    rows: int
    nameless: int
    first: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reader of a query makes of a body. A query may declare a kind of its own."""

    skipped: Skipped | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Counts(Answer):
    """Peers or channels, counted.

    ``total`` is what the switch states, or None where it states none.
    ``nodes`` is the count of each node, or None where the answer was not by node.
    ``uncounted`` are nodes that are in the answer with a count that could not be read.
    """

    total: int | None
    nodes: Mapping[str, int] | None
    uncounted: frozenset[str] = frozenset()

    @property
    def whole(self) -> int | None:
        """The stated total, else the sum over the nodes, as long as every node could be counted."""
        if self.total is None and self.nodes is not None and self.skipped is None:
            return sum(self.nodes.values())
        return self.total


@dataclass(frozen=True, slots=True)
class Number(Answer):
    """A single figure: calls, days of licence or credit."""

    value: float


@dataclass(frozen=True, slots=True)
class RegistrationState(Answer):
    """The state of one extension, with the word the switch used for it."""

    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Extension:
    """One row of a tenant's list of extensions; credentials and names were dropped on reading."""

    number: str
    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Extensions(Answer):
    """A tenant's list of extensions."""

    rows: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class Tenant:
    """One row of the installation's list of tenants. ``disabled`` is None where that could not be read."""

    code: str
    name: str
    disabled: bool | None


@dataclass(frozen=True, slots=True)
class Tenants(Answer):
    """The installation's list of tenants."""

    rows: tuple[Tenant, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """One SIP peer: its user name (``<number>-<CODE>``), the node it is on, and its state."""

    user: str
    node: str
    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Peers(Answer):
    """Every peer of every node."""

    rows: tuple[Peer, ...]


def names_all(listed: Extensions | Tenants | Peers) -> bool:
    """Tell whether the name of every row could be read, so that who is not in the list is really missing."""
    return listed.skipped is None or not listed.skipped.nameless
