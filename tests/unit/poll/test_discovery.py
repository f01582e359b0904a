from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import SwitchConfiguration
from exporter.model import Extension, Failure, Reason, Registration, Skipped, Technology, Tenant, Tenants
from exporter.poll.discovery import KnownTechnologies, ListGuard, NodePresence, PartDiscovery, TenantDiscovery

Selected = Callable[..., list[str]]

_TODAY = date(2026, 12, 1)
_CODES = ("ACME", "BOREAL", "CINDER", "DELTA9")


def _list(*codes: str, disabled: tuple[str, ...] = (), name: str = "Name of") -> Tenants:
    return Tenants(tuple(Tenant(code, f"{name} {code}", code in disabled) for code in codes))


@pytest.fixture
def discovery() -> TenantDiscovery:
    """Return the state before the first list."""
    return TenantDiscovery()


@pytest.fixture
def selected(discovery: TenantDiscovery, configured: Callable[..., SwitchConfiguration]) -> Selected:
    """Return a function that returns the selected tenants for such patterns."""
    return lambda **patterns: discovery.selected(configured(discover_tenants={"enabled": True, **patterns}))


def test_listed_tenants_are_selected(discovery: TenantDiscovery, selected: Selected) -> None:
    """In alphabetical order, and with their names."""
    assert discovery.accept(_list("BOREAL", "ACME"), _TODAY) is None

    assert selected() == ["ACME", "BOREAL"]
    assert selected(enabled=False) == []
    assert discovery.names == {"ACME": "Name of ACME", "BOREAL": "Name of BOREAL"}


def test_patterns_match_whole_codes(discovery: TenantDiscovery, selected: Selected) -> None:
    """`exclude` overrides `include`."""
    discovery.accept(_list(*_CODES), _TODAY)

    assert selected(include=["[A-C].*", "DELTA"]) == ["ACME", "BOREAL", "CINDER"]
    assert selected(exclude=["A.*", "BOREA", "DELTA[0-9]"]) == ["BOREAL", "CINDER"]


def test_disabled_tenants_are_not_selected(discovery: TenantDiscovery, selected: Selected) -> None:
    """Until a list has them enabled: a list without them does not say that."""
    discovery.accept(_list(*_CODES, disabled=("ACME",)), _TODAY)
    assert selected() == ["BOREAL", "CINDER", "DELTA9"]
    discovery.accept(_list(*_CODES[1:]), _TODAY)
    assert selected() == ["BOREAL", "CINDER", "DELTA9"]

    discovery.accept(_list(*_CODES), _TODAY)
    assert selected() == list(_CODES)


def test_a_tenant_is_disabled_from_a_day_on(discovery: TenantDiscovery, selected: Selected) -> None:
    """It is polled until that day."""
    rows = [
        Tenant(code, "", _TODAY + timedelta(days)) for code, days in zip(_CODES, (-1, 0, 1), strict=False)
    ]
    discovery.accept(Tenants(tuple(rows)), _TODAY)
    assert selected() == ["CINDER"]
    discovery.accept(Tenants(tuple(rows)), _TODAY + timedelta(1))
    assert selected() == []


def test_names(discovery: TenantDiscovery) -> None:
    """The newest name counts; a missing tenant keeps its name until it is dropped."""
    discovery.accept(_list(*_CODES), _TODAY)
    discovery.accept(_list(*_CODES[1:], name="New name of"), _TODAY)

    assert discovery.names["ACME"] == "Name of ACME"
    assert discovery.names["BOREAL"] == "New name of BOREAL"
    discovery.accept(_list(*_CODES[1:]), _TODAY)
    assert "ACME" not in discovery.names


