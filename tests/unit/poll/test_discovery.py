from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from exporter.config import SwitchConfiguration
from exporter.model import Failure, Reason, Skipped, Tenant, Tenants
from exporter.poll.discovery import ListGuard, NodePresence, TenantDiscovery

Configured = Callable[..., SwitchConfiguration]

_CODES = ("ACME", "BOREAL", "CINDER", "DELTA9")


def _list(*codes: str, disabled: tuple[str, ...] = (), name: str = "Name of") -> Tenants:
    return Tenants(tuple(Tenant(code, f"{name} {code}", code in disabled) for code in codes))


def _wanted(discovery: TenantDiscovery, configured: Configured, **patterns: list[str]) -> list[str]:
    return discovery.selected(configured(discover_tenants={"enabled": True, **patterns}))


def test_what_is_listed_is_wanted(configured: Configured) -> None:
    """In the order of the alphabet, and with its name."""
    discovery = TenantDiscovery()

    assert discovery.accept(_list("BOREAL", "ACME")) is None
    assert _wanted(discovery, configured) == ["ACME", "BOREAL"]
    assert discovery.names == {"ACME": "Name of ACME", "BOREAL": "Name of BOREAL"}


def test_not_where_it_is_off(configured: Configured) -> None:
    """A list that came before the configuration was changed has no effect."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES))

    assert discovery.selected(configured()) == []


def test_patterns_match_whole_codes(configured: Configured) -> None:
    """Who is excluded is out, whoever includes it."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES))

    assert _wanted(discovery, configured, include=["[A-C].*", "DELTA"]) == ["ACME", "BOREAL", "CINDER"]
    assert _wanted(discovery, configured, exclude=["A.*", "BOREA", "DELTA[0-9]"]) == ["BOREAL", "CINDER"]


def test_disabled_ones_are_not_wanted(configured: Configured) -> None:
    """Until they are enabled."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES, disabled=("ACME",)))
    assert _wanted(discovery, configured) == ["BOREAL", "CINDER", "DELTA9"]

    discovery.accept(_list(*_CODES))
    assert _wanted(discovery, configured) == list(_CODES)


def test_a_disabled_one_that_is_missing_once_stays_disabled(configured: Configured) -> None:
    """A list that leaves it out does not say that it is enabled."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES, disabled=("ACME",)))
    discovery.accept(_list(*_CODES[1:]))

    assert _wanted(discovery, configured) == ["BOREAL", "CINDER", "DELTA9"]
    discovery.accept(_list(*_CODES))
    assert _wanted(discovery, configured) == list(_CODES)


def test_a_name_changes_and_stays_while_its_tenant_is_missing(configured: Configured) -> None:
    """The newest one counts."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES))
    discovery.accept(_list(*_CODES[1:], name="New name of"))

    assert discovery.names["ACME"] == "Name of ACME"
    assert discovery.names["BOREAL"] == "New name of BOREAL"
    discovery.accept(_list(*_CODES[1:]))
    assert "ACME" not in discovery.names


def test_a_doubtful_list_changes_nothing(configured: Configured) -> None:
    """It is a failure that tells how many are left, and nobody is dropped or renamed."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES))

    short = discovery.accept(_list("ACME", name="New name of"))
    empty = discovery.accept(_list())

    assert isinstance(short, Failure)
    assert isinstance(empty, Failure)
    assert (short.reason, empty.reason) == (Reason.DECODE, Reason.EMPTY)
    assert "1 are left" in short.detail
    assert "ACME" not in short.detail  # of lists only their size is shown
    assert discovery.names["ACME"] == "Name of ACME"
    assert _wanted(discovery, configured) == list(_CODES)
    assert discovery.is_in_doubt


def test_after_a_reload(configured: Configured) -> None:
    """The operator knows: while a list is in doubt, the next one is taken as it is; at other times not."""
    discovery = TenantDiscovery()
    discovery.accept(_list(*_CODES))
    discovery.trust_next()
    assert discovery.accept(_list("ACME")) is not None

    discovery.trust_next()

    assert discovery.accept(_list("ACME")) is None
    assert _wanted(discovery, configured) == ["ACME"]
    assert not discovery.is_in_doubt


def test_a_tenant_that_may_be_disabled_stays_what_it_was(configured: Configured) -> None:
    """Where the list does not say so in a known word, and a new one is not polled until it does."""
    discovery = TenantDiscovery()
    discovery.accept(_list("ACME", "BOREAL", disabled=("BOREAL",)))
    unclear = Tenants(tuple(Tenant(code, "", None) for code in ("ACME", "BOREAL", "CINDER")))

    for _ in range(3):
        assert discovery.accept(unclear) is None
        assert _wanted(discovery, configured) == ["ACME"]

    discovery.accept(_list("ACME", "BOREAL", "CINDER"))
    assert _wanted(discovery, configured) == ["ACME", "BOREAL", "CINDER"]


