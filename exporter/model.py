"""The types that all modules share: queries, scopes, targets, and the outcomes of requests.

Names from the wire appear only in ``request`` and ``decode``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple


class Query(StrEnum):
    """The queries; values of the label ``query``."""

    PEERS = "peers"
    CHANNELS = "channels"
    CALLS = "calls"
    LICENSE = "license"
    BALANCE = "balance"
    REGISTRATIONS = "registrations"
    LIMITS = "limits"
    TENANTS = "tenants"
    EXTENSIONS = "extensions"
    QUEUES = "queues"
    QUEUE = "queue"
    CALL_RECORDS = "call_records"
    TRUNKS = "trunks"
    WATCHED_PEERS = "watched_peers"


class Scope(StrEnum):
    """What a query is about: the installation, or one tenant."""

    SWITCH = "switch"
    TENANT = "tenant"


class Reason(StrEnum):
    """Why a request failed; values of the label ``reason``."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    TLS = "tls"
    HTTP = "http"  # a status other than 200, a redirect, or not HTTP at all
    AUTH = "auth"  # the known refusal
    REJECTED = "rejected"  # any other sentence instead of a value
    EMPTY = "empty"
    DECODE = "decode"
    TOO_LARGE = "too_large"
    SCOPE_IGNORED = "scope_ignored"


TRANSPORT_REASONS = frozenset({Reason.TIMEOUT, Reason.CONNECT, Reason.TLS})


class SkipReason(StrEnum):
    """Why a target of a sweep was not requested."""

    IN_FLIGHT = "in_flight"
    BACKOFF = "backoff"
    BREAKER = "breaker"
    BUDGET = "budget"


class Registration(StrEnum):
    """The registration state of a phone."""

    REGISTERED = "registered"
    UNREGISTERED = "unregistered"
    UNKNOWN = "unknown"


class RegistrationSource(StrEnum):
    """The request that returns registration states."""

    REGSTATE = "regstate"
    EXTENSIONS = "extensions"
    PEERS = "peers"
    TENANT_PEERS = "tenant_peers"
    BLF = "blf"


class DeviceState(StrEnum):
    """What a phone is doing; values of the label ``state`` of ``softswitch_tenant_devices``."""

    IN_USE = "in_use"
    RINGING = "ringing"
    BUSY = "busy"


class Technology(StrEnum):
    """How an extension connects: ``ex_tech`` in INFO extensions (documented, wire notes 2026-10)."""

    SIP = "sip"  # chan_sip
    PJSIP = "pjsip"
    CUSTOM = "custom"
    VIRTUAL = "virtual"
    OTHER = "other"  # any other word of the switch

    @property
    def can_register(self) -> bool:
        """Whether such an extension may register. One of an unknown technology may."""
        return self not in {Technology.CUSTOM, Technology.VIRTUAL}


class ExtensionParameter(StrEnum):
    """The parameter that names the extension in ``INFO regstate``; the right one is not documented."""

    EXT = "ext"
    ID = "id"
    NUMBER = "number"


class Target(NamedTuple):
    """One query for one tenant, or for the installation if ``tenant`` is ""."""

    query: Query
    scope: Scope
    tenant: str = ""


_REFUSING_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request returned no value. ``detail`` never contains a key, nor any part of a list.

    ``status``: HTTP status other than 200. ``retry_after``: seconds in its ``Retry-After``, not limited.
    """

    reason: Reason
    detail: str
    status: int | None = None
    retry_after: float | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the key was refused, by the known text or by an HTTP status."""
        return self.reason is Reason.AUTH or self.status in _REFUSING_STATUSES


class Body(bytearray):
    """The body of a response, in its receive buffer: copying 64 MiB takes 40 ms.

    ``charset``: the one in its Content-Type, or "".
    """

    charset: str = ""


Content = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows of a list, or nodes of a count, that were skipped as unreadable.

    ``rows``: how many. ``nameless``: how many of them have an unreadable name, so that something that is
    missing from the list may be one of them. ``first``: the error in the first one; it quotes nothing.
    ``more``: the errors in the next ones, as far as ``probe`` prints them.
    """

    rows: int
    nameless: int
    first: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of a response. A query may declare its own subclass."""

    skipped: Skipped | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Counts(Answer):
    """Counts of peers or channels.

    ``total``: as stated by the switch; None if it is not.
    ``nodes``: the count of each node; None if the response is not by node.
    ``uncounted``: nodes with an unreadable count.
    """

    total: int | None
    nodes: Mapping[str, int] | None
    uncounted: frozenset[str] = frozenset()

    @property
    def whole(self) -> int | None:
        """The stated total, else the sum of the nodes if every node was readable."""
        if self.total is None and self.nodes is not None and self.skipped is None:
            return sum(self.nodes.values())
        return self.total


@dataclass(frozen=True, slots=True)
class Number(Answer):
    """A single number: calls, license days or credit."""

    value: float


@dataclass(frozen=True, slots=True)
class RegistrationState(Answer):
    """The state of one extension, and the switch's word for it."""

    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Extension:
    """One row of a tenant's list of extensions, without its credentials and names.

    ``technology`` is None if the list does not state it.
    """

    number: str
    state: Registration
    word: str
    technology: Technology | None = None


@dataclass(frozen=True, slots=True)
class Extensions(Answer):
    """A tenant's list of extensions."""

    rows: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class Devices(Extensions):
    """A tenant's device states. It may contain more than phones, such as feature codes."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One row of the list of tenants.

    ``disabled``: may be the day from which it is; None if unreadable. ``id``: "" if unknown.
    """

    code: str
    name: str
    disabled: bool | date | None
    id: str = ""

    def is_disabled(self, today: date) -> bool | None:
        """Return whether it is disabled today; None if unreadable."""
        return self.disabled <= today if isinstance(self.disabled, date) else self.disabled


@dataclass(frozen=True, slots=True)
class Tenants(Answer):
    """The list of tenants."""

    rows: tuple[Tenant, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """One SIP peer: its user name (``<number>-<CODE>``), its node and its state."""

    user: str
    node: str
    state: Registration
    word: str


@dataclass(frozen=True, slots=True)
class Peers(Answer):
    """The peers of the installation, or of a tenant."""

    rows: tuple[Peer, ...]


def names_all(listed: Answer) -> bool:
    """Return whether all names were readable, so that a name that is not in the list is really missing."""
    return listed.skipped is None or not listed.skipped.nameless