def test_list_in_doubt_changes_nothing(discovery: TenantDiscovery, selected: Selected) -> None:
    """The failure has the size of the list, and no part of it."""
    discovery.accept(_list(*_CODES), _TODAY)

    short = discovery.accept(_list("ACME", name="New name of"), _TODAY)
    empty = discovery.accept(_list(), _TODAY)

    assert isinstance(short, Failure)
    assert isinstance(empty, Failure)
    assert (short.reason, empty.reason) == (Reason.DECODE, Reason.EMPTY)
    assert "1 are left" in short.detail
    assert "ACME" not in short.detail
    assert discovery.names["ACME"] == "Name of ACME"
    assert selected() == list(_CODES)
    assert discovery.is_in_doubt


def test_unreadable_disabled_state(discovery: TenantDiscovery, selected: Selected) -> None:
    """A known tenant keeps its state, and a new one is not polled."""
    discovery.accept(_list("ACME", "BOREAL", disabled=("BOREAL",)), _TODAY)
    unclear = Tenants(tuple(Tenant(code, "", None) for code in ("ACME", "BOREAL", "CINDER")))

    for _ in range(3):
        assert discovery.accept(unclear, _TODAY) is None
        assert selected() == ["ACME"]

    discovery.accept(_list("ACME", "BOREAL", "CINDER"), _TODAY)
    assert selected() == ["ACME", "BOREAL", "CINDER"]


def test_row_without_a_code_drops_nobody(discovery: TenantDiscovery, selected: Selected) -> None:
    """It may be the tenant that is missing."""
    discovery.accept(_list("ACME", "BOREAL", "CINDER"), _TODAY)

    for _ in range(4):
        discovery.accept(
            Tenants(_list("ACME", "BOREAL").rows, skipped=Skipped(1, 1, "row 3 has no code")), _TODAY
        )
        assert selected() == ["ACME", "BOREAL", "CINDER"]


_ALL = frozenset("ABCDEFGH")


@pytest.fixture
def guard() -> ListGuard:
    """Return a guard that has accepted eight names."""
    guard = ListGuard()
    assert guard.accept(_ALL)
    return guard


def test_first_list_is_accepted() -> None:
    """Unless it is empty."""
    guard = ListGuard()
    assert not guard.is_in_doubt
    assert (guard.accept([]), guard.is_in_doubt) == (False, True)
    assert guard.accept("AB")
    assert guard.names == {"A", "B"}


def test_name_is_dropped_after_two_lists_without_it(guard: ListGuard) -> None:
    """Two in a row. A new name is added at once."""
    for listed in (_ALL - {"A"}, _ALL - {"B"}, _ALL - {"A"}):
        assert guard.accept(listed)
        assert guard.names == _ALL
    guard.accept(_ALL - {"A"} | {"NEW"})

    assert guard.names == _ALL - {"A"} | {"NEW"}


@pytest.mark.parametrize("is_complete", [True, False])
def test_list_that_lost_more_than_half_is_in_doubt(guard: ListGuard, *, is_complete: bool) -> None:
    """Exactly half is accepted."""
    assert not guard.accept("ABC", is_complete=is_complete)
    assert guard.names == _ALL
    assert guard.is_in_doubt

    assert guard.accept("ABCD", is_complete=is_complete)
    assert not guard.is_in_doubt


@pytest.mark.parametrize("listed", ["ABC", ""])
def test_short_list_is_accepted_the_third_time(listed: str, guard: ListGuard) -> None:
    """An empty one, too."""
    assert [guard.accept(listed) for _ in range(3)] == [False, False, True]
    assert guard.names == frozenset(listed)
    assert not guard.is_in_doubt


def test_different_short_lists_stay_in_doubt(guard: ListGuard) -> None:
    """A different list, or an accepted one, restarts the count."""
    for listed in ("ABC", "AB", "ABC", "AB", "", "ABC", "ABC", "".join(sorted(_ALL)), "ABC", "ABC"):
        assert guard.accept(listed) is (set(listed) == _ALL)
        assert guard.names == _ALL


def test_list_in_doubt_does_not_count_as_missing(guard: ListGuard) -> None:
    """A name that only an accepted list lacks was missing once."""
    guard.accept("ABC")
    guard.accept(_ALL - {"H"})

    assert guard.names == _ALL


