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

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock, as a resumed virtual machine does as well."""
        self.wall += seconds


@pytest.mark.parametrize(
    ("steps", "elapsed"),
    [
        ([("run", 50)], [50]),
        ([("sleep", 8 * 3600), ("run", 10), ("run", 0)], [8 * 3600, 8 * 3600 + 10, 8 * 3600 + 10]),
        # Every forward step of the wall clock counts, once; a small one when the sum exceeds a second.
        ([("set_wall", 3600), ("run", 5), ("set_wall", 60)], [3600, 3605, 3665]),
        ([("set_wall", 0.4), ("set_wall", 0.4), ("set_wall", 0.4)], [0, 0, 1.2]),
        # One that is set back is ignored; if it is corrected later, this counts as a step forward.
        ([("set_wall", -86400), ("run", 5), ("set_wall", 86400)], [0, 5, 86405]),
    ],
)
def test_elapsed(steps: list[tuple[str, float]], elapsed: list[float]) -> None:
    """It includes sleep and pauses of a virtual machine."""
    machine = _Machine()
    clock = machine.clock()
    before = clock.elapsed()
    found = []
    for step, seconds in steps:
        getattr(machine, step)(seconds)
        found.append(clock.elapsed() - before)
    assert found == pytest.approx(elapsed, abs=1e-5)


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
