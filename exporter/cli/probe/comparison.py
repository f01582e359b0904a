"""Compares the sources of registrations, phone by phone and by their costs, and recommends one. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from exporter.cli.probe.findings import COMPARE, Advice
from exporter.cli.probe.sources import NOT_LISTED, SKIPPED, Source, Trial, is_configured
from exporter.config import SwitchConfiguration
from exporter.fields import duration_text
from exporter.model import Query, RegistrationSource

_BEST_FIRST = (
    RegistrationSource.BLF,
    RegistrationSource.PEERS,
    RegistrationSource.TENANT_PEERS,
    RegistrationSource.EXTENSIONS,
    RegistrationSource.REGSTATE,
)
"""Best first. Unlike ``peers``, ``blf`` knows phones of every technology. Its responses are short."""

_TOLERATED = 0.1
"""Share of phones that may differ or be unknown: phones change between two requests."""

_MOST_NUMBERS = 5
_NUMBER = re.compile(r"[0-9*#+]{1,12}")
"""What may be printed. Lists contain passwords, and a column may not contain what its name says."""

_USABLE = 0.95
"""Share of the rate limit that the exporter plans to use."""

_UNITS = ("bytes", "kB", "MB", "GB")
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests and bytes in each interval."""

    requests: int
    size: int

    def __str__(self) -> str:
        """Return the cost, to print."""
        noun = "request" if self.requests == 1 else "requests"
        return (
            f"{self.requests:,} {noun}, {size_text(self.size)}" if self.size else f"{self.requests:,} {noun}"
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """The tenants whose phones are polled, and the number of their phones.

    ``interval``: the polling interval in seconds. ``like``: the tenant whose number of phones is assumed for
    tenants where it is unknown; "" if there are none.
    """

    tenants: int
    phones: int
    interval: float
    like: str = ""

    def cost(self, trial: Trial) -> Cost:
        """Return what a source costs if all responses are like that of the trial."""
        match trial.source.kind:
            case RegistrationSource.PEERS:
                return Cost(1, trial.size)
            case RegistrationSource.REGSTATE:
                requests = self.phones
            case _:
                requests = self.tenants
        return Cost(requests, requests * trial.size)

    def fits(self, trial: Trial, max_requests_per_second: float) -> bool:
        """Return whether the rate limit allows the requests of a source in each interval."""
        return self.cost(trial).requests <= self.interval * max_requests_per_second * _USABLE

    def __str__(self) -> str:
        """Return a description, to print."""
        like = f", if all have as many as {self.like}" if self.like else ""
        interval = duration_text(self.interval)
        tenants = "1 tenant" if self.tenants == 1 else f"{self.tenants:,} tenants"
        return f"{tenants} with {self.phones:,} phones{like}, every {interval}"


def installation(
    switch: SwitchConfiguration, tenant: str, phones: int, listed: Collection[str]
) -> Installation:
    """Return the installation. ``phones``: how many ``tenant`` has. ``listed``: codes in the switch's list.

    If the configuration polls no tenant, all tenants count, with all their phones.
    """
    codes = dict.fromkeys([tenant, *(each.code for each in switch.tenants), *listed])
    settings = [switch.settings(code) for code in codes]
    polled = [each for each in settings if each.interval(Query.REGISTRATIONS) is not None]
    polled = [each for each in polled if each.extensions == "all" or each.polled]
    interval = switch.settings(tenant).interval(Query.REGISTRATIONS) or 300.0
    if not polled:
        return Installation(len(codes), len(codes) * phones, interval, tenant if len(codes) > 1 else "")
    unnamed = [each.code for each in polled if each.extensions == "all"]
    named = sum(len(each.polled) for each in polled if each.extensions != "all")
    like = tenant if set(unnamed) - {tenant} else ""
    return Installation(len(polled), named + len(unnamed) * phones, interval, like)


def size_text(size: float) -> str:
    """Return a number of bytes with a unit, such as ``17 kB``."""
    thousands = 0
    while size >= _THOUSAND and thousands < len(_UNITS) - 1:
        size /= _THOUSAND
        thousands += 1
    is_short = thousands and size < 10  # noqa: PLR2004 -- two digits
    return f"{size:.{int(is_short)}f} {_UNITS[thousands]}"


def table(trials: Sequence[Trial], installation: Installation) -> Iterator[str]:
    """Yield a line for each source with its result and its cost."""
    total = len({number for each in trials if each.is_list for number in each.states})
    for each in trials:
        knows = f"knows {len(each.known):,} of {total:,}" if each.is_list and each.states else ""
        took = f"{size_text(each.size)} in {each.seconds:.1f} s" if each.size else ""
        columns = (
            f"{each.source.name:<26} {each.result:<33} {knows:<21} {installation.cost(each)!s:<25} {took}"
        )
        yield columns.rstrip()


def comparisons(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield for each pair of lists how many phones both know, and which of these differ."""
    for one, other in combinations([each for each in trials if each.is_list and each.known], 2):
        common = one.known.keys() & other.known.keys()
        differing = sorted(_differing(one, other))
        shown = [number for number in differing if _NUMBER.fullmatch(number)][:_MOST_NUMBERS]
        named = f": {', '.join(shown)}{', …' if len(shown) < len(differing) else ''}" if differing else ""
        yield (
            f"{one.source.name} and {other.source.name}: {len(common):,} phones known to both, "
            f"{len(differing):,} differ{named}"
        )


def _differing(one: Trial, other: Trial) -> set[str]:
    known = other.known
    return {number for number, state in one.known.items() if known.get(number, state) is not state}


def _disagree(one: Trial, other: Trial) -> bool:
    common = one.known.keys() & other.known.keys()
    return len(_differing(one, other)) > _TOLERATED * len(common)


def _is_contradicted(one: Trial, trials: Sequence[Trial]) -> bool:
    """Return whether the majority contradicts this source on more than a tenth of its phones.

    Each source has one vote per state, however many parameters were tried: their results are not independent.
    """
    wrong = 0
    for number, state in one.known.items():
        votes = {(each.source.kind, each.known[number]) for each in trials if number in each.known}
        ranked = Counter(voted for _, voted in votes).most_common(2)
        is_decided = len(ranked) == 1 or ranked[0][1] > ranked[1][1]
        wrong += is_decided and ranked[0][0] is not state
    return wrong > _TOLERATED * len(one.known)


def _trusted(trials: Sequence[Trial]) -> list[Trial]:
    working = [each for each in trials if each.known]
    return [each for each in working if not _is_contradicted(each, working)]


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trusted sources that know nearly as many phones as the best, and regstate (tried on one).

    Returns none if trusted sources disagree.
    """
    trusted = _trusted(trials)
    if any(_disagree(*pair) for pair in combinations(trusted, 2)):
        return []
    most = max((len(each.known) for each in trusted if each.is_list), default=0)
    return [each for each in trusted if not each.is_list or len(each.known) >= (1 - _TOLERATED) * most]


def choose(trials: Sequence[Trial], switch: SwitchConfiguration, installation: Installation) -> Trial | None:
    """Return the source to configure: the configured one if it is right and complete, else the best.

    Returns None if no source returned a state, or if they disagree and no majority decides.
    """

    def rank(each: Trial) -> tuple[bool, bool, int]:
        fits = installation.fits(each, switch.max_requests_per_second)
        return not is_configured(each.source, switch), not fits, _BEST_FIRST.index(each.source.kind)

    return min(_complete(trials), key=rank, default=None)


def best_of_tenants(tried: Iterable[Sequence[Trial]], fits: Callable[[Trial], bool]) -> Trial | None:
    """Return the best source for a new configuration, given the trials of each of several tenants.

    It is right and complete for every tenant on which it was tried. ``fits``: whether the rate limit allows
    its requests. Returns the trial on the tenant with the most phones, or None.
    """
    found: dict[Source, Trial] = {}
    wrong: set[Source] = set()
    for trials in tried:
        if not any(each.known for each in trials):
            continue  # a tenant without phones says nothing
        complete = _complete(trials)
        wrong |= {each.source for each in trials if each not in complete}
        for each in complete:
            before = found.setdefault(each.source, each)
            found[each.source] = max(before, each, key=lambda one: len(one.states))
    candidates = [each for source, each in found.items() if source not in wrong]
    return min(
        candidates, key=lambda each: (not fits(each), _BEST_FIRST.index(each.source.kind)), default=None
    )


def source_advice(
    trials: Sequence[Trial],
    switch: SwitchConfiguration,
    installation: Installation,
    *,
    tenant_is_known: bool,
) -> Iterator[Advice]:
    """Yield which source to configure and why, and which ones are wrong, incomplete or cheaper."""
    chosen = choose(trials, switch, installation)
    if chosen is None:
        yield _no_choice(trials, tenant_is_known=tenant_is_known)
        return
    name, why = chosen.source.name, _reason(chosen, trials, installation)
    if is_configured(chosen.source, switch):
        yield Advice(f"the configured source, {name}, works. {why}")
    else:
        yield Advice(f"registrations can be read from {name}. {why}", chosen.source.settings, sure=True)
    working, trusted, complete = [each for each in trials if each.known], _trusted(trials), _complete(trials)
    if wrong := [each.source.name for each in working if each not in trusted]:
        yield Advice(f"do not use {', '.join(wrong)}: most other sources disagree")
    for each in trusted:
        if each not in complete:
            yield Advice(
                f"{each.source.name} knows only {len(each.known):,} of these phones; the others may use "
                "PJSIP, or have different user names"
            )
    cheapest = min(
        complete, key=lambda each: (installation.cost(each).requests, _BEST_FIRST.index(each.source.kind))
    )
    now, cost = installation.cost(chosen), installation.cost(cheapest)
    if cost.requests < now.requests or (cost.requests == now.requests and 2 * cost.size < now.size):
        yield Advice(f"{cheapest.source.name} is cheaper: {cost}", cheapest.source.settings)


def _reason(chosen: Trial, trials: Sequence[Trial], installation: Installation) -> str:
    cost = f"It needs {installation.cost(chosen)} for {installation}"
    if not chosen.is_list:
        return f"{cost}. One extension proves little: once it is polled, check some more"
    total = len({number for each in trials if each.is_list for number in each.states})
    more = " of every technology" if chosen.source.kind is RegistrationSource.BLF else ""
    return f"It knows {len(chosen.known):,} of {total:,} phones{more}. {cost}"


def _no_choice(trials: Sequence[Trial], *, tenant_is_known: bool) -> Advice:
    """Return what to do without a source. Disable nothing if the tenant or the extension may not exist."""
    if any(each.known for each in trials):
        return Advice("the sources disagree. Check the phone itself, and configure a source that matches it")
    if any(each.result == SKIPPED for each in trials):
        return Advice("not all sources were tried: correct the failures above, then probe again")
    if not tenant_is_known:
        return Advice(f"no source returned a state. Check the tenant's code first; {COMPARE}")
    if any(each.result == NOT_LISTED for each in trials):
        return Advice(
            "no source returned a state, and the tenant's list does not contain this extension: try another "
            "one with --tenant=CODE --query=registrations --extension=NUMBER"
        )
    return Advice("no source returned a state: grant the key the right to one of them, best to BLFS")
