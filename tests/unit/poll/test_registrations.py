import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Failure, Reason, Registration, RegistrationState
from exporter.poll.registrations import Registrations, registration_families

_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")
_REJECTED = Failure(Reason.REJECTED, "the switch answered: No id specified")


def _state(state: Registration) -> RegistrationState:
    return RegistrationState(state, state.value)


def _following(numbers: list[str]) -> Registrations:
    held = Registrations()
    held.set_extensions(numbers)
    return held


def _after(count: int, failures: list[Failure]) -> Registrations:
    """Return the registrations of a tenant of so many extensions, of which the first ones failed."""
    numbers = [str(100 + number) for number in range(count)]
    held = _following(numbers)
    for position, number in enumerate(numbers):
        outcome = failures[position] if position < len(failures) else _state(Registration.REGISTERED)
        held.record(number, outcome, 0)
    return held


@pytest.mark.parametrize(
    ("count", "failed", "succeeds"),
    [
        (1, 0, True),
        (1, 1, False),
        (9, 1, False),
        (10, 0, True),
        (10, 1, True),
        (10, 2, False),
        (11, 1, True),
        (19, 2, False),
        (20, 2, True),
        (30, 3, True),
        (50, 5, True),
        (70, 7, True),
        (100, 10, True),
        (100, 11, False),
        (1000, 100, True),
    ],
)
def test_nine_of_ten_are_enough(count: int, failed: int, succeeds: bool) -> None:  # noqa: FBT001 -- a table
    """The query succeeds when 90 % of the extensions gave a state: exactly 90 % are 90 %."""
    assert (_after(count, [_TIMEOUT] * failed).verdict() is True) is succeeds


def test_every_whole_round_has_a_verdict() -> None:
    """When each extension was asked, the query has either succeeded or failed, by whole numbers."""
    wrong = []
    for count in range(1, 61):
        for failed in range(count + 1):
            verdict = _after(count, [_TIMEOUT] * failed).verdict()
            enough = (count - failed) * 10 >= count * 9
            if (verdict is True, isinstance(verdict, Failure)) != (enough, not enough):
                wrong.append((count, failed))

    assert wrong == []


def test_undecided_until_enough_were_asked() -> None:
    """Neither success nor failure after the first few of many."""
    held = _following(["100", "101", "102"])
    assert held.verdict() is False
    held.record("100", _state(Registration.REGISTERED), 0)
    assert held.verdict() is False


def test_unknown_is_a_state() -> None:
    """A word that nobody knows is an answer, and no failure of the query."""
    held = _following(["100"])
    held.record("100", RegistrationState(Registration.UNKNOWN, "Gone fishing"), 0)

    assert held.verdict() is True


def test_the_commonest_failure_is_told() -> None:
    """The reason is that of most extensions, with one detail and how many they are."""
    verdict = _after(10, [_TIMEOUT, _REJECTED, _REJECTED]).verdict()

    assert isinstance(verdict, Failure)
    assert verdict.reason is Reason.REJECTED
    assert "3 of 10 extensions" in verdict.detail
    assert verdict.detail.endswith("No id specified")


def test_a_failure_changes_no_state() -> None:
    """What was known of an extension stays known while it cannot be asked."""
    held = _after(2, [])
    held.record("100", _TIMEOUT, 10)

    assert held.families(oldest=0) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 2, "unregistered": 0, "unknown": 0},
        catalogue.EXTENSION_REGISTERED: {"100": 1, "101": 1},
    }


def test_an_old_state_is_unknown() -> None:
    """A state that was not confirmed for too long is counted as unknown, and its series is absent."""
    held = _following(["100", "101"])
    held.record("100", _state(Registration.UNREGISTERED), 50)
    held.record("101", _state(Registration.REGISTERED), 49)

    assert held.families(oldest=50) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 1, "unknown": 1},
        catalogue.EXTENSION_REGISTERED: {"100": 0},
    }


def test_all_states_are_always_counted() -> None:
    """The three states add up to the polled extensions, before any of them was asked as well."""
    assert _following(["100", "101"]).families(oldest=0) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 0, "unknown": 2},
        catalogue.EXTENSION_REGISTERED: {},
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