def test_a_row_without_a_name_drops_nobody(configured: Configured) -> None:
    """Whoever is not in the list may be that row."""
    discovery = TenantDiscovery()
    discovery.accept(_list("ACME", "BOREAL", "CINDER"))

    for _ in range(4):
        discovery.accept(Tenants(_list("ACME", "BOREAL").rows, skipped=Skipped(1, 1, "row 3 has no code")))
        assert _wanted(discovery, configured) == ["ACME", "BOREAL", "CINDER"]


_ALL = frozenset("ABCDEFGH")


def _guard() -> ListGuard:
    guard = ListGuard()
    assert guard.accept(_ALL)
    return guard


def test_the_first_list_is_believed() -> None:
    """There is nothing to compare it with; an empty one says nothing."""
    guard = ListGuard()
    assert not guard.is_in_doubt
    assert (guard.accept([]), guard.is_in_doubt) == (False, True)
    assert guard.accept("AB")
    assert guard.names == {"A", "B"}


def test_who_appears_is_there_at_once() -> None:
    """One list will do."""
    guard = _guard()
    guard.accept(_ALL | {"NEW"})

    assert guard.names == _ALL | {"NEW"}


def test_who_is_missing_twice_in_a_row_is_dropped() -> None:
    """Not who is missing once, nor twice with a list in between."""
    guard = _guard()
    for listed in (_ALL - {"A"}, _ALL - {"B"}, _ALL - {"A"}):
        assert guard.accept(listed)
        assert guard.names == _ALL
    guard.accept(_ALL - {"A"})

    assert guard.names == _ALL - {"A"}


def test_half_may_go_and_no_more() -> None:
    """Exactly half is believed, like any list; one more is not."""
    assert _guard().accept("ABCD")
    guard = _guard()
    assert not guard.accept("ABC")
    assert guard.names == _ALL
    assert guard.is_in_doubt


def test_the_third_time_alike() -> None:
    """Then a short list is believed, the empty one too, at once and whole."""
    for listed in ("ABC", ""):
        guard = _guard()
        assert [guard.accept(listed) for _ in range(3)] == [False, False, True]
        assert guard.names == frozenset(listed)
        assert not guard.is_in_doubt


def test_not_alike() -> None:
    """Short lists that differ, or a good list in between, start the count anew."""
    guard = _guard()
    for listed in ("ABC", "AB", "ABC", "AB", "", "ABC", "ABC", "".join(sorted(_ALL)), "ABC", "ABC"):
        assert guard.accept(listed) is (set(listed) == _ALL)
        assert guard.names == _ALL


def test_a_doubtful_list_makes_nobody_missing() -> None:
    """Who is in neither a doubtful list nor the next good one was missing once."""
    guard = _guard()
    guard.accept("ABC")
    guard.accept(_ALL - {"H"})

    assert guard.names == _ALL


def test_after_a_reload_while_a_list_is_in_doubt_the_next_one_is_accepted() -> None:
    """Whatever it says, and only that one."""
    guard = _guard()
    assert not guard.accept("AB")
    guard.trust_next()
    assert guard.accept("ABC")
    assert guard.names == {"A", "B", "C"}
    assert not guard.accept("A")


def test_a_reload_at_any_other_time_trusts_nothing_in_advance() -> None:
    """An empty list hours after a reload drops nobody; nor does one after a doubt that is over."""
    guard = _guard()
    guard.trust_next()
    assert not guard.accept("")
    assert guard.names == _ALL

    guard.trust_next()
    assert guard.accept(_ALL)
    assert not guard.accept("")
    assert guard.names == _ALL


@given(st.lists(st.frozensets(st.sampled_from(sorted(_ALL)), min_size=0), max_size=12))
def test_any_lists(lists: list[frozenset[str]]) -> None:
    """Nobody is lost who was in one of the last two lists, unless the newest came three times alike."""
    guard = _guard()
    history = [_ALL]
    for listed in lists:
        before = guard.names
        history.append(listed)
        believed = guard.accept(listed)
        if not believed:
            assert guard.names == before
            continue
        assert guard.names >= listed
        if history[-3:] != [listed] * 3:
            assert before - guard.names <= before - listed - history[-2]


