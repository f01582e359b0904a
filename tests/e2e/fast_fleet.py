"""A whole fleet on the clock of a ``FastLoop``: everything but APScheduler and the command line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.config import Configuration
from exporter.fleet import Fleet
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.poll import Poller
from exporter.schedule import Period, Run, Schedule
from tests.e2e.programs import Series, samples

_EPOCH = 1_700_000_000.0


@dataclass
class _Job:
    """A job that runs again and again. ``hurry`` makes it run now, or as soon as its run has ended."""

    run: Run
    period: Period
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def repeat(self) -> None:
        """Run every period; a run that takes longer delays the next one."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self.hurry.wait()
            self.hurry.clear()
            await self.run()
            due = max(due + self.period(), loop.time())


class FastSchedule(Schedule):
    """Runs jobs by the clock of the loop: APScheduler, on the wall clock, cannot be hurried."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._jobs: dict[str, tuple[_Job, asyncio.Task[None]]] = {}

    def ensure(self, name: str, run: Run, period: Period) -> None:
        """Add a job unless it is there."""
        if name not in self._jobs:
            job = _Job(run, period)
            self._jobs[name] = job, asyncio.create_task(job.repeat(), name=name)

    def run_now(self, name: str) -> None:
        """Run a job now, or as soon as its present run has ended."""
        self._jobs[name][0].hurry.set()

    @property
    def names(self) -> set[str]:
        """The names of all jobs that were added."""
        return set(self._jobs)

    def remove(self, name: str) -> None:
        """Take a job off the schedule."""
        self._jobs.pop(name)[1].cancel()

    async def stop(self) -> None:
        """End all jobs. Raises what one of them raised."""
        tasks = [task for _, task in self._jobs.values()]
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@dataclass
class FastFleet:
    """A fleet at work. ``ahead``: seconds by which its wall clock was set forward."""

    load: Callable[[], Configuration]
    mask: Mask
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    ahead: float = 0.0
    clock: Clock = field(init=False)
    fleet: Fleet = field(init=False)
    exposition: Exposition = field(init=False)
    schedule: FastSchedule = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock(monotonic=loop.time, wall=lambda: _EPOCH + self.ahead + loop.time())
        self.schedule = FastSchedule(self.clock)
        instruments = Instruments(self.registry)
        self.fleet = Fleet(self.schedule, instruments, self.mask, self.clock)
        self.exposition = Exposition(
            lambda: [*(poller.store for poller in self.fleet.pollers), instruments],
            self.registry,
            self.fleet.refresh,
        )

    async def reload(self) -> None:
        """Load the configuration and poll what it says."""
        await self.fleet.adopt(self.load())

    def poller(self, switch: str) -> Poller:
        """Return the poller of a switch."""
        return next(poller for poller in self.fleet.pollers if poller.store.switch == switch)

    def page(self, form: Format = Format.TEXT) -> str:
        """Scrape once."""
        return b"".join(self.exposition.render(form)).decode()

    def scrape(self) -> dict[Series, float]:
        """Return every sample of a scrape. Raises where the page cannot be parsed."""
        return samples(self.page())


@contextlib.asynccontextmanager
async def fast_fleet(load: Callable[[], Configuration], mask: Mask | None = None) -> AsyncIterator[FastFleet]:
    """Poll what a configuration says for as long as the context is open."""
    fast = FastFleet(load, mask or Mask())
    await fast.reload()
    try:
        yield fast
    finally:
        await fast.schedule.stop()
        await fast.fleet.stop()
