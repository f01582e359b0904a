"""When each sweep starts: APScheduler, one job for each (switch, query, scope).

The only module that knows APScheduler, which runs on the wall clock: set back by a day, an interval job
did not run for that day (tried, APScheduler 3.11). So a watch compares the wall clock with the monotonic
one, and moves every job by what the wall clock jumped.
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

Run = Callable[[], Awaitable[None]]
Period = Callable[[], float]


class _Every(BaseTrigger):  # type: ignore[misc]  # its base has no types
    """Fires at once, and then again each ``period()`` seconds, whatever that is by then."""

    def __init__(self, period: Period) -> None:
        self.period = period

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        if previous_fire_time is None:
            return now
        return previous_fire_time + timedelta(seconds=self.period())


class Schedule:
    """Runs jobs on time, each at most once at a time. Seconds throughout."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log = structlog.get_logger("exporter.schedule")
        # Its log lines say "skipped: maximum number of running instances" for what is handled below.
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
        """Run ``run`` now and then every ``period()`` seconds; a run that takes longer delays the next."""

        async def guarded() -> None:
            try:
                await run()
            except Exception:  # noqa: BLE001 -- a defect of ours must not end the schedule
                self._log.exception("job failed", job=name)

        def guarded_period() -> float:
            try:
                return period()
            except Exception:  # noqa: BLE001 -- it would end APScheduler's loop, and with it every job (seen, 3.11)
                self._log.exception("job failed", job=name)
                return _UNKNOWN_PERIOD

        self._scheduler.add_job(guarded, _Every(guarded_period), id=name)

    def ensure(self, name: str, run: Run, period: Period) -> None:
        """Add a job unless it is there."""
        if self._scheduler.get_job(name) is None:
            self.add(name, run, period)

    def hasten(self, name: str) -> None:
        """Run a job now, or as soon as its present run has ended."""
        self._scheduler.modify_job(name, next_run_time=self._now())

    @property
    def names(self) -> set[str]:
        """The names of all jobs that were added."""
        return {job.id for job in self._scheduler.get_jobs()} - {_BEAT}

    def remove(self, name: str) -> None:
        """Take a job off the schedule; a run that is under way goes on to its end."""
        self._late.discard(name)
        self._scheduler.remove_job(name)

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.add_job(self._beat, _Every(lambda: _HEARTBEAT), id=_BEAT)
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_wall_clock(), name="wall clock watch")

    async def stop(self) -> None:
        """Stop; runs that are under way are cancelled."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)

    @property
    def is_running(self) -> bool:
        """Whether it was started."""
        return self._watch is not None

    def is_progressing(self) -> bool:
        """Tell whether jobs are being started; says nothing about how they end."""
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

    async def _watch_wall_clock(self) -> None:
        offset = self._clock.wall() - self._clock.monotonic()
        while True:
            await asyncio.sleep(_HEARTBEAT)
            jumped = self._clock.wall() - self._clock.monotonic() - offset
            offset += jumped
            if abs(jumped) > _JUMP:
                self._log.warning("the wall clock jumped; schedules follow it", seconds=round(jumped, 1))
                try:
                    self._move_jobs(jumped)
                except Exception:  # noqa: BLE001 -- a defect of ours: the next jump is to be noticed all the same
                    self._log.exception("job failed", job="wall clock watch")

    def _move_jobs(self, seconds: float) -> None:
        for job in self._scheduler.get_jobs():
            # APScheduler may have planned this job anew since the jump: then it is not moved twice.
            latest = self._now() + timedelta(seconds=job.trigger.period())
            job.modify(next_run_time=min(job.next_run_time + timedelta(seconds=seconds), latest))
