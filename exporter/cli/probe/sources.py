"""The sources of registrations, and which to configure out of what each of them said of one phone. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.cli.probe.questions import Advice, Finding, Question, setting
from exporter.cli.probe.tenants import COMPARE
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
from exporter.poll.registrations import states_by_tenant, states_of_peers
from exporter.queries import registrations
from exporter.request import Operation, Request

_COSTS = {
    RegistrationSource.PEERS: "one request for the installation",
    RegistrationSource.EXTENSIONS: "one request a tenant",
    RegistrationSource.REGSTATE: "one request an extension",
}
"""The sources, from the one with the fewest requests to the one with the most."""

NOT_LISTED = "no state: not in the list"

_KNOWN = {Registration.REGISTERED, Registration.UNREGISTERED}


class Source(NamedTuple):
    """Where registrations are read from: ``source`` of the configuration and, for regstate, ``parameter``."""

    kind: RegistrationSource
    parameter: ExtensionParameter | None = None

    @property
    def name(self) -> str:
        """The source as it is written in the configuration."""
        return f"{self.kind}, parameter {self.parameter}" if self.parameter else self.kind.value

    @property
    def settings(self) -> Mapping[str, object]:
        """The lines of the configuration that choose it."""
        parameter = {"parameter": self.parameter.value} if self.parameter else {}
        return setting("queries", "registrations", value={"source": self.kind.value, **parameter})

    def question(self, tenant: str, extension: str) -> Question:
        """Return the request by which it is tried."""
        match self:
            case Source(RegistrationSource.PEERS):
                request = Request(Operation.PEERS)
            case Source(RegistrationSource.EXTENSIONS):
                request = Request(Operation.EXTENSIONS, tenant=tenant)
            case _:
                parameter = self.parameter or ExtensionParameter.EXT
                request = Request(
                    Operation.REGISTRATION, tenant=tenant, extension=extension, extension_parameter=parameter
                )
        return Question(Query.REGISTRATIONS, request)


LIST = Source(RegistrationSource.EXTENSIONS)
PEERS = Source(RegistrationSource.PEERS)


def sources(switch: SwitchConfiguration) -> list[Source]:
    """Return all sources of registrations, in the order in which they are tried."""
    configured = switch.queries.options(registrations.SPEC).parameter
    parameters = [configured, *(each for each in ExtensionParameter if each is not configured)]
    return [LIST, *(Source(RegistrationSource.REGSTATE, parameter) for parameter in parameters), PEERS]


def configured_source(switch: SwitchConfiguration) -> Source:
    """Return the configured source."""
    return next(source for source in sources(switch) if is_configured(source, switch))


@dataclass(frozen=True, slots=True)
class Trial:
    """One source that was tried, and its result for the phone: a state, or why there is none."""

    source: Source
    state: Registration | None
    result: str
    took: str = ""


def trial(source: Source, finding: Finding, tenant: str, extension: str) -> Trial:
    """Return the result of trying a source."""
    took = f", {len(finding.body):,} bytes in {finding.seconds:.1f} s" if finding.body else ""
    state, result = _result(source, finding, tenant, extension)
    return Trial(source, state, result, took)


def _result(source: Source, finding: Finding, tenant: str, extension: str) -> tuple[Registration | None, str]:
    match finding.verdict:
        case Failure(reason=reason):
            return None, f"no state: {reason}"
        case RegistrationState(state=state):
            return state, state.value
        case Extensions(rows=rows):
            states = {row.number: row.state for row in rows}
        case Peers() as listed:
            found = states_by_tenant(listed).get(tenant, {})
            states = states_of_peers(found, [extension]) if found and extension else {}
        case _:
            states = {}
    if not extension:
        return None, "a list; no extension is known"
    if extension in states:
        return states[extension], states[extension].value
    # A user of a peer is <number>-<CODE> (seen, wire notes 2026-10).
    is_peers = source.kind is RegistrationSource.PEERS
    return None, f"no state: no user NUMBER-{tenant}" if is_peers else NOT_LISTED


def choose(trials: Sequence[Trial], switch: SwitchConfiguration) -> Trial | None:
    """Return the source to configure: of those that agree with most, the configured one, else the cheapest.

    None where no source gave a state, or as many say one thing as the other.
    """
    working = [each for each in trials if each.state in _KNOWN]
    # A source has one vote, however many parameters it takes: what it makes of them is not independent.
    votes = {(each.source.kind, each.state) for each in working}
    counted = Counter(state for _, state in votes).most_common()
    if not counted or (len(counted) > 1 and counted[0][1] == counted[1][1]):
        return None
    agreeing = [each for each in working if each.state is counted[0][0]]
    return min(agreeing, key=lambda each: (not is_configured(each.source, switch), _rank(each)))


def _rank(one: Trial) -> int:
    return list(_COSTS).index(one.source.kind)


def is_configured(source: Source, switch: SwitchConfiguration) -> bool:
    """Tell whether the configuration already says so."""
    section = switch.queries.options(registrations.SPEC)
    return source.kind is section.source and source.parameter in {None, section.parameter}


def table(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield a line for each source: its result, and what it costs."""
    for each in trials:
        yield f"{each.source.name:<26} {each.result:<34} {_COSTS[each.source.kind]}{each.took}"


def source_advice(
    trials: Sequence[Trial], switch: SwitchConfiguration, *, tenant_is_known: bool
) -> Iterator[Advice]:
    """Yield which source to configure, and which are wrong or cheaper."""
    chosen = choose(trials, switch)
    if chosen is None:
        yield _no_choice(trials, tenant_is_known=tenant_is_known)
        return
    weak = "One phone proves little: compare some more once it is polled"
    name = chosen.source.name
    if is_configured(chosen.source, switch):
        yield Advice(f"the configured source, {name}, works. {weak}")
    else:
        yield Advice(f"registrations can be read from {name}. {weak}", chosen.source.settings, sure=True)
    if liars := [each.source.name for each in trials if each.state in _KNOWN - {chosen.state}]:
        yield Advice(f"not so: {', '.join(liars)}. They say the opposite of the others")
    cheapest = min((each for each in trials if each.state is chosen.state), key=_rank)
    if _rank(cheapest) < _rank(chosen):
        cost = _COSTS[cheapest.source.kind]
        yield Advice(f"with many phones this needs fewer requests: {cost}", cheapest.source.settings)


def _no_choice(trials: Sequence[Trial], *, tenant_is_known: bool) -> Advice:
    """Nothing is turned off because of a tenant that the switch may not have, or an extension it has not."""
    if any(each.state in _KNOWN for each in trials):
        return Advice(
            "the ways disagree on this phone. Look at the phone itself, and configure one that is right"
        )
    if not tenant_is_known:
        return Advice(
            f"no way gave a state of this phone. See first that the tenant's code is right; {COMPARE}"
        )
    if any(each.result == NOT_LISTED for each in trials):
        return Advice(
            "the tenant's list has no such extension, and no way gave a state of it: ask about another one "
            "with --tenant=CODE --query=registrations --extension=NUMBER"
        )
    return Advice(
        "no way gave a state of this phone; registrations cannot be polled before one does",
        setting("queries", "registrations", "tenant_interval", value="off"),
    )
