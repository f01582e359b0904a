import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Reason
from exporter.poll.backoff import LONGEST, Backoff, after

_SLOWED = [Reason.TIMEOUT, Reason.AUTH]
_NOT_SLOWED = [None, *(reason for reason in Reason if reason not in _SLOWED)]


def _turns(reason: Reason, interval: float, turns: int) -> list[int]:
    """Return in which turns a target is asked that fails each time; a sweep comes each interval."""
    held = None
    asked = []
    for turn in range(turns):
        now = 1000 + turn * interval
        if held is None or not held.holds(now):
            asked.append(turn)
            held = after(held, reason, started=now, interval=interval)
    return asked


@pytest.mark.parametrize("reason", _SLOWED)
def test_a_target_that_keeps_failing_is_asked_ever_more_slowly(reason: Reason) -> None:
    """The first failure costs nothing, the second one turn, and then the pause doubles, up to 15 minutes."""
    assert _turns(reason, 30, 150) == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert _turns(reason, 120, 40) == [0, 1, 3, 7, 14, 21, 28, 35]
    assert _turns(reason, 300, 20) == [0, 1, 3, 6, 9, 12, 15, 18]


@pytest.mark.parametrize("interval", [900.0, 3600.0])
def test_a_rare_query_keeps_its_interval(interval: float) -> None:
    """What is asked every quarter of an hour or less often anyway is asked no less often."""
    assert _turns(Reason.TIMEOUT, interval, 6) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("reason", _NOT_SLOWED)
def test_other_outcomes_clear_the_back_off(reason: Reason | None) -> None:
    """A success, and any failure that costs the switch nothing, makes it as if nothing had been."""
    assert after(Backoff(7, 5000), reason, started=0, interval=30) is None
    assert after(None, reason, started=0, interval=30) is None


@given(st.sampled_from(_SLOWED), st.floats(1, 86400), st.integers(1, 60))
def test_the_pause_has_bounds(reason: Reason, interval: float, failures: int) -> None:
    """Never longer than 15 minutes or the interval, never in the past of the attempt."""
    held = None
    for _ in range(failures):
        held = after(held, reason, started=100, interval=interval)

    assert held is not None
    assert held.failures == failures
    assert 100 <= held.retry_at <= 100 + max(LONGEST, interval)


def test_a_target_that_fails_for_weeks() -> None:
    """After thousands of failures in a row the pause is what it was: 15 minutes."""
    held = None
    for _ in range(3000):
        held = after(held, Reason.AUTH, started=0, interval=60)

    assert held == Backoff(3000, LONGEST - 30)


def test_holds_until_the_moment() -> None:
    """At the very moment it may be asked again."""
    assert Backoff(2, 100).holds(99.9)
    assert not Backoff(2, 100).holds(100)
