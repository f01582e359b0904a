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


def test_seconds_go_by() -> None:
    """While nothing odd happens, an age is what every clock says it is."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.run(50)

    assert clock.elapsed() - before == 50


def test_time_asleep_is_age() -> None:
    """Eight hours asleep make every value eight hours older, once."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.sleep(8 * 3600)
    machine.run(10)

    assert clock.elapsed() - before == 8 * 3600 + 10
    assert clock.elapsed() - before == 8 * 3600 + 10


def test_a_paused_virtual_machine_is_age() -> None:
    """It notices a pause only by a wall clock that is set forward: every such step counts, once."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.wall += 3600
    assert clock.elapsed() - before == 3600
    machine.run(5)
    machine.wall += 60
    assert clock.elapsed() - before == 3665


def test_a_wall_clock_that_is_set_back_is_no_age() -> None:
    """Ages never shrink; a clock that is then set right again counts as a step forward."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    machine.wall -= 86400
    machine.run(5)
    assert clock.elapsed() - before == 5
    machine.wall += 86400
    assert clock.elapsed() - before == 86405


def test_small_corrections_of_the_wall_clock_are_no_age_until_they_add_up() -> None:
    """Less than a second could be the time that reading two clocks takes; nothing is lost in small steps."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()

    for _ in range(4):
        machine.wall += 0.4
        clock.elapsed()

    assert clock.elapsed() - before == pytest.approx(1.2, abs=1e-5)


def test_a_stop_between_two_readings_is_no_step() -> None:
    """A process may be stopped after it read one clock and before it read the other."""
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


def test_the_clocks_of_the_machine() -> None:
    """The real clock counts from the boot, time asleep included; a test that sets one clock has no sleep."""
    clock = Clock()

    assert clock.elapsed() == pytest.approx(boot_time(), abs=5)
    assert boot_time() >= time.monotonic() - 1
    assert Clock(monotonic=lambda: 7.0, wall=lambda: 0.0).elapsed() == 7
