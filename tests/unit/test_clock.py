import time
from dataclasses import dataclass

import pytest

from exporter.clock import Clock, boot_time


@dataclass
class _Machine:
    """A machine that sleeps, is paused, and has a wall clock that can be set."""

    monotonic: float = 100.0
    boot: float = 100.0
    wall: float = 1_700_000_000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.monotonic, lambda: self.wall, lambda: self.boot)

    def run(self, seconds: float) -> None:
        self.monotonic += seconds
        self.boot += seconds
        self.wall += seconds

    def sleep(self, seconds: float) -> None:
        self.boot += seconds
        self.wall += seconds


def test_elapsed_without_gaps() -> None:
    """All clocks agree."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.run(50)

    assert clock.elapsed() - before == 50


def test_elapsed_includes_sleep() -> None:
    """Eight hours asleep count once."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.sleep(8 * 3600)
    machine.run(10)

    assert clock.elapsed() - before == 8 * 3600 + 10
    assert clock.elapsed() - before == 8 * 3600 + 10


def test_elapsed_includes_pauses_of_a_virtual_machine() -> None:
    """Every forward step of the wall clock counts, once."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.wall += 3600
    assert clock.elapsed() - before == 3600
    machine.run(5)
    machine.wall += 60
    assert clock.elapsed() - before == 3665


def test_elapsed_ignores_a_wall_clock_set_back() -> None:
    """If it is corrected later, this counts as a step forward."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.wall -= 86400
    machine.run(5)
    assert clock.elapsed() - before == 5
    machine.wall += 86400
    assert clock.elapsed() - before == 86405


def test_small_steps_of_the_wall_clock_add_up() -> None:
    """A step below a second is ignored until the sum exceeds it."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    for _ in range(4):
        machine.wall += 0.4
        clock.elapsed()

    assert clock.elapsed() - before == pytest.approx(1.2, abs=1e-5)


def test_process_stopped_between_two_readings() -> None:
    """This is no step of the wall clock."""
    machine = _Machine()
    stops = [30.0]

    def wall() -> float:
        machine.run(stops.pop() if stops and machine.boot > 100 else 0.0)
        return machine.wall

    clock = Clock(lambda: machine.monotonic, wall, lambda: machine.boot)
    before = clock.elapsed()
    machine.run(1)

    assert clock.elapsed() - before == 1
    assert clock.elapsed() - before == 31


def test_real_clock() -> None:
    """It counts from boot, including sleep; a clock made by a test has no sleep."""
    clock = Clock()

    assert clock.elapsed() == pytest.approx(boot_time(), abs=5)
    assert boot_time() >= time.monotonic() - 1
    assert Clock(monotonic=lambda: 7.0, wall=lambda: 0.0).elapsed() == 7
