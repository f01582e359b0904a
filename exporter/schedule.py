"""Starts each sweep on time, with APScheduler: one job for each (switch, query, scope).

No other module uses APScheduler, which runs on the wall clock. As tried with version 3.11 (2026-11):

- When the clock was set back by a day, an interval job did not run for that day. So a clock watch detects a
  step back, and moves every job with it.
- When the clock was set forward by a year, APScheduler asked the trigger for every missed second, used 58 to
  750 MB and did not respond any more. So the trigger computes the next start from the present time.

After a step forward, and after the machine slept, overdue jobs run at once, and ``on_gap`` is called.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import (  # type: ignore[import-untyped]  # APScheduler 3 has no type information
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    JobEvent,
)
from apscheduler.schedulers.asyncio import (  # type: ignore[import-untyped]  # likewise
    AsyncIOScheduler,
)
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]  # likewise

from exporter.clock import Clock

_HEARTBEAT = 1.0
_BEAT = "heartbeat"
_PROGRESS_WITHIN = 30.0
_JUMP = 1.0
_UNKNOWN_PERIOD = 60.0
_SHORTEST_PERIOD, _LONGEST_PERIOD = 0.001, 366 * 86400.0  # within the range of datetime

Run = Callable[[], Awaitable[None]]
Period = Callable[[], float]
OnGap = Callable[[float], None]


class Every(BaseTrigger):  # type: ignore[misc]  # its base has no types
    """Fires at once, and then every ``period()`` seconds. Missed starts are skipped."""

    def __init__(self, period: Period) -> None:
        self.period = period

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the first start after ``now``; called by APScheduler."""
        if previous_fire_time is None:
            return now
        period = timedelta(seconds=min(max(_SHORTEST_PERIOD, self.period()), _LONGEST_PERIOD))
        missed = max(0, (now - previous_fire_time) // period)
        return previous_fire_time + (missed + 1) * period


class Schedule:
    """Runs jobs on time, with at most one run of each at a time. All times are seconds.

    ``on_gap`` is called with the time that the machine slept, or by which its wall clock was set forward.
    """

    def __init__(self, clock: Clock) -> None:
        self.on_gap: OnGap = lambda _: None
        self._clock = clock
        self._log = structlog.get_logger("exporter.schedule")
        # It logs "skipped: maximum number of running instances" for runs that `_overrun` handles.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._overrun, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED)
        self._late: set[str] = set()
        self._progressed_at = clock.monotonic()
        self._watch: asyncio.Task[None] | None = None

    def add(self, name: str, run: Run, period: Period) -> None:
        """Call ``run`` now and then every ``period()`` seconds; a run that takes longer delays the next."""

        async def guarded() -> None:
            try:
                await run()
            except Exception:  # noqa: BLE001 -- a defect must not end the schedule
                self._log.exception("job failed", job=name)

        def guarded_period() -> float:
            try:
                return period()
            except Exception:  # noqa: BLE001 -- it would end APScheduler's loop, and with it every job (seen, 3.11)
                self._log.exception("job failed", job=name)
                return _UNKNOWN_PERIOD

        self._scheduler.add_job(guarded, Every(guarded_period), id=name)

    def ensure(self, name: str, run: Run, period: Period) -> None:
        """Add a job unless it exists."""
        if self._scheduler.get_job(name) is None:
            self.add(name, run, period)

    def run_now(self, name: str) -> None:
        """Run a job now, or as soon as its current run has ended."""
        self._scheduler.modify_job(name, next_run_time=self._now())

    @property
    def names(self) -> set[str]:
        """The names of all jobs."""
        return {job.id for job in self._scheduler.get_jobs()} - {_BEAT}

    def remove(self, name: str) -> None:
        """Remove a job; its current run continues to its end."""
        self._late.discard(name)
        self._scheduler.remove_job(name)

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.add_job(self._beat, Every(lambda: _HEARTBEAT), id=_BEAT)
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_clocks(), name="clock watch")

    async def stop(self) -> None:
        """Stop, and cancel all current runs."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)

    @property
    def is_running(self) -> bool:
        """Whether the schedule was started."""
        return self._watch is not None

    def is_progressing(self) -> bool:
        """Return whether jobs are started on time, however they end."""
        return self._clock.monotonic() - self._progressed_at < _PROGRESS_WITHIN

    async def _beat(self) -> None:
        self._progressed_at = self._clock.monotonic()

    def _overrun(self, event: JobEvent) -> None:
        self._late.add(event.job_id)

    def _ended(self, event: JobEvent) -> None:
        if event.job_id in self._late:
            self._late.discard(event.job_id)
            if self._scheduler.get_job(event.job_id):
                self._scheduler.modify_job(event.job_id, next_run_time=self._now())

    def _now(self) -> datetime:
        return datetime.now(UTC)

    async def _watch_clocks(self) -> None:
        clock = self._clock
        gaps = clock.elapsed() - clock.monotonic()
        offset = clock.wall() - clock.elapsed()
        while True:
            await asyncio.sleep(_HEARTBEAT)
            gap = clock.elapsed() - clock.monotonic() - gaps
            gaps += gap
            jumped = clock.wall() - clock.elapsed() - offset
            offset += jumped
            try:
                if gap > _JUMP:
                    self._log.warning(
                        "machine was asleep, or wall clock set forward; restarting sweeps",
                        seconds=round(gap, 1),
                    )
                    self.on_gap(gap)
                if jumped < -_JUMP:
                    self._log.warning("wall clock set back; jobs rescheduled", seconds=round(jumped, 1))
                    self._move_jobs(jumped)
            except Exception:  # noqa: BLE001 -- a defect must not end the watch
                self._log.exception("job failed", job="clock watch")

    def _move_jobs(self, seconds: float) -> None:
        for job in self._scheduler.get_jobs():
            # If APScheduler has rescheduled this job since the jump, do not move it again.
            latest = self._now() + timedelta(seconds=min(job.trigger.period(), _LONGEST_PERIOD))
            job.modify(next_run_time=min(job.next_run_time + timedelta(seconds=seconds), latest))
