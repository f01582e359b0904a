from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Peer, Peers, Registration, Technology
from exporter.poll.peers import SeenPeers, codes_by_ending, states_by_tenant, states_of_peers

YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN

_numbers = st.text(st.characters(exclude_characters="-_"), min_size=1, max_size=6)
_endings = st.text(st.sampled_from("AB-_ é"), min_size=1, max_size=4)
_tenants = st.dictionaries(_endings, _endings | st.just(""), max_size=6)
"""Codes and names, with many names that are shared or are the code of another tenant."""


def _listed(*users: str) -> Peers:
    return Peers(tuple(Peer(user, "n1", YES, "OK") for user in users))


@given(_numbers, st.sampled_from("-_"), _tenants, st.data())
def test_a_user_belongs_to_the_tenant_that_its_ending_names(
    number: str, separator: str, names: Mapping[str, str], data: st.DataObject
) -> None:
    """To the one with this code, else to the only one with this name, else to nobody."""
    ending = data.draw(_endings | st.sampled_from([*names, *names.values(), "A"]))
    named = [code for code, name in names.items() if name == ending and name]
    owners = [ending] if ending in names else named
    expected = {owners[0]: {number: YES}} if len(owners) == 1 else {}

    codes = codes_by_ending(names, names)
    assert states_by_tenant(_listed(f"{number}{separator}{ending}"), codes) == expected


@given(st.text(max_size=20), _tenants)
def test_any_user_belongs_to_one_tenant_at_most(user: str, names: Mapping[str, str]) -> None:
    """No user name raises, or counts for two tenants."""
    found = states_by_tenant(_listed(user), codes_by_ending(names, names))
    assert sum(map(len, found.values())) <= 1
    assert found.keys() <= names.keys()


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("100-ACME", {"ACME": {"100": YES}}),
        ("100_ACME", {"ACME": {"100": YES}}),
        ("100-Acme Inc", {"ACME": {"100": YES}}),
        ("100-BETA", {"BETA": {"100": YES}}),  # the code of BETA, and the name of GAMMA
        ("100-Twins", {}),
        ("100-UNPOLLED", {"UNPOLLED": {"100": YES}}),
        ("100-CONFIGURED_ONLY", {"CONFIGURED_ONLY": {"100": YES}}),
        ("100-MARS", {}),
        ("100-", {}),
        ("trunk", {}),
        ("", {}),
    ],
)
def test_endings_of_users(user: str, found: Mapping[str, Mapping[str, Registration]]) -> None:
    """Codes come first; a name of two tenants, an unknown ending and no ending match nobody."""
    names = {
        "ACME": "Acme Inc",
        "BETA": "Beta",
        "GAMMA": "BETA",
        "D": "Twins",
        "E": "Twins",
        "UNPOLLED": "",
    }
    codes = codes_by_ending(["ACME", "BETA", "GAMMA", "CONFIGURED_ONLY"], names)
    assert states_by_tenant(_listed(user), codes) == found


@given(st.lists(st.sampled_from(Registration), min_size=1))
def test_a_phone_on_several_nodes(states: list[Registration]) -> None:
    """It is registered if any node says so, else as the last one says."""
    rows = tuple(Peer("100-A", f"n{at}", state, "") for at, state in enumerate(states))
    expected = YES if YES in states else states[-1]
    assert states_by_tenant(Peers(rows), {"A": "A"}) == {"A": {"100": expected}}


def test_absent_extensions() -> None:
    """Only an expected one is unregistered; of the others nothing is known."""
    found = {"100": YES, "999": YES}
    assert states_of_peers(found, ["100", "101", "102"], {"101", "100"}.__contains__) == {
        "100": YES,
        "101": NO,
        "102": UNKNOWN,
    }


@pytest.mark.parametrize(
    ("technology", "of_chan_sip", "of_all"),
    [
        (None, True, True),
        (Technology.SIP, True, True),
        (Technology.PJSIP, False, True),  # moved to PJSIP, which CHANSIPPEERS never lists
        (Technology.OTHER, False, True),
    ],
)
def test_a_phone_that_was_listed(
    technology: Technology | None,
    of_chan_sip: bool,  # noqa: FBT001 -- a table
    of_all: bool,  # noqa: FBT001 -- a table
) -> None:
    """It is expected, unless its technology is known and never in this kind of list."""
    seen, technologies = SeenPeers(), {"100": technology} if technology else {}
    seen.start("here")
    seen.add("A", ["100"])
    assert seen.expects("A", technologies, has_pjsip=False)("100") is of_chan_sip
    assert seen.expects("A", technologies, has_pjsip=True)("100") is of_all


@pytest.mark.parametrize("has_pjsip", [False, True])
def test_a_phone_that_was_never_listed(has_pjsip: bool) -> None:  # noqa: FBT001 -- a table
    """It is expected only if it is known to use chan_sip."""
    technologies = dict(zip("12345", Technology, strict=True))
    is_expected = SeenPeers().expects("A", technologies, has_pjsip=has_pjsip)
    assert [number for number in "123456" if is_expected(number)] == ["1"]


def test_peers_are_forgotten() -> None:
    """With their tenant, and with the kind of list or the switch that listed them."""
    seen = SeenPeers()
    seen.start("here")
    for code in "AB":
        seen.add(code, ["100"])
    seen.drop_tenants(["A", "Z"])
    seen.start("here")
    assert [seen.expects(code, {}, has_pjsip=True)("100") for code in "AB"] == [False, True]
    seen.start("there")
    assert not seen.expects("B", {}, has_pjsip=True)("100")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sets(st.sampled_from("12345678")), st.booleans())))
def test_the_memory_is_bounded(steps: list[tuple[str, set[str], bool]]) -> None:
    """It never holds more than its limit, and holds everything within it."""
    seen, wanted = SeenPeers(most=8), {"A": set[str](), "B": set[str]()}
    for code, numbers, is_dropped in steps:
        if is_dropped:
            seen.drop_tenants([code])
            wanted[code].clear()
        seen.add(code, numbers)
        wanted[code] |= numbers
        held = {each: set(filter(seen.expects(each, {}, has_pjsip=True), "12345678")) for each in "AB"}
        assert all(held[each] <= wanted[each] for each in "AB")
        assert sum(map(len, held.values())) == min(8, sum(map(len, wanted.values())))
        wanted = held


def test_the_memory_holds_the_largest_installation() -> None:
    """300,000 phones and no more, also after the switch changed."""
    seen = SeenPeers()
    for origin in ("here", "there"):
        seen.start(origin)
        seen.add("A", [str(number) for number in range(300_001)])
        is_expected = seen.expects("A", {}, has_pjsip=True)
        assert (is_expected("299999"), is_expected("300000")) == (True, False)


def test_version_changes_with_each_change() -> None:
    """And only then, because each change is saved."""
    seen = SeenPeers()
    versions = [seen.version]
    changes: list[Callable[[], None]] = [
        lambda: seen.start("here"),
        lambda: seen.add("A", ["100"]),
        lambda: seen.add("B", ["100"]),
        lambda: seen.drop_tenants(["A"]),
        lambda: seen.start("there"),
    ]
    for change in changes:
        change()
        versions.append(seen.version)
        seen.drop_tenants(["UNKNOWN"])
        seen.add("B", [])
        assert seen.version == versions[-1]

    assert len(set(versions)) == 6
