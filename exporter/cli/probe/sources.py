"""Which source of registrations to configure, out of what each of them said of one phone. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.cli.probe.questions import Way
from exporter.cli.probe.tenants import COMPARE
from exporter.config import SwitchConfiguration
from exporter.model import Extensions, Failure, Peers, Registration, RegistrationSource, RegistrationState
from exporter.poll.registrations import states_by_tenant, states_of_peers

_COSTS = {
    RegistrationSource.PEERS: "one request for the installation",
    RegistrationSource.EXTENSIONS: "one request a tenant",
    RegistrationSource.REGSTATE: "one request an extension",
}
"""The sources, from the one with the fewest requests to the one with the most."""

NOT_LISTED = "no state: not in the list"

_KNOWN = {Registration.REGISTERED, Registration.UNREGISTERED}


@dataclass(frozen=True, slots=True)
class Trial:
    """One way that was tried, and what it said of the phone: a state, or why it says none."""

    way: Way
    state: Registration | None
    said: str
    took: str = ""

    @property
    def name(self) -> str:
        """The way as it is written in the configuration."""
        source = self.way.source.value
        return f"{source}, parameter {self.way.parameter.value}" if self.way.parameter else source


def trial(way: Way, finding: Finding, tenant: str, extension: str) -> Trial:
    """Judge what came of a way."""
    took = f", {len(finding.body):,} bytes in {finding.seconds:.1f} s" if finding.body else ""
    state, said = _said(way, finding, tenant, extension)
    return Trial(way, state, said, took)


def _said(way: Way, finding: Finding, tenant: str, extension: str) -> tuple[Registration | None, str]:
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
    is_peers = way.source is RegistrationSource.PEERS
    return None, f"no state: no user NUMBER-{tenant}" if is_peers else NOT_LISTED


def choose(trials: Sequence[Trial], switch: SwitchConfiguration) -> Trial | None:
    """Return the way to configure: of those that agree with most, the configured one, else the cheapest.

    None where no way gave a state, or as many say one thing as the other.
    """
    working = [each for each in trials if each.state in _KNOWN]
    # A source has one vote, however many parameters it takes: what it makes of them is not independent.
    votes = {(each.way.source, each.state) for each in working}
    counted = Counter(state for _, state in votes).most_common()
    if not counted or (len(counted) > 1 and counted[0][1] == counted[1][1]):
        return None
    agreeing = [each for each in working if each.state is counted[0][0]]
    costs = list(_COSTS)
    agreeing.sort(key=lambda each: (not is_configured(each.way, switch), costs.index(each.way.source)))
    return agreeing[0]


def is_configured(way: Way, switch: SwitchConfiguration) -> bool:
    """Tell whether the configuration already says so."""
    registrations = switch.queries.registrations
    return way.source is registrations.source and way.parameter in {None, registrations.parameter}


def table(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield a line for each way: what it said, and what it costs."""
    for each in trials:
        yield f"{each.name:<26} {each.said:<34} {_COSTS[each.way.source]}{each.took}"


def source_advice(
    trials: Sequence[Trial], switch: SwitchConfiguration, *, tenant_is_known: bool
) -> list[Advice]:
    """Return which way to configure, and what else is to be said of the ways.

    Nothing is turned off because of a tenant that the switch may not have, or an extension that it has not.
    """
    chosen = choose(trials, switch)
    states = {each.state for each in trials if each.state in _KNOWN}
    if chosen is None and states:
        return [
            Advice(
                "the ways disagree on this phone. Look at the phone itself, and configure one that is right"
            )
        ]
    if chosen is None and not tenant_is_known:
        return [
            Advice(f"no way gave a state of this phone. See first that the tenant's code is right; {COMPARE}")
        ]
    if chosen is None and any(each.said == NOT_LISTED for each in trials):
        return [
            Advice(
                "the tenant's list has no such extension, and no way gave a state of it: ask about another "
                "one with --tenant=CODE --query=registrations --extension=NUMBER"
            )
        ]
    if chosen is None:
        return [
            Advice("no way gave a state of this phone; registrations cannot be polled before one does", _OFF)
        ]
    given = [_the_one(chosen, switch)]
    if len(states) > 1:
        liars = ", ".join(each.name for each in trials if each.state in _KNOWN - {chosen.state})
        given.append(Advice(f"not so: {liars}. They say the opposite of the others"))
    costs = list(_COSTS)
    cheaper = [
        each
        for each in trials
        if each.state is chosen.state and costs.index(each.way.source) < costs.index(chosen.way.source)
    ]
    if cheaper:
        other = min(cheaper, key=lambda each: costs.index(each.way.source))
        given.append(
            Advice(
                f"with many phones this needs fewer requests: {_COSTS[other.way.source]}", _lines(other.way)
            )
        )
    return given


_OFF = setting("queries", "registrations", "tenant_interval", value="off")


def _the_one(chosen: Trial, switch: SwitchConfiguration) -> Advice:
    weak = "One phone proves little: compare some more once it is polled"
    if is_configured(chosen.way, switch):
        return Advice(f"the configured source, {chosen.name}, works. {weak}")
    return Advice(f"registrations can be read from {chosen.name}. {weak}", _lines(chosen.way), sure=True)


def _lines(way: Way) -> dict[str, object]:
    parameter = {"parameter": way.parameter.value} if way.parameter else {}
    return setting("queries", "registrations", value={"source": way.source.value, **parameter})
