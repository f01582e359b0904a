import pytest

from exporter.simulator.world_clock import WorldClock


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """Seconds of ours."""
    return _Clock()


def test_time_moves_once_a_second_by_the_speed(clock: _Clock) -> None:
    """Within a second the moment stays; after it, it has moved by the speed."""
    world_clock = WorldClock(clock, speed=60)
    begun = world_clock.moment()
    clock.now += 0.99
    assert world_clock.moment() == begun
    clock.now += 0.01
    assert world_clock.moment() == begun + 60


def test_frozen_time_stands_still_and_then_goes_on(clock: _Clock) -> None:
    """What passes while time is frozen never happened."""
    world_clock = WorldClock(clock, speed=10)
    begun = world_clock.moment()
    clock.now += 5
    world_clock.freeze()
    clock.now += 500
    assert world_clock.moment() == begun + 50
    assert world_clock.frozen
    world_clock.freeze(frozen=False)
    clock.now += 1
    assert world_clock.moment() == begun + 60


def test_another_speed_counts_from_now_on(clock: _Clock) -> None:
    """A change of speed changes nothing of what has passed."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    clock.now += 10
    world_clock.set_speed(100)
    assert world_clock.moment() == begun + 10
    clock.now += 1
    assert world_clock.moment() == begun + 110
    assert world_clock.speed == 100


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_does_not_run_backwards(clock: _Clock, speed: float) -> None:
    """A speed that is not above 0 is refused."""
    with pytest.raises(ValueError, match="above 0"):
        WorldClock(clock).set_speed(speed)


def test_time_can_be_skipped_while_frozen(clock: _Clock) -> None:
    """Advancing moves a frozen world, and only by what was asked."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    world_clock.freeze()
    world_clock.advance(3600)
    clock.now += 7
    assert world_clock.moment() == begun + 3600


def test_frequent_changes_do_not_hold_time(clock: _Clock) -> None:
    """Ten changes within a second lose none of it."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    for _ in range(16):
        clock.now += 0.125
        world_clock.advance(0)
    assert world_clock.moment() == begun + 2
