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
def test_ninety_percent_are_enough(count: int, failed: int, succeeds: bool) -> None:  # noqa: FBT001 -- a table
    """The query succeeds if 90 % of the extensions gave a state; exactly 90 % count."""
    assert (_after(count, [_TIMEOUT] * failed).verdict() is True) is succeeds


def test_complete_sweep_has_a_verdict() -> None:
    """After a request for each extension, the query has either succeeded or failed."""
    wrong = []
    for count in range(1, 61):
        for failed in range(count + 1):
            verdict = _after(count, [_TIMEOUT] * failed).verdict()
            enough = (count - failed) * 10 >= count * 9
            if (verdict is True, isinstance(verdict, Failure)) != (enough, not enough):
                wrong.append((count, failed))

    assert wrong == []


def test_undecided_at_first() -> None:
    """The first few of many extensions are neither success nor failure."""
    held = _following(["100", "101", "102"])
    assert held.verdict() is False
    held.record("100", _state(Registration.REGISTERED), 0)
    assert held.verdict() is False


def test_unknown_is_a_state() -> None:
    """An unknown word is a response, and no failure of the query."""
    held = _following(["100"])
    held.record("100", RegistrationState(Registration.UNKNOWN, "Gone fishing"), 0)

    assert held.verdict() is True


def test_most_common_failure_is_reported() -> None:
    """With one of its details and the number of failed extensions."""
    verdict = _after(10, [_TIMEOUT, _REJECTED, _REJECTED]).verdict()

    assert isinstance(verdict, Failure)
    assert verdict.reason is Reason.REJECTED
    assert "3 of 10 extensions" in verdict.detail
    assert verdict.detail.endswith("No id specified")


def test_failure_changes_no_state() -> None:
    """The last state stays known."""
    held = _after(2, [])
    held.record("100", _TIMEOUT, 10)

    assert held.families(oldest=0) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 2, "unregistered": 0, "unknown": 0},
        catalogue.EXTENSION_REGISTERED: {"100": 1, "101": 1},
    }


def test_stale_state_is_unknown() -> None:
    """It counts as unknown, and its series is absent."""
    held = _following(["100", "101"])
    held.record("100", _state(Registration.UNREGISTERED), 50)
    held.record("101", _state(Registration.REGISTERED), 49)

    assert held.families(oldest=50) == {
        catalogue.TENANT_EXTENSIONS: {"registered": 0, "unregistered": 1, "unknown": 1},
        catalogue.EXTENSION_REGISTERED: {"100": 0},
    }


def test_all_states_are_counted() -> None:
    """The three states add up to the polled extensions, even before the first request."""
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
