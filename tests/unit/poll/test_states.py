from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Extension, Extensions, Failure, Peer, Peers, Reason, Registration
from exporter.poll.states import (
    PartValues,
    Registrations,
    codes_by_ending,
    registration_families,
    states_by_tenant,
    states_in_list,
    states_of_peers,
)

YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN
_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")
_REJECTED = Failure(Reason.REJECTED, "the switch answered: No id specified")


def _following(parts: list[str]) -> PartValues[int]:
    held: PartValues[int] = PartValues("queues")
    held.set_parts(parts)
    return held


def _after(count: int, failures: list[Failure]) -> PartValues[int]:
    """Return the values of a tenant of so many parts, of which the first ones failed."""
    parts = [str(100 + number) for number in range(count)]
    held = _following(parts)
    for position, part in enumerate(parts):
        held.record(part, failures[position] if position < len(failures) else position, 0)
    return held


def test_complete_sweep_has_a_verdict() -> None:
    """After a request for each part, the query has either succeeded or failed."""
    wrong = []
    for count in (*range(1, 61), 100, 1000):
        for failed in range(min(count, 102) + 1):
            verdict = _after(count, [_TIMEOUT] * failed).verdict()
            enough = (count - failed) * 10 >= count * 9
            if (verdict is True, isinstance(verdict, Failure)) != (enough, not enough):
                wrong.append((count, failed))

    assert wrong == []


@pytest.mark.parametrize(("polled", "missing", "fails"), [(10, 1, False), (10, 2, True), (1000, 101, True)])
def test_list_that_lacks_extensions(polled: int, missing: int, *, fails: bool) -> None:
    """The query fails if it lacks more than a tenth of the polled ones, which are then unknown."""
    numbers = [str(number) for number in range(polled)]
    listed = Extensions(tuple(Extension(number, YES, "") for number in (*numbers[missing:], "other")))

    states, failure = states_in_list(listed, numbers)

    assert states == dict.fromkeys(numbers, YES) | dict.fromkeys(numbers[:missing], UNKNOWN)
    assert (failure is not None) is fails
    assert states_in_list(listed, None) == ({row.number: YES for row in listed.rows}, None)


def test_undecided_at_first() -> None:
    """The first few of many parts are neither success nor failure."""
    held = _following(["100", "101", "102"])
    assert held.verdict() is False
    held.record("100", 1, 0)
    assert held.verdict() is False


def test_most_common_failure_is_reported() -> None:
    """With one of its details and the number of failed parts."""
    verdict = _after(10, [_TIMEOUT, _REJECTED, _REJECTED]).verdict()

    assert isinstance(verdict, Failure)
    assert verdict.reason is Reason.REJECTED
    assert "3 of 10 queues" in verdict.detail
    assert verdict.detail.endswith("No id specified")


def test_removed_parts_are_dropped() -> None:
    """Neither their value nor their failure counts, and a late response changes nothing."""
    held = _after(3, [_TIMEOUT])
    held.set_parts(["102"])
    held.record("101", 7, 0)

    assert held.current(oldest=0) == {"102": 2}
    assert held.verdict() is True


def _polled(numbers: list[str]) -> Registrations:
    held = Registrations()
    held.set_parts(numbers)
    return held


def test_stale_state_is_unknown() -> None:
    """It counts as unknown, and its series is absent."""
    held = _polled(["100", "101"])
    held.record("100", Registration.UNREGISTERED, 50)
    held.record("101", Registration.REGISTERED, 49)

    assert held.families(oldest=50) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 1, "unknown": 1},
        catalogue.EXTENSION_REGISTERED: {"100": 0},
    }


@given(st.dictionaries(st.text(max_size=4), st.sampled_from(Registration)))
def test_counts_and_series_agree(states: dict[str, Registration]) -> None:
    """Each extension is in one count; it has a series, 1 or 0, unless it is unknown."""
    families = registration_families(states)

    counts = families[catalogue.TENANT_EXTENSIONS]
    series = families.get(catalogue.EXTENSION_REGISTERED, {})
    assert isinstance(counts, dict)
    assert isinstance(series, dict)
    assert counts.keys() == {"registered", "unregistered", "unknown"}
    assert sum(counts.values()) == len(states)
    assert sum(series.values()) == counts["registered"]
    assert len(series) == counts["registered"] + counts["unregistered"]


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
