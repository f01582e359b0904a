from hypothesis import given
from hypothesis import strategies as st

from exporter.poll.roll import Roll

_ALL = frozenset("ABCDEFGH")


def _roll() -> Roll:
    roll = Roll()
    assert roll.call(_ALL)
    return roll


def test_the_first_list_is_believed() -> None:
    """There is nothing to compare it with; an empty one says nothing."""
    roll = Roll()
    assert not roll.is_in_doubt
    assert (roll.call([]), roll.is_in_doubt) == (False, True)
    assert roll.call("AB")
    assert roll.names == {"A", "B"}


def test_who_appears_is_there_at_once() -> None:
    """One list will do."""
    roll = _roll()
    roll.call(_ALL | {"NEW"})

    assert roll.names == _ALL | {"NEW"}


def test_who_is_missing_twice_in_a_row_is_dropped() -> None:
    """Not who is missing once, nor twice with a list in between."""
    roll = _roll()
    for listed in (_ALL - {"A"}, _ALL - {"B"}, _ALL - {"A"}):
        assert roll.call(listed)
        assert roll.names == _ALL
    roll.call(_ALL - {"A"})

    assert roll.names == _ALL - {"A"}


def test_half_may_go_and_no_more() -> None:
    """Exactly half is believed, like any list; one more is not."""
    assert _roll().call("ABCD")
    roll = _roll()
    assert not roll.call("ABC")
    assert roll.names == _ALL
    assert roll.is_in_doubt


def test_the_third_time_alike() -> None:
    """Then a short list is believed, the empty one too, at once and whole."""
    for listed in ("ABC", ""):
        roll = _roll()
        assert [roll.call(listed) for _ in range(3)] == [False, False, True]
        assert roll.names == frozenset(listed)
        assert not roll.is_in_doubt


def test_not_alike() -> None:
    """Short lists that differ, or a good list in between, start the count anew."""
    roll = _roll()
    for listed in ("ABC", "AB", "ABC", "AB", "", "ABC", "ABC", "".join(sorted(_ALL)), "ABC", "ABC"):
        assert roll.call(listed) is (set(listed) == _ALL)
        assert roll.names == _ALL


def test_a_doubtful_list_makes_nobody_missing() -> None:
    """Who is in neither a doubtful list nor the next good one was missing once."""
    roll = _roll()
    roll.call("ABC")
    roll.call(_ALL - {"H"})

    assert roll.names == _ALL


def test_after_a_reload_while_a_list_is_in_doubt_the_next_one_is_accepted() -> None:
    """Whatever it says, and only that one."""
    roll = _roll()
    assert not roll.call("AB")
    roll.doubt_nothing()
    assert roll.call("ABC")
    assert roll.names == {"A", "B", "C"}
    assert not roll.call("A")


def test_a_reload_at_any_other_time_trusts_nothing_in_advance() -> None:
    """An empty list hours after a reload drops nobody; nor does one after a doubt that is over."""
    roll = _roll()
    roll.doubt_nothing()
    assert not roll.call("")
    assert roll.names == _ALL

    roll.doubt_nothing()
    assert roll.call(_ALL)
    assert not roll.call("")
    assert roll.names == _ALL


@given(st.lists(st.frozensets(st.sampled_from(sorted(_ALL)), min_size=0), max_size=12))
def test_any_lists(lists: list[frozenset[str]]) -> None:
    """Nobody is lost who was in one of the last two lists, unless the newest came three times alike."""
    roll = _roll()
    history = [_ALL]
    for listed in lists:
        before = roll.names
        history.append(listed)
        believed = roll.call(listed)
        if not believed:
            assert roll.names == before
            continue
        assert roll.names >= listed
        if history[-3:] != [listed] * 3:
            assert before - roll.names <= before - listed - history[-2]


def test_an_incomplete_list_drops_nobody() -> None:
    """Who seems to be missing may be in the row whose name could not be read. Who is new is there."""
    roll = _roll()
    for _ in range(4):
        assert roll.call((_ALL - {"A"}) | {"NEW"}, is_complete=False)
        assert roll.names == _ALL | {"NEW"}
    assert roll.call((_ALL - {"A"}) | {"NEW"})
    assert roll.names == _ALL | {"NEW"}
    assert roll.call((_ALL - {"A"}) | {"NEW"})
    assert roll.names == (_ALL - {"A"}) | {"NEW"}


def test_an_incomplete_list_may_have_lost_too_many() -> None:
    """Less than half of the names is doubtful, complete or not."""
    assert not _roll().call("AB", is_complete=False)
