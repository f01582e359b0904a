import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from exporter.clock import Clock
from exporter.schedule import Every, Schedule

_EARLY = 0.02
"""Seconds by which a timer may fire early. Runs may be late by any time on a busy machine."""


@dataclass
class _Times:
    """Clocks that a test sets; ``ahead`` is how far the wall clock was put forward."""

    now: float = 5000.0
    ahead: float = 0.0

    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now, wall=lambda: 1_700_000_000 + self.now + self.ahead)


@dataclass
class _Job:
    """Notes when it ran, and lets a test wait for that."""

    seconds: float = 0.0
    error: Exception | None = None
    starts: list[float] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    _started: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __call__(self) -> None:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        self.starts.append(time.monotonic())
        async with self._started:
            self._started.notify_all()
        try:
            await asyncio.sleep(self.seconds)
            if self.error is not None:
                raise self.error
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.running -= 1

    async def ran(self, times: int, within: float = 5) -> list[float]:
        """Wait until it was started so often; return the times from the first start to each other one."""
        async with asyncio.timeout(within), self._started:
            await self._started.wait_for(lambda: len(self.starts) >= times)
        return [start - self.starts[0] for start in self.starts[1:]]


@pytest.fixture
def times() -> _Times:
    """Return clocks that stand still."""
    return _Times()


@pytest.fixture
async def schedule(times: _Times) -> AsyncIterator[Schedule]:
    """Start a schedule that is stopped in the end."""
    logger = logging.getLogger("apscheduler")
    before = logger.level
    made = Schedule(times.clock())
    made.start()
    yield made
    await made.stop()
    logger.setLevel(before)


async def test_first_run_and_period(schedule: Schedule) -> None:
    """The first run is at once, the others after one period each, and not earlier."""
    job, rare = _Job(), _Job()
    added = time.monotonic()
    schedule.add("rare", rare, lambda: 100)
    schedule.add("job", job, lambda: 0.1)

    await rare.ran(1)
    await job.ran(5)

    assert len(rare.starts) == 1
    assert all(start - added >= 0.1 * number - _EARLY for number, start in enumerate(job.starts))


async def test_period_changes(schedule: Schedule) -> None:
    """The next run follows the new period."""
    periods = [0.05, 0.05, 0.25, 0.05, 0.05]
    job = _Job()
    added = time.monotonic()
    schedule.add("job", job, lambda: periods[min(len(job.starts), 4)])
    await job.ran(4)

    assert job.starts[3] - added >= 0.05 + 0.05 + 0.25 - _EARLY


async def test_late_job_returns_to_its_period(schedule: Schedule) -> None:
    """It never has two runs at a time: one run follows at once, and the others at their usual times."""
    job = _Job(seconds=0.3)
    schedule.add("job", job, lambda: 0.2)
    await job.ran(1)
    job.seconds = 0

    second, _, fourth = await job.ran(4)

    assert job.most_running == 1
    assert second >= 0.3 - _EARLY
    assert fourth >= 0.3 + 0.2 + 0.2 - _EARLY


async def test_job_that_raises(schedule: Schedule) -> None:
    """The defect is logged, and the job runs again."""
    job = _Job(error=RuntimeError("defect"))

    with structlog.testing.capture_logs() as log:
        schedule.add("job", job, lambda: 0.05)
        await job.ran(3)

    assert [(line["event"], line["job"]) for line in log[:2]] == [("job failed", "job")] * 2


async def test_period_that_raises(schedule: Schedule) -> None:
    """The defect is logged, the job waits a minute, and others run on time."""
    odd, sound = _Job(), _Job()

    def unknown() -> float:
        raise KeyError("defect")

    with structlog.testing.capture_logs() as log:
        schedule.add("odd", odd, unknown)
        schedule.add("sound", sound, lambda: 0.05)
        await sound.ran(4)

    assert len(odd.starts) == 1
    assert {(line["event"], line["job"]) for line in log} == {("job failed", "odd")}


async def test_names(times: _Times) -> None:
    """A job is added once, and can be added again after it was removed."""
    schedule = Schedule(times.clock())
    first, second = _Job(), _Job()
    schedule.ensure("job", first, lambda: 100)
    schedule.ensure("job", second, lambda: 100)
    running = [schedule.is_running]

    schedule.start()
    await first.ran(1)
    assert schedule.names == {"job"}
    schedule.remove("job")
    assert schedule.names == set()
    schedule.ensure("job", second, lambda: 100)
    await second.ran(1)

    running.append(schedule.is_running)
    await schedule.stop()
    assert len(first.starts) == 1
    assert running == [False, True]


async def test_removed_job_ends_its_run(schedule: Schedule) -> None:
    """And has no other run, even if it was late."""
    job = _Job(seconds=0.15)
    schedule.add("job", job, lambda: 0.05)
    await job.ran(1)
    await asyncio.sleep(0.1)

    schedule.remove("job")
    await asyncio.sleep(0.25)

    assert len(job.starts) == 1
    assert job.running == 0
    assert not job.cancelled.is_set()


