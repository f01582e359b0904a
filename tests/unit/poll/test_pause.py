from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll.pause import Pause

_TARGETS = [Target(query, Scope.SWITCH) for query in Query]


def _asks_for(seconds: float | None, status: int = 429) -> Failure:
    return Failure(Reason.HTTP, "", status, seconds)


def _paused(seconds: float, now: float) -> Pause:
    pause = Pause()
    for target in _TARGETS[:3]:
        pause.note(target, _asks_for(seconds), now)
    return pause


def test_nothing_is_held_up_before_anything_was_asked_for() -> None:
    """Nor by failures that ask for nothing."""
    pause = Pause()
    for outcome in (_asks_for(None), _asks_for(0), Failure(Reason.TIMEOUT, "")):
        for target in _TARGETS:
            pause.note(target, outcome, 100)
            assert pause.until <= 100


def test_one_odd_answer_silences_nobody() -> None:
    """Nor do three of the same target, nor those of several with a success between."""
    pause = Pause()
    for _ in range(3):
        pause.note(_TARGETS[0], _asks_for(99999), 100)
    pause.note(_TARGETS[1], _asks_for(99999), 100)
    pause.note(_TARGETS[2], None, 100)
    pause.note(_TARGETS[3], _asks_for(99999), 100)

    assert pause.until <= 100


def test_as_long_as_it_was_asked_for() -> None:
    """To the second; a success of a request that was in flight already does not end it."""
    pause = _paused(120, now=100)
    pause.note(_TARGETS[5], None, 101)

    assert pause.until == 220


def test_when_the_time_is_over_one_is_enough() -> None:
    """Until there is a success, the switch is tried with what is sent first, and not with three."""
    pause = _paused(120, now=100)

    pause.note(_TARGETS[5], _asks_for(60), 221)

    assert pause.until == 281


def test_the_longest_of_several_counts() -> None:
    """The answers to what was in flight come in any order."""
    pause = _paused(120, now=100)
    pause.note(_TARGETS[5], _asks_for(10), 101)

    assert pause.until == 220


def test_it_has_a_bound() -> None:
    """A switch that says "in a year" is asked again after 15 minutes."""
    assert _paused(1e9, now=100).until == 1000


def test_it_is_logged_now_and_then() -> None:
    """A switch that asks for a second every second gives a line each 15 minutes."""
    pause = _paused(1, now=0)
    logged = [now for now in range(1, 2000) if pause.note(_TARGETS[now % 5], _asks_for(1), now) is not None]

    assert logged == [900, 1800]