def test_reload_trusts_exactly_one_list(guard: ListGuard) -> None:
    """The next one, if a list is in doubt at that time."""
    assert not guard.accept("AB")
    guard.trust_next()
    assert guard.accept("ABC")
    assert guard.names == {"A", "B", "C"}
    assert not guard.accept("A")


def test_reload_without_doubt_trusts_nothing(guard: ListGuard) -> None:
    """Neither before a doubt nor after one that is over."""
    guard.trust_next()
    assert not guard.accept("")
    assert guard.names == _ALL

    guard.trust_next()
    assert guard.accept(_ALL)
    assert not guard.accept("")
    assert guard.names == _ALL


def test_incomplete_list_drops_nobody(guard: ListGuard) -> None:
    """A missing name may be in an unreadable row. New names are added."""
    listed = (_ALL - {"A"}) | {"NEW"}
    for _ in range(4):
        assert guard.accept(listed, is_complete=False)
        assert guard.names == _ALL | {"NEW"}
    assert guard.accept(listed)
    assert guard.names == _ALL | {"NEW"}
    assert guard.accept(listed)
    assert guard.names == listed


@given(st.lists(st.frozensets(st.sampled_from(sorted(_ALL)), min_size=0), max_size=12))
def test_any_lists(lists: list[frozenset[str]]) -> None:
    """No name of the last two lists is dropped, unless the newest list came three times."""
    guard = ListGuard()
    guard.accept(_ALL)
    history = [_ALL]
    for listed in lists:
        before = guard.names
        history.append(listed)
        if not guard.accept(listed):
            assert guard.names == before
            continue
        assert guard.names >= listed
        if history[-3:] != [listed] * 3:
            assert before - guard.names <= before - listed - history[-2]


_DAY = 24 * 3600.0


def _expecting(*nodes: str) -> NodePresence:
    presence = NodePresence()
    presence.configure(nodes)
    return presence


def test_configured_node_is_missing_until_seen() -> None:
    """From the first response on; without nodes there is nothing to report."""
    presence = _expecting("n1", "n2")

    assert presence.known == ["n1", "n2"]
    assert presence.update(["n2", "n3"], 0) == {"n1": 0, "n2": 1, "n3": 1}
    assert _expecting().update([], 0) == {}


def test_seen_node_is_missing_for_a_day() -> None:
    """A node that is not configured is dropped 24 hours after it was last seen."""
    presence = _expecting()
    presence.update(["n1", "n2"], 0)
    presence.update(["n1", "n2"], 60)

    assert presence.update(["n1"], 120) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY + 1) == {"n1": 1}
    assert presence.known == ["n1"]


def test_configured_node_is_never_dropped() -> None:
    """It is 0 while it is missing, and 1 when it returns."""
    presence = _expecting("n1")
    presence.update(["n1"], 0)

    assert presence.update([], 10 * _DAY) == {"n1": 0}
    assert presence.update(["n1"], 11 * _DAY) == {"n1": 1}


def test_present_nodes() -> None:
    """Those of the newest response, sorted; before the first one, the configured nodes."""
    presence = _expecting("n2", "n1")
    assert presence.present == ["n2", "n1"]

    presence.update(["n3", "n1"], 0)
    assert presence.present == ["n1", "n3"]

    presence.update([], 60)
    assert presence.present == []


def test_reload_keeps_seen_nodes() -> None:
    """A node that is not configured any more is kept for a day if it was seen."""
    presence = _expecting("n1", "n2")
    presence.update(["n2", "n3"], 0)

    presence.configure(["n4"])

    assert presence.known == ["n4", "n2", "n3"]
    assert presence.update(["n3"], 60) == {"n4": 0, "n2": 0, "n3": 1}


def test_renamed_nodes_are_limited() -> None:
    """Nodes with new names in each response do not use more and more memory."""
    presence = _expecting("n1")
    states: dict[str, float] = {}
    for response in range(20):
        states = presence.update([f"n-{response}-{number}" for number in range(1000)], response)

    assert len(states) == 2001
    assert sum(states.values()) == 1000
    assert states["n1"] == 0


