from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.cli.probe.comparison import (
    Cost,
    Installation,
    best_of_tenants,
    choose,
    comparisons,
    installation,
    source_advice,
    table,
)
from exporter.cli.probe.sources import BLF, LIST, NOT_LISTED, PEERS, TENANT_PEERS, Source, Trial
from exporter.model import ExtensionParameter, Registration, RegistrationSource
from tests.conftest import Configured

EXT, ID, NUMBER = (Source(RegistrationSource.REGSTATE, parameter) for parameter in ExtensionParameter)
YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN
SMALL = Installation(1, 10, 300)
LARGE = Installation(5000, 250_000, 300)

SOURCES = {
    "list": LIST,
    "ext": EXT,
    "id": ID,
    "number": NUMBER,
    "blf": BLF,
    "tenant_peers": TENANT_PEERS,
    "peers": PEERS,
}


def trials(states: Mapping[str, Registration]) -> list[Trial]:
    """Return the state of one phone by source; sources that are not named returned none."""
    return [
        Trial(source, states.get(name), "", {"100": states[name]} if name in states else {})
        for name, source in SOURCES.items()
    ]


def lists(**states: str) -> list[Trial]:
    """Return the states of phones 0, 1 … by source: + registered, - unregistered, ? unknown."""
    meaning = {"+": YES, "-": NO, "?": UNKNOWN}
    return [
        Trial(SOURCES[name], None, "", {str(at): meaning[sign] for at, sign in enumerate(signs)}, size=100)
        for name, signs in states.items()
    ]


@pytest.mark.parametrize(
    ("states", "chosen", "suggested"),
    [
        ({}, None, [None]),
        ({"list": YES}, LIST, [{"source": "extensions"}]),
        ({"id": YES}, ID, [{"source": "regstate", "parameter": "id"}]),
        ({"ext": YES}, EXT, [None]),
        ({"ext": YES, "list": YES, "peers": YES}, EXT, [None, {"source": "peers"}]),  # the configured one
        ({"ext": YES, "list": YES, "blf": YES}, EXT, [None, {"source": "blf"}]),
        ({"id": YES, "list": YES}, LIST, [{"source": "extensions"}]),  # fewer requests
        ({"id": YES, "list": YES, "peers": YES}, PEERS, [{"source": "peers"}]),
        ({"list": YES, "peers": YES, "blf": YES}, BLF, [{"source": "blf"}]),
        ({"list": YES, "peers": NO}, None, [None]),  # no majority
        # one vote a source
        ({"ext": NO, "id": NO, "number": NO, "list": YES, "peers": YES}, PEERS, [{"source": "peers"}, None]),
        ({"ext": YES, "list": YES, "peers": NO}, EXT, [None, None, {"source": "extensions"}]),
        ({"ext": YES, "id": NO, "list": YES}, EXT, [None, None, {"source": "extensions"}]),
        ({"list": UNKNOWN}, None, [None]),
    ],
)
def test_source_to_configure(
    states: dict[str, Registration], chosen: Source | None, suggested: list[object], configured: Configured
) -> None:
    """Of the sources that agree, the configured one, else the best one."""
    switch = configured()
    found = choose(trials(states), switch, SMALL)
    assert (found.source if found else None) == chosen
    given = source_advice(trials(states), switch, SMALL, tenant_is_known=True)
    expected = [{"queries": {"registrations": each}} if each else {} for each in suggested]
    assert [each.settings for each in given] == expected


def test_a_source_that_is_silent_about_many_phones(configured: Configured) -> None:
    """It is not chosen although it is configured, and the advice says how many it knows."""
    tried = lists(list="++++------", blf="++++------", peers="++++--????")
    switch = configured(queries={"registrations": {"source": "peers"}})

    given = [*source_advice(tried, switch, SMALL, tenant_is_known=True)]

    assert given[0].settings == {"queries": {"registrations": {"source": "blf"}}}
    assert given[0].sure
    assert "It knows 10 of 10 phones of every technology" in given[0].text
    assert given[1].text.startswith("peers knows only 6 of these phones; the others may use PJSIP")
    assert len(given) == 2


