import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll.backoff import LONGEST_PAUSE, Backoff, SwitchPause, next_backoff

_SLOWED = [Reason.TIMEOUT, Reason.AUTH]
_NOT_SLOWED = [reason for reason in Reason if reason not in _SLOWED]


def _due(reason: Reason, interval: float, turns: int, jitter: float = 0.0) -> list[int]:
    """Return in which turns a target is asked that fails each time; a sweep comes each interval.

    ``jitter``: seconds by which every other sweep comes early.
    """
    held = None
    asked = []
    for turn in range(turns):
        now = 1000 + turn * interval - jitter * (turn % 2)
        if held is None or not held.is_active(now):
            asked.append(turn)
            held = next_backoff(held, Failure(reason, ""), started=now, interval=interval)
    return asked


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("reason", _SLOWED)
def test_a_target_that_keeps_failing_is_asked_ever_more_slowly(reason: Reason, jitter: float) -> None:
    """The first failure costs nothing, the second one turn, and then the pause doubles, up to 15 minutes."""
    assert _due(reason, 30, 150, jitter) == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert _due(reason, 120, 40, jitter) == [0, 1, 3, 7, 14, 21, 28, 35]
    assert _due(reason, 300, 20, jitter) == [0, 1, 3, 6, 9, 12, 15, 18]


@pytest.mark.parametrize("reason", _SLOWED)
def test_the_first_failure_costs_nothing(reason: Reason) -> None:
    """Not even a request that comes before its turn, after a reload, is held up by it."""
    held = next_backoff(None, Failure(reason, ""), started=100, interval=30)

    assert held is not None
    assert not held.is_active(100)


@pytest.mark.parametrize("reason", _SLOWED)
def test_a_frequent_query_is_never_retried_between_sweeps(reason: Reason) -> None:
    """The next sweep is soon enough, and a switch that hangs is not asked more often than a sound one."""
    held = None
    for _ in range(5):
        held = next_backoff(held, Failure(reason, ""), started=0, interval=300)
        assert held is not None
        assert not held.is_retry


@pytest.mark.parametrize("reason", _NOT_SLOWED)
def test_other_failures_of_a_frequent_query_cost_nothing(reason: Reason) -> None:
    """An answer that makes no sense costs the switch no more than a good one; it ends a back-off."""
    assert next_backoff(None, Failure(reason, ""), started=0, interval=300) is None
    assert next_backoff(Backoff(7, 5000, is_retry=False), Failure(reason, ""), started=0, interval=30) is None


@pytest.mark.parametrize(
    ("status", "is_slowed"),
    [
        *((status, True) for status in (401, 403, 429, 500, 503, 599)),
        *((status, False) for status in (302, 400, 404, 407)),
    ],
)
def test_statuses_that_slow_a_target_down(status: int, *, is_slowed: bool) -> None:
    """A switch that is overloaded or refuses is asked ever more slowly; a wrong `url` costs it nothing."""
    held = next_backoff(None, Failure(Reason.HTTP, "", status), started=0, interval=30)

    assert (held is not None) is is_slowed


@pytest.mark.parametrize(("asked_for", "pause"), [(0.0, 0), (120.0, 120), (99999.0, 900)])
@pytest.mark.parametrize("interval", [30, 3600])
def test_a_target_waits_as_long_as_it_was_asked_to(asked_for: float, pause: float, interval: float) -> None:
    """`Retry-After` counts from the first failure on, up to 15 minutes, beside the other pauses."""
    failure = Failure(Reason.HTTP, "", 429, asked_for)
    first = next_backoff(None, failure, started=100, interval=interval)
    assert first is not None
    fifth = next_backoff(Backoff(4, 100, is_retry=False), failure, started=100, interval=interval)
    assert fifth is not None

    assert first.retry_at == 100 + max(pause, 60 if interval == 3600 else 0)
    assert fifth.retry_at == 100 + max(pause, 900 if interval == 3600 else 30 * 16 - 15)


@pytest.mark.parametrize("reason", Reason)
def test_a_rare_query_is_retried_soon_whatever_failed(reason: Reason) -> None:
    """After 1, 2, 4 and 8 minutes and then every 15, and at once: there is no sweep to wait for."""
    held = None
    pauses = []
    for _ in range(7):
        held = next_backoff(held, Failure(reason, ""), started=100, interval=3600)
        assert held is not None
        assert held.is_retry
        pauses.append(held.retry_at - 100)

    assert pauses == [60, 120, 240, 480, 900, 900, 900]


