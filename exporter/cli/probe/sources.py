"""The sources of registrations, and what each says about the phones of one tenant. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.cli.probe.findings import Finding, QueryRequest, setting
from exporter.config import SwitchConfiguration
from exporter.model import (
    Answer,
    Devices,
    ExtensionParameter,
    Extensions,
    Failure,
    Peers,
    Query,
    Registration,
    RegistrationSource,
    RegistrationState,
    Technology,
)
from exporter.poll.states import codes_by_ending, states_by_tenant, states_of_peers
from exporter.queries import registrations
from exporter.request import Operation, Request

NOT_LISTED = "no state: not in the list"
NO_EXTENSION = "a list; no extension found"
SKIPPED = "skipped: earlier requests failed"


class Source(NamedTuple):
    """A ``source`` of the configuration and, for regstate, its ``parameter``."""

    kind: RegistrationSource
    parameter: ExtensionParameter | None = None

    @property
    def name(self) -> str:
        """The source and its parameter, to print."""
        return f"{self.kind}, parameter {self.parameter}" if self.parameter else self.kind.value

    @property
    def settings(self) -> Mapping[str, object]:
        """The settings that select it."""
        parameter = {"parameter": self.parameter.value} if self.parameter else {}
        return setting("queries", "registrations", value={"source": self.kind.value, **parameter})

    def request(self, tenant: str, extension: str) -> QueryRequest:
        """Return the request that tries it."""
        match self.kind:
            case RegistrationSource.PEERS:
                request = Request(Operation.PEERS)
            case RegistrationSource.REGSTATE:
                parameter = self.parameter or ExtensionParameter.EXT
                request = Request(
                    Operation.REGISTRATION, tenant=tenant, extension=extension, extension_parameter=parameter
                )
            case kind:
                request = Request(registrations.SPEC.sources[kind].operation, tenant=tenant)
        return QueryRequest(Query.REGISTRATIONS, request)


LIST = Source(RegistrationSource.EXTENSIONS)
PEERS = Source(RegistrationSource.PEERS)
TENANT_PEERS = Source(RegistrationSource.TENANT_PEERS)
BLF = Source(RegistrationSource.BLF)


def sources(switch: SwitchConfiguration) -> list[Source]:
    """Return all sources in the order of the trials: the list first, since it says what the phones are."""
    configured = switch.queries.options(registrations.SPEC).parameter
    parameters = [configured, *(each for each in ExtensionParameter if each is not configured)]
    regstate = (Source(RegistrationSource.REGSTATE, parameter) for parameter in parameters)
    return [LIST, *regstate, BLF, TENANT_PEERS, PEERS]


def configured_source(switch: SwitchConfiguration) -> Source:
    """Return the configured source."""
    return next(source for source in sources(switch) if is_configured(source, switch))


def is_configured(source: Source, switch: SwitchConfiguration) -> bool:
    """Return whether the configuration selects this source."""
    section = switch.queries.options(registrations.SPEC)
    return source.kind is section.source and source.parameter in {None, section.parameter}


@dataclass(frozen=True, slots=True)
class Phones:
    """The phones of one tenant, as far as the lists show them.

    ``able``: those of its list of extensions that can register; None without a list. ``chan_sip``: those that
    are known to use it. ``names``: the name of each tenant of the switch, by code.
    """

    able: tuple[str, ...] | None = None
    chan_sip: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)

    def with_list(self, verdict: Answer | Failure) -> "Phones":
        """Return the phones in a list of extensions, or these if it is none."""
        if not isinstance(verdict, Extensions):
            return self
        able = tuple(row.number for row in verdict.rows if not row.technology or row.technology.can_register)
        chan_sip = frozenset(row.number for row in verdict.rows if row.technology is Technology.SIP)
        return Phones(able, chan_sip, self.names)


@dataclass(frozen=True, slots=True)
class Trial:
    """A source and its result for the extension: a state, or why there is none.

    ``states``: those of all phones of the tenant that it returned. ``size``: bytes of its response.
    """

    source: Source
    state: Registration | None
    result: str
    states: Mapping[str, Registration] = field(default_factory=dict)
    size: int = 0
    seconds: float = 0.0

    @property
    def known(self) -> dict[str, Registration]:
        """The phones that it says are registered or not."""
        return {number: state for number, state in self.states.items() if state is not Registration.UNKNOWN}

    @property
    def is_list(self) -> bool:
        """Whether it returns the states of all phones at once."""
        return self.source.kind is not RegistrationSource.REGSTATE


def trial(
    source: Source, finding: Finding, tenant: str, extension: str, phones: Phones | None = None
) -> Trial:
    """Return the result of trying a source."""
    states = _states(finding.verdict, tenant, extension, phones or Phones())
    state, result = _result(source, finding, states, tenant, extension)
    return Trial(source, state, result, states, len(finding.body or b""), finding.seconds)


def _states(
    verdict: Answer | Failure, tenant: str, extension: str, phones: Phones
) -> Mapping[str, Registration]:
    match verdict:
        case RegistrationState(state=state):
            return {extension: state}
        case Devices(rows=rows):
            return {row.number: row.state for row in rows if phones.able is None or row.number in phones.able}
        case Extensions(rows=rows):
            able = Phones().with_list(verdict).able or ()
            return {row.number: row.state for row in rows if row.number in set(able)}
        case Peers() as listed:
            found = states_by_tenant(listed, codes_by_ending([tenant], phones.names)).get(tenant, {})
            numbers = phones.able or tuple(filter(None, dict.fromkeys([*found, extension])))
            return states_of_peers(found, numbers, phones.chan_sip.__contains__) if found else {}
        case _:
            return {}


def _result(
    source: Source, finding: Finding, states: Mapping[str, Registration], tenant: str, extension: str
) -> tuple[Registration | None, str]:
    if isinstance(finding.verdict, Failure):
        return None, f"no state: {finding.verdict.reason}"
    if not extension:
        return None, NO_EXTENSION
    if extension in states:
        return states[extension], states[extension].value
    # A user of a peer is <number>-<CODE> (seen, wire notes 2026-10).
    return None, f"no state: no user NUMBER-{tenant}" if source in {PEERS, TENANT_PEERS} else NOT_LISTED