def test_phones_that_changed_meanwhile(configured: Configured) -> None:
    """A tenth may differ: a phone may register between two requests."""
    switch = configured()
    one = choose(lists(list="++++++++++", blf="+++++++++-"), switch, SMALL)
    assert one is not None
    assert one.source == BLF
    assert choose(lists(list="++++++++++", blf="++++++++--"), switch, SMALL) is None
    outvoted = choose(lists(list="++++++++++", blf="++++++++--", tenant_peers="++++++++++"), switch, SMALL)
    assert outvoted is not None
    assert outvoted.source == TENANT_PEERS


def test_rate_limit_decides(configured: Configured) -> None:
    """One list of all peers is better if the rate limit does not allow a request per tenant."""
    tried = lists(list="++", blf="++", peers="++")
    found = [choose(tried, configured(), polled) for polled in (SMALL, LARGE)]
    assert [each.source for each in found if each] == [BLF, PEERS]


def test_fewer_bytes_are_cheaper(configured: Configured) -> None:
    """With as many requests, another source is suggested if it has less than half of the bytes."""
    switch = configured(queries={"registrations": {"source": "extensions"}})
    short, long = (Trial(BLF, YES, "", {"1": YES}, size=size) for size in (49, 50))
    listed = Trial(LIST, YES, "", {"1": YES}, size=100)
    texts = [
        [each.text for each in source_advice([listed, blf], switch, SMALL, tenant_is_known=True)]
        for blf in (short, long)
    ]
    assert [len(each) for each in texts] == [2, 1]
    assert texts[0][1] == "blf is cheaper: 1 request, 49 bytes"


def test_comparison_of_two_lists() -> None:
    """It counts phones that both know, and names some that differ, if they look like extensions."""
    states = {str(number): YES for number in range(100, 108)}
    other = dict.fromkeys(states, NO) | {"100": UNKNOWN, "secret word": NO}
    tried = [
        Trial(LIST, YES, "", states | {"secret word": YES}),
        Trial(BLF, YES, "", other),
        Trial(EXT, YES, "", {"100": YES}),
        Trial(PEERS, None, "no state: auth"),
    ]
    assert list(comparisons(tried)) == [
        "extensions and blf: 8 phones known to both, 8 differ: 101, 102, 103, 104, 105, …"
    ]


_states = st.dictionaries(st.sampled_from("12345"), st.sampled_from(Registration))


@given(st.lists(_states, min_size=7, max_size=7))
def test_any_states_can_be_compared(states: list[dict[str, Registration]]) -> None:
    """Every source has its line, and each two lists are compared at most once."""
    tried = [Trial(source, None, "", each) for source, each in zip(SOURCES.values(), states, strict=True)]
    assert len(list(table(tried, LARGE))) == len(tried)
    assert len(list(comparisons(tried))) == len(set(comparisons(tried))) <= 6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(_states, min_size=7, max_size=7))
def test_chosen_source_has_states(states: list[dict[str, Registration]], configured: Configured) -> None:
    """Whatever the sources return, there is an advice, and none is chosen that knows no phone."""
    tried = [Trial(source, None, "", each) for source, each in zip(SOURCES.values(), states, strict=True)]
    chosen = choose(tried, configured(), LARGE)
    assert chosen is None or chosen.known
    assert list(source_advice(tried, configured(), LARGE, tenant_is_known=True))


def test_table() -> None:
    """It has a line for each source, with its result and its cost."""
    lines = list(table(lists(list="++", blf="+?", peers="+?"), SMALL))
    assert [" ".join(line.split()) for line in lines] == [
        "extensions knows 2 of 2 1 request, 100 bytes 100 bytes in 0.0 s",
        "blf knows 1 of 2 1 request, 100 bytes 100 bytes in 0.0 s",
        "peers knows 1 of 2 1 request, 100 bytes 100 bytes in 0.0 s",
    ]