def test_unreadable_name_does_not_hide_a_missing_node() -> None:
    """A node that was missing stays missing, and so does one that vanishes later."""
    presence = _expecting("n1", "n2")
    assert presence.update(["n1", "n3"], 0) == {"n1": 1, "n2": 0, "n3": 1}
    assert presence.update(["n1", "n3"], 60, nameless=1) == {"n1": 1, "n2": 0, "n3": 1}

    assert presence.update(["n1"], 120, nameless=1) == {"n1": 1, "n2": 0, "n3": 0}


def test_node_that_may_have_the_unreadable_name_is_unknown() -> None:
    """It is neither present nor missing until its name is read or every name can be read."""
    presence = _expecting("n1", "n2")
    assert presence.update(["n1"], 0, nameless=1) == {"n1": 1}
    assert presence.update(["n1"], 60, nameless=1) == {"n1": 1}
    assert presence.update(["n1", "n2"], 120) == {"n1": 1, "n2": 1}
    assert presence.update(["n1"], 180, nameless=1) == {"n1": 1}

    assert presence.update(["n1"], 240) == {"n1": 1, "n2": 0}


def test_clock_that_was_set_back() -> None:
    """A node is never remembered as seen in the future."""
    presence = _expecting("n1", "n2")
    presence.update(["n1"], 10)
    assert presence.remembered(9.5) == [("n1", 0.0, False)]


def test_parts_of_all_tenants_are_limited() -> None:
    """Exactly the limit is accepted; a list replaces the earlier one of its tenant."""
    parts = PartDiscovery("queues", most=4)
    assert parts.accept("A", "12", is_complete=True) is None
    assert parts.accept("B", "12", is_complete=True) is None
    assert parts.accept("A", "13", is_complete=True) is None

    too_many = parts.accept("B", "123", is_complete=True)
    assert isinstance(too_many, Failure)
    assert too_many.reason is Reason.TOO_LARGE
    assert parts.names("B") == {"1", "2"}


def test_part_list_in_doubt() -> None:
    """An empty list has another reason than a short one."""
    parts = PartDiscovery("queues", most=9)
    parts.accept("A", "123", is_complete=True)

    failures = [parts.accept("A", listed, is_complete=True) for listed in ("1", "")]

    assert [failure and failure.reason for failure in failures] == [Reason.DECODE, Reason.EMPTY]
    assert parts.names("A") == {"1", "2", "3"}


_technologies = st.dictionaries(st.sampled_from("12345"), st.none() | st.sampled_from(Technology))


def _rows(listed: dict[str, Technology | None]) -> list[Extension]:
    return [Extension(number, Registration.UNKNOWN, "", technology) for number, technology in listed.items()]


@given(_technologies, _technologies, st.sets(st.sampled_from("12345")))
def test_technologies_follow_the_lists(
    first: dict[str, Technology | None], second: dict[str, Technology | None], kept: set[str]
) -> None:
    """The newest list counts; a kept extension that it lacks keeps its technology."""
    known = KnownTechnologies()
    known.update("A", _rows(first))
    assert known.of("A") == {number: each for number, each in first.items() if each}

    known.update("A", _rows(second), kept)

    merged = {number: each for number, each in first.items() if number in kept} | second
    assert known.of("A") == {number: each for number, each in merged.items() if each}
    unable = {Technology.CUSTOM, Technology.VIRTUAL}
    assert known.unable("A") == {number for number, each in merged.items() if each in unable}
    assert known.count_unable("A") == (len(known.unable("A")) if any(merged.values()) else None)


def test_technologies_of_tenants_are_dropped() -> None:
    """Nothing is known about a tenant that is not kept, or that no list came for."""
    known = KnownTechnologies()
    for code in "AB":
        known.update(code, _rows({"1": Technology.VIRTUAL}))
    known.keep_tenants(["B", "C"])
    assert [known.count_unable(code) for code in "ABC"] == [None, 1, None]
    assert (known.of("A"), known.unable("A")) == ({}, frozenset())