def test_an_incomplete_list_drops_nobody() -> None:
    """Who seems to be missing may be in the row whose name could not be read. Who is new is there."""
    guard = _guard()
    for _ in range(4):
        assert guard.accept((_ALL - {"A"}) | {"NEW"}, is_complete=False)
        assert guard.names == _ALL | {"NEW"}
    assert guard.accept((_ALL - {"A"}) | {"NEW"})
    assert guard.names == _ALL | {"NEW"}
    assert guard.accept((_ALL - {"A"}) | {"NEW"})
    assert guard.names == (_ALL - {"A"}) | {"NEW"}


def test_an_incomplete_list_may_have_lost_too_many() -> None:
    """Less than half of the names is doubtful, complete or not."""
    assert not _guard().accept("AB", is_complete=False)


_DAY = 24 * 3600.0


def _expecting(nodes: list[str]) -> NodePresence:
    presence = NodePresence()
    presence.configure(nodes)
    return presence


def test_a_configured_node_that_was_never_seen_is_missing() -> None:
    """What must be there and is not is a 0 from the first answer on."""
    presence = _expecting(["n1", "n2"])

    assert presence.known == ["n1", "n2"]
    assert presence.update(["n2", "n3"], 0) == {"n1": 0, "n2": 1, "n3": 1}


def test_a_node_that_was_seen_is_missing_for_a_day() -> None:
    """A node that nobody configured is 0 for 24 hours after it was last seen, and then forgotten."""
    presence = _expecting([])
    presence.update(["n1", "n2"], 0)
    presence.update(["n1", "n2"], 60)

    assert presence.update(["n1"], 120) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY + 1) == {"n1": 1}
    assert presence.known == ["n1"]


def test_a_configured_node_is_never_forgotten() -> None:
    """It stays a 0 for as long as it is missing."""
    presence = _expecting(["n1"])
    presence.update(["n1"], 0)

    assert presence.update([], 10 * _DAY) == {"n1": 0}


def test_the_nodes_that_are_present() -> None:
    """Those of the newest answer, sorted; before the first one, those that are expected."""
    presence = _expecting(["n2", "n1"])
    assert presence.present == ["n2", "n1"]

    presence.update(["n3", "n1"], 0)
    assert presence.present == ["n1", "n3"]

    presence.update([], 60)
    assert presence.present == []


def test_a_node_that_comes_back_is_there() -> None:
    """Missing is not for ever."""
    presence = _expecting([])
    presence.update(["n1"], 0)
    presence.update([], 60)

    assert presence.update(["n1"], 120) == {"n1": 1}


def test_nothing_known() -> None:
    """An answer without nodes says nothing about nodes nobody named."""
    assert _expecting([]).update([], 0) == {}


def test_another_configuration() -> None:
    """What was seen stays known; what is not configured any more is remembered for a day, if it was seen."""
    presence = _expecting(["n1", "n2"])
    presence.update(["n2", "n3"], 0)

    presence.configure(["n4"])

    assert presence.known == ["n4", "n2", "n3"]
    assert presence.update(["n3"], 60) == {"n4": 0, "n2": 0, "n3": 1}


def test_nodes_that_change_their_names_are_forgotten() -> None:
    """A switch whose nodes have other names in each answer does not let the exporter grow."""
    presence = _expecting(["n1"])
    present: dict[str, float] = {}
    for round_ in range(20):
        present = presence.update([f"n-{round_}-{number}" for number in range(1000)], round_)

    assert len(present) == 2001
    assert sum(present.values()) == 1000
    assert present["n1"] == 0


def test_a_name_that_cannot_be_read_hides_no_node_that_was_missing() -> None:
    """A node that is known to be missing stays so, and one that vanishes later is missing."""
    presence = _expecting(["n1", "n2"])
    assert presence.update(["n1", "n3"], 0) == {"n1": 1, "n2": 0, "n3": 1}
    assert presence.update(["n1", "n3"], 60, nameless=1) == {"n1": 1, "n2": 0, "n3": 1}

    assert presence.update(["n1"], 120, nameless=1) == {"n1": 1, "n2": 0, "n3": 0}


def test_a_node_that_may_be_one_without_a_name_is_unknown() -> None:
    """It is neither there nor missing, until its name is read or no name is unreadable."""
    presence = _expecting(["n1", "n2"])
    assert presence.update(["n1"], 0, nameless=1) == {"n1": 1}
    assert presence.update(["n1"], 60, nameless=1) == {"n1": 1}
    assert presence.update(["n1", "n2"], 120) == {"n1": 1, "n2": 1}
    assert presence.update(["n1"], 180, nameless=1) == {"n1": 1}

    assert presence.update(["n1"], 240) == {"n1": 1, "n2": 0}