@pytest.mark.parametrize(
    ("result", "known", "text"),
    [
        ("no state: auth", False, "Check the tenant's code first; `probe --query=tenants`"),
        (NOT_LISTED, False, "Check the tenant's code first"),
        (NOT_LISTED, True, "does not contain this extension"),
    ],
)
def test_wrong_code_disables_nothing(
    result: str,
    known: bool,  # noqa: FBT001 -- a table
    text: str,
    configured: Configured,
) -> None:
    """If the switch may not have the tenant or the extension, no setting is suggested."""
    (given,) = source_advice([Trial(LIST, None, result)], configured(), SMALL, tenant_is_known=known)
    assert (text in given.text, given.settings) == (True, {})


def test_the_best_source_for_several_tenants() -> None:
    """It is right and complete for each of them; a tenant without phones says nothing."""

    def best(*tenants: list[Trial], fits: bool = True) -> Source | None:
        found = best_of_tenants(tenants, lambda trial: fits or trial.source == PEERS)
        return found.source if found else None

    complete = lists(list="++++", blf="++++", peers="++++")
    silent = lists(list="++++", blf="++++", peers="++??")
    assert best(complete, complete) == BLF
    assert best(complete, complete, fits=False) == PEERS
    assert best(complete, silent, fits=False) == BLF
    assert best(lists(list="++++", blf="", peers="++++"), silent) == LIST
    assert best(complete, lists(list="", blf="", peers="")) == BLF
    assert best(lists(blf="++++", peers="----")) is None
    assert best() is None
    largest = best_of_tenants([lists(blf="++"), lists(blf="++++"), lists(blf="+")], lambda _: True)
    assert largest is not None
    assert len(largest.states) == 4


REGSTATE = Source(RegistrationSource.REGSTATE)


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        (PEERS, Cost(1, 1000)),
        (BLF, Cost(5000, 5_000_000)),
        (LIST, Cost(5000, 5_000_000)),
        (REGSTATE, Cost(250_000, 250_000_000)),
    ],
)
def test_cost_of_a_source(source: Source, cost: Cost) -> None:
    """One request for all, for each tenant or for each phone, with responses of the size that was seen."""
    all_phones = Installation(5000, 250_000, 300)
    assert all_phones.cost(Trial(source, None, "", size=1000)) == cost


def test_rate_limit() -> None:
    """95 % of it may be used in each interval."""
    made = Trial(BLF, None, "")
    assert Installation(2850, 0, 300).fits(made, 10)
    assert not Installation(2851, 0, 300).fits(made, 10)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(1, 0), "1 request"),
        (Cost(5000, 15_000_000), "5,000 requests, 15 MB"),
        (Cost(2, 999), "2 requests, 999 bytes"),
        (Cost(2, 1234), "2 requests, 1.2 kB"),
        (Cost(2, 51_234), "2 requests, 51 kB"),
        (Cost(2, 2 * 10**12), "2 requests, 2000 GB"),
    ],
)
def test_cost_in_words(cost: Cost, text: str) -> None:
    """A size is printed if it is known; two digits are enough."""
    assert str(cost) == text


def test_installation_of_discovered_tenants(configured: Configured) -> None:
    """All have as many phones as the tenant that was tried."""
    switch = configured(tenant_defaults={"extensions": "all"}, discover_tenants={"enabled": True})
    made = installation(switch, "A", 20, ["A", "B", "C"])
    assert made == Installation(3, 60, 300, "A")
    assert str(made) == "3 tenants with 60 phones, if all have as many as A, every 5m"


def test_installation_with_configured_extensions(configured: Configured) -> None:
    """Only tenants with extensions count, and their phones are known."""
    switch = configured(
        tenants=[
            {"code": "A", "extensions": ["1", "2"]},
            {"code": "B", "watch": ["7"]},
            {"code": "C"},
            {"code": "D", "extensions": "all", "queries": {"registrations": {"tenant_interval": "off"}}},
        ]
    )
    made = installation(switch, "A", 20, [])
    assert made == Installation(2, 3, 300)
    assert str(made) == "2 tenants with 3 phones, every 5m"


def test_installation_that_is_not_configured_yet(configured: Configured) -> None:
    """All listed tenants count."""
    assert installation(configured(), "A", 20, ["A", "B"]) == Installation(2, 40, 300, "A")
    assert str(installation(configured(), "A", 20, [])) == "1 tenant with 20 phones, every 5m"
