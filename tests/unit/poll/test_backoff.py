import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Failure, Reason
from exporter.poll.backoff import LONGEST, Backoff, after

_SLOWED = [Reason.TIMEOUT, Reason.AUTH]
_NOT_SLOWED = [reason for reason in Reason if reason not in _SLOWED]


def _turns(reason: Reason, interval: float, turns: int, jitter: float = 0.0) -> list[int]:
    """Return in which turns a target is asked that fails each time; a sweep comes each interval.

    ``jitter``: seconds by which every other sweep comes early.
    """
    held = None
    asked = []
    for turn in range(turns):
        now = 1000 + turn * interval - jitter * (turn % 2)
        if held is None or not held.holds(now):
            asked.append(turn)
            held = after(held, Failure(reason, ""), started=now, interval=interval)
    return asked


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("reason", _SLOWED)
def test_a_target_that_keeps_failing_is_asked_ever_more_slowly(reason: Reason, jitter: float) -> None:
    """The first failure costs nothing, the second one turn, and then the pause doubles, up to 15 minutes."""
    assert _turns(reason, 30, 150, jitter) == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert _turns(reason, 120, 40, jitter) == [0, 1, 3, 7, 14, 21, 28, 35]
    assert _turns(reason, 300, 20, jitter) == [0, 1, 3, 6, 9, 12, 15, 18]


@pytest.mark.parametrize("reason", _SLOWED)
def test_the_first_failure_costs_nothing(reason: Reason) -> None:
    """Not even a request that comes before its turn, after a reload, is held up by it."""
    held = after(None, Failure(reason, ""), started=100, interval=30)

    assert held is not None
    assert not held.holds(100)


@pytest.mark.parametrize("reason", _SLOWED)
def test_a_frequent_query_is_never_retried_between_sweeps(reason: Reason) -> None:
    """The next sweep is soon enough, and a switch that hangs is not asked more often than a sound one."""
    held = None
    for _ in range(5):
        held = after(held, Failure(reason, ""), started=0, interval=300)
        assert held is not None
        assert not held.is_retry


@pytest.mark.parametrize("reason", _NOT_SLOWED)
def test_other_failures_of_a_frequent_query_cost_nothing(reason: Reason) -> None:
    """An answer that makes no sense costs the switch no more than a good one; it ends a back-off."""
    assert after(None, Failure(reason, ""), started=0, interval=300) is None
    assert after(Backoff(7, 5000, is_retry=False), Failure(reason, ""), started=0, interval=30) is None


@pytest.mark.parametrize(
    ("status", "is_slowed"),
    [
        *((status, True) for status in (401, 403, 429, 500, 503, 599)),
        *((status, False) for status in (302, 400, 404, 407)),
    ],
)
def test_statuses_that_slow_a_target_down(status: int, *, is_slowed: bool) -> None:
    """A switch that is overloaded or refuses is asked ever more slowly; a wrong `url` costs it nothing."""
    held = after(None, Failure(Reason.HTTP, "", status), started=0, interval=30)

    assert (held is not None) is is_slowed


@pytest.mark.parametrize(("asked_for", "pause"), [(0.0, 0), (120.0, 120), (99999.0, 900)])
@pytest.mark.parametrize("interval", [30, 3600])
def test_a_target_waits_as_long_as_it_was_asked_to(asked_for: float, pause: float, interval: float) -> None:
    """`Retry-After` counts from the first failure on, up to 15 minutes, beside the other pauses."""
    failure = Failure(Reason.HTTP, "", 429, asked_for)
    first = after(None, failure, started=100, interval=interval)
    assert first is not None
    fifth = after(Backoff(4, 100, is_retry=False), failure, started=100, interval=interval)
    assert fifth is not None

    assert first.retry_at == 100 + max(pause, 60 if interval == 3600 else 0)
    assert fifth.retry_at == 100 + max(pause, 900 if interval == 3600 else 30 * 16 - 15)


@pytest.mark.parametrize("reason", Reason)
def test_a_rare_query_is_retried_soon_whatever_failed(reason: Reason) -> None:
    """After 1, 2, 4 and 8 minutes and then every 15, and at once: there is no sweep to wait for."""
    held = None
    pauses = []
    for _ in range(7):
        held = after(held, Failure(reason, ""), started=100, interval=3600)
        assert held is not None
        assert held.is_retry
        pauses.append(held.retry_at - 100)

    assert pauses == [60, 120, 240, 480, 900, 900, 900]


def test_what_counts_as_rare() -> None:
    """More than five minutes, by however little."""
    assert after(None, Failure(Reason.DECODE, ""), started=0, interval=300) is None
    assert after(None, Failure(Reason.DECODE, ""), started=0, interval=301) is not None


def test_a_retry_never_comes_after_the_next_sweep() -> None:
    """What is asked every six minutes anyway is not retried after eight."""
    held = None
    for _ in range(9):
        held = after(held, Failure(Reason.HTTP, ""), started=0, interval=360)

    assert held is not None
    assert held.retry_at == 360


@pytest.mark.parametrize("interval", [30.0, 3600.0])
def test_a_success_clears_it(interval: float) -> None:
    """From then on it is as if nothing had been."""
    assert after(Backoff(7, 5000, is_retry=False), None, started=0, interval=interval) is None


@given(st.sampled_from(_SLOWED), st.floats(0.1, 86400), st.integers(1, 60))
def test_the_pause_has_bounds(reason: Reason, interval: float, failures: int) -> None:
    """Never longer than 15 minutes, never in the past of the attempt."""
    held = None
    for _ in range(failures):
        held = after(held, Failure(reason, ""), started=100, interval=interval)

    assert held is not None
    assert held.failures == failures
    assert 100 <= held.retry_at <= 100 + LONGEST


@pytest.mark.parametrize(("interval", "pause"), [(60.0, LONGEST - 30), (3600.0, LONGEST)])
def test_a_target_that_fails_for_weeks(interval: float, pause: float) -> None:
    """After thousands of failures in a row the pause is what it was: 15 minutes."""
    held = None
    for _ in range(3000):
        held = after(held, Failure(Reason.AUTH, ""), started=0, interval=interval)

    assert held is not None
    assert (held.failures, held.retry_at) == (3000, pause)


def test_holds_until_the_moment() -> None:
    """At the very moment it may be asked again."""
    assert Backoff(2, 100, is_retry=False).holds(99.9)
    assert not Backoff(2, 100, is_retry=False).holds(100)
