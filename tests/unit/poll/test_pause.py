from exporter.model import Failure, Reason
from exporter.poll.pause import Pause


def _asks_for(seconds: float | None, status: int = 429) -> Failure:
    return Failure(Reason.HTTP, "", status, seconds)


def test_nothing_is_held_up_before_anything_was_asked_for() -> None:
    """Nor by failures that ask for nothing."""
    pause = Pause()
    for outcome in (_asks_for(None), _asks_for(0), Failure(Reason.TIMEOUT, "")):
        pause.note(outcome, 100)
        assert pause.until <= 100


def test_as_long_as_it_was_asked_for() -> None:
    """To the second; another failure of a request that was in flight already ends nothing."""
    pause = Pause()
    pause.note(_asks_for(120), 100)
    pause.note(_asks_for(None), 101)

    assert pause.until == 220


def test_the_longest_of_several_counts() -> None:
    """The answers to what was in flight come in any order."""
    pause = Pause()
    pause.note(_asks_for(120), 100)
    pause.note(_asks_for(10), 101)

    assert pause.until == 220


def test_it_has_a_bound() -> None:
    """A switch that says "in a year" is asked again after 15 minutes."""
    pause = Pause()
    pause.note(_asks_for(1e9), 100)

    assert pause.until == 1000


def test_it_is_logged_now_and_then() -> None:
    """A switch that asks for a second every second gives a line each 15 minutes."""
    pause = Pause()
    logged = [now for now in range(2000) if pause.note(_asks_for(1), now) is not None]

    assert logged == [0, 900, 1800]