async def test_stop(times: _Times) -> None:
    """It cancels the current runs, and no run starts after it."""
    schedule = Schedule(times.clock())
    schedule.start()
    job = _Job(seconds=100)
    schedule.add("job", job, lambda: 0.05)
    await job.ran(1)

    await schedule.stop()

    async with asyncio.timeout(1):
        await job.cancelled.wait()
    await asyncio.sleep(0.1)
    assert len(job.starts) == 1


async def test_progress(schedule: Schedule, times: _Times) -> None:
    """It ends half a minute after the last heartbeat."""
    assert schedule.is_progressing()
    times.now += 60
    assert not schedule.is_progressing()

    async with asyncio.timeout(3):
        while not schedule.is_progressing():  # noqa: ASYNC110 -- the heartbeat is inside and gives no signal
            await asyncio.sleep(0.02)


async def test_progress_before_the_start(times: _Times) -> None:
    """For half a minute, and no longer."""
    schedule = Schedule(times.clock())
    times.now += 29
    assert schedule.is_progressing()
    times.now += 1
    assert not schedule.is_progressing()


async def test_wall_clock_set_back(schedule: Schedule, times: _Times) -> None:
    """Jobs keep their remaining time."""
    job, unmoved = _Job(), _Job()
    schedule.add("job", job, lambda: 3000)
    schedule.add("unmoved", unmoved, lambda: 9000)
    await job.ran(1)

    with structlog.testing.capture_logs() as log:
        times.ahead -= 3600.44
        await job.ran(2, within=4)

    assert [(line["log_level"], line["seconds"]) for line in log] == [("warning", -3600.4)]
    assert len(unmoved.starts) == 1


@pytest.mark.parametrize("period", [1.0, 0.1, 30.0, 7 * 86400.0])
@pytest.mark.parametrize("late", [0.0, 0.5, 86400.0, 366 * 86400.0, 56 * 366 * 86400.0])
def test_missed_starts_are_skipped_in_one_step(period: float, late: float) -> None:
    """The next start is in the future, and a multiple of the period later."""
    asked = []

    def noted_period() -> float:
        asked.append(period)
        return period

    due = datetime(1970, 1, 1, 0, 0, 13, tzinfo=UTC)
    now = due + timedelta(seconds=late)

    following = Every(noted_period).get_next_fire_time(due, now)

    assert now < following <= now + timedelta(seconds=period)
    assert (following - due) % timedelta(seconds=period) == timedelta(0)
    assert len(asked) == 1


@pytest.mark.parametrize("period", [0.0, -5.0, math.inf, 1e300])
def test_period_out_of_range(period: float) -> None:
    """It is limited, because an error here would end every job (seen, 3.11)."""
    due = datetime(2026, 11, 1, tzinfo=UTC)

    following = Every(lambda: period).get_next_fire_time(due, due)

    assert due < following <= due + timedelta(days=366)


async def test_wall_clock_set_forward(schedule: Schedule, times: _Times) -> None:
    """No job is delayed by the step, and the gap is reported once."""
    job, gaps = _Job(), list[float]()
    schedule.on_gap = gaps.append
    schedule.add("job", job, lambda: 0.5)
    await job.ran(1)

    times.ahead += 86400  # the scheduler's own clock has its jump behind it: it plans half a second ahead

    await job.ran(6, within=4)
    assert gaps == [86400]


async def test_sleep_is_a_gap(times: _Times) -> None:
    """The monotonic clock stops, the others continue, and the gap is reported once."""
    schedule = Schedule(Clock(lambda: 5000.0, lambda: 1_700_000_000 + times.now, lambda: times.now))
    job, gaps = _Job(), list[float]()
    schedule.on_gap = gaps.append
    schedule.add("job", job, lambda: 0.5)
    with structlog.testing.capture_logs() as log:
        schedule.start()
        await job.ran(1)
        times.now += 8 * 3600
        await job.ran(4, within=4)
        await schedule.stop()

    assert gaps == [8 * 3600]
    assert [(line["log_level"], line["seconds"]) for line in log] == [("warning", 8 * 3600)]


async def test_step_after_one_out_of_range(schedule: Schedule, times: _Times) -> None:
    """The first is logged, and the second is applied."""
    job = _Job()
    schedule.add("job", job, lambda: 3000)
    await job.ran(1)

    with structlog.testing.capture_logs() as log:
        times.ahead = -1e15
        async with asyncio.timeout(5):
            while not any(line["event"] == "job failed" for line in log):  # noqa: ASYNC110 -- a log tells nobody
                await asyncio.sleep(0.05)
        times.ahead = -1e15 - 3600
        await job.ran(2, within=4)


async def test_gap_handler_that_raises(schedule: Schedule, times: _Times) -> None:
    """The defect is logged, and the next gap is reported all the same."""
    gaps = []

    def fails_at_first(seconds: float) -> None:
        gaps.append(seconds)
        if len(gaps) == 1:
            raise RuntimeError("defect")

    schedule.on_gap = fails_at_first
    with structlog.testing.capture_logs() as log:
        for ahead in (100.0, 300.0):
            times.ahead = ahead
            async with asyncio.timeout(5):
                while not gaps or sum(gaps) < ahead:  # noqa: ASYNC110 -- the watch is inside and gives no signal
                    await asyncio.sleep(0.05)

    assert gaps == [100, 200]
    assert sum(line["event"] == "job failed" for line in log) == 1