def test_what_counts_as_rare() -> None:
    """More than five minutes, by however little."""
    assert next_backoff(None, Failure(Reason.DECODE, ""), started=0, interval=300) is None
    assert next_backoff(None, Failure(Reason.DECODE, ""), started=0, interval=301) is not None


def test_a_retry_never_comes_after_the_next_sweep() -> None:
    """What is asked every six minutes anyway is not retried after eight."""
    held = None
    for _ in range(9):
        held = next_backoff(held, Failure(Reason.HTTP, ""), started=0, interval=360)

    assert held is not None
    assert held.retry_at == 360


@pytest.mark.parametrize("interval", [30.0, 3600.0])
def test_a_success_clears_it(interval: float) -> None:
    """From then on it is as if nothing had been."""
    assert next_backoff(Backoff(7, 5000, is_retry=False), None, started=0, interval=interval) is None


@given(st.sampled_from(_SLOWED), st.floats(0.1, 86400), st.integers(1, 60))
def test_the_pause_has_bounds(reason: Reason, interval: float, failures: int) -> None:
    """Never longer than 15 minutes, never in the past of the attempt."""
    held = None
    for _ in range(failures):
        held = next_backoff(held, Failure(reason, ""), started=100, interval=interval)

    assert held is not None
    assert held.failures == failures
    assert 100 <= held.retry_at <= 100 + LONGEST_PAUSE


@pytest.mark.parametrize(("interval", "pause"), [(60.0, LONGEST_PAUSE - 30), (3600.0, LONGEST_PAUSE)])
def test_a_target_that_fails_for_weeks(interval: float, pause: float) -> None:
    """After thousands of failures in a row the pause is what it was: 15 minutes."""
    held = None
    for _ in range(3000):
        held = next_backoff(held, Failure(Reason.AUTH, ""), started=0, interval=interval)

    assert held is not None
    assert (held.failures, held.retry_at) == (3000, pause)


def test_active_until_the_moment() -> None:
    """At the very moment it may be asked again."""
    assert Backoff(2, 100, is_retry=False).is_active(99.9)
    assert not Backoff(2, 100, is_retry=False).is_active(100)


_TARGETS = [Target(query, Scope.SWITCH) for query in Query]


def _asks_for(seconds: float | None, status: int = 429) -> Failure:
    return Failure(Reason.HTTP, "", status, seconds)


def _paused(seconds: float, now: float) -> SwitchPause:
    pause = SwitchPause()
    for target in _TARGETS[:3]:
        pause.record(target, _asks_for(seconds), now)
    return pause


def test_nothing_is_held_up_before_anything_was_asked_for() -> None:
    """Nor by failures that ask for nothing."""
    pause = SwitchPause()
    for outcome in (_asks_for(None), _asks_for(0), Failure(Reason.TIMEOUT, "")):
        for target in _TARGETS:
            pause.record(target, outcome, 100)
            assert pause.until <= 100


def test_one_odd_answer_silences_nobody() -> None:
    """Nor do three of the same target, nor those of several with a success between."""
    pause = SwitchPause()
    for _ in range(3):
        pause.record(_TARGETS[0], _asks_for(99999), 100)
    pause.record(_TARGETS[1], _asks_for(99999), 100)
    pause.record(_TARGETS[2], None, 100)
    pause.record(_TARGETS[3], _asks_for(99999), 100)

    assert pause.until <= 100


def test_as_long_as_it_was_asked_for() -> None:
    """To the second; a success of a request that was in flight already does not end it."""
    pause = _paused(120, now=100)
    pause.record(_TARGETS[5], None, 101)

    assert pause.until == 220


def test_when_the_time_is_over_one_is_enough() -> None:
    """Until there is a success, the switch is tried with what is sent first, and not with three."""
    pause = _paused(120, now=100)

    pause.record(_TARGETS[5], _asks_for(60), 221)

    assert pause.until == 281


def test_the_longest_of_several_counts() -> None:
    """The answers to what was in flight come in any order."""
    pause = _paused(120, now=100)
    pause.record(_TARGETS[5], _asks_for(10), 101)

    assert pause.until == 220


def test_it_has_a_bound() -> None:
    """A switch that says "in a year" is asked again after 15 minutes."""
    assert _paused(1e9, now=100).until == 1000


def test_it_is_logged_now_and_then() -> None:
    """A switch that asks for a second every second gives a line each 15 minutes."""
    pause = _paused(1, now=0)
    logged = [now for now in range(1, 2000) if pause.record(_TARGETS[now % 5], _asks_for(1), now) is not None]

    assert logged == [900, 1800]
