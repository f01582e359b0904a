"""The sources of registrations, and which one to configure after trying each on one extension. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.cli.probe.findings import COMPARE, Advice, Finding, QueryRequest, setting
from exporter.config import SwitchConfiguration
from exporter.model import (
    ExtensionParameter,
    Extensions,
    Failure,
    Peers,
    Query,
    Registration,
    RegistrationSource,
    RegistrationState,
)
from exporter.poll.peers import codes_by_ending, states_by_tenant, states_of_peers
from exporter.queries import registrations
from exporter.request import Operation, Request

_COSTS = {
    RegistrationSource.PEERS: "one request in total",
    RegistrationSource.BLF: "one request per tenant",
    RegistrationSource.TENANT_PEERS: "one request per tenant",
    RegistrationSource.EXTENSIONS: "one request per tenant",
    RegistrationSource.REGSTATE: "one request per extension",
}
"""The sources, the one with the fewest requests first."""

NOT_LISTED = "no state: not in the list"
SKIPPED = "skipped: earlier requests failed"

_KNOWN = {Registration.REGISTERED, Registration.UNREGISTERED}


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
            case RegistrationSource.BLF:
                request = Request(Operation.BLFS, tenant=tenant)
            case RegistrationSource.TENANT_PEERS:
                request = Request(Operation.TENANT_PEERS, tenant=tenant)
            case RegistrationSource.EXTENSIONS:
                request = Request(Operation.EXTENSIONS, tenant=tenant)
            case _:
                parameter = self.parameter or ExtensionParameter.EXT
                request = Request(
                    Operation.REGISTRATION, tenant=tenant, extension=extension, extension_parameter=parameter
                )
        return QueryRequest(Query.REGISTRATIONS, request)


LIST = Source(RegistrationSource.EXTENSIONS)
PEERS = Source(RegistrationSource.PEERS)
TENANT_PEERS = Source(RegistrationSource.TENANT_PEERS)
BLF = Source(RegistrationSource.BLF)


def sources(switch: SwitchConfiguration) -> list[Source]:
    """Return all sources in the order of the trials: the list first, since it may provide an extension."""
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
class Trial:
    """A source and its result for the extension: a state, or why there is none."""

    source: Source
    state: Registration | None
    result: str
    size: str = ""


def trial(source: Source, finding: Finding, tenant: str, extension: str) -> Trial:
    """Return the result of trying a source."""
    size = f", {len(finding.body):,} bytes in {finding.seconds:.1f} s" if finding.body else ""
    state, result = _result(source, finding, tenant, extension)
    return Trial(source, state, result, size)


def _result(source: Source, finding: Finding, tenant: str, extension: str) -> tuple[Registration | None, str]:
    states: Mapping[str, Registration] = {}
    match finding.verdict:
        case Failure(reason=reason):
            return None, f"no state: {reason}"
        case RegistrationState(state=state):
            return state, state.value
        case Extensions(rows=rows):
            states = {row.number: row.state for row in rows}
        case Peers() as listed:
            found = states_by_tenant(listed, codes_by_ending([tenant], {})).get(tenant, {})
            states = states_of_peers(found, [extension]) if found and extension else {}
    if not extension:
        return None, "a list; no extension found"
    if extension in states:
        return states[extension], states[extension].value
    # A user of a peer is <number>-<CODE> (seen, wire notes 2026-10).
    is_peers = source in {PEERS, TENANT_PEERS}
    return None, f"no state: no user NUMBER-{tenant}" if is_peers else NOT_LISTED


def table(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield a line for each source with its result and its cost."""
    for each in trials:
        yield f"{each.source.name:<26} {each.result:<34} {_COSTS[each.source.kind]}{each.size}"


def choose(trials: Sequence[Trial], switch: SwitchConfiguration) -> Trial | None:
    """Return the source to configure: the configured one if it is in the majority, else the cheapest of that.

    Returns None if no source returned a state, or there is no majority.
    """
    working = [each for each in trials if each.state in _KNOWN]
    # One vote a source, however many parameters it accepts: their results are not independent.
    votes = {(each.source.kind, each.state) for each in working}
    ranked = Counter(state for _, state in votes).most_common()
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    majority = [each for each in working if each.state is ranked[0][0]]
    return min(majority, key=lambda each: (not is_configured(each.source, switch), _rank(each)))


def _rank(one: Trial) -> int:
    return list(_COSTS).index(one.source.kind)


def source_advice(
    trials: Sequence[Trial], switch: SwitchConfiguration, *, tenant_is_known: bool
) -> Iterator[Advice]:
    """Yield which source to configure, and which ones are wrong or cheaper."""
    chosen = choose(trials, switch)
    if chosen is None:
        yield _no_choice(trials, tenant_is_known=tenant_is_known)
        return
    compare = "One extension proves little: compare more extensions once the exporter polls them"
    name = chosen.source.name
    if is_configured(chosen.source, switch):
        yield Advice(f"the configured source, {name}, works. {compare}")
    else:
        yield Advice(f"registrations can be read from {name}. {compare}", chosen.source.settings, sure=True)
    if wrong := [each.source.name for each in trials if each.state in _KNOWN - {chosen.state}]:
        yield Advice(f"do not use {', '.join(wrong)}: the majority of sources disagrees")
    cheapest = min((each for each in trials if each.state is chosen.state), key=_rank)
    if _rank(cheapest) < _rank(chosen):
        cost = _COSTS[cheapest.source.kind]
        yield Advice(f"{cheapest.source.name} needs fewer requests: {cost}", cheapest.source.settings)


def _no_choice(trials: Sequence[Trial], *, tenant_is_known: bool) -> Advice:
    """Return what to do if no source is chosen; it disables nothing if tenant or extension may not exist."""
    if any(each.state in _KNOWN for each in trials):
        return Advice("the sources disagree. Check the phone itself, and configure a source that is right")
    if any(each.result == SKIPPED for each in trials):
        return Advice("not all sources were tried: correct the failures above, then probe again")
    if not tenant_is_known:
        return Advice(f"no source returned a state. Check the tenant's code first; {COMPARE}")
    if any(each.result == NOT_LISTED for each in trials):
        return Advice(
            "no source returned a state, and the tenant's list does not contain this extension: try another "
            "one with --tenant=CODE --query=registrations --extension=NUMBER"
        )
    return Advice(
        "no source returned a state; disable registrations until one does",
        setting("queries", "registrations", "tenant_interval", value="off"),
    )
