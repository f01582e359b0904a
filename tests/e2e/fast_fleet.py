"""A fleet of pollers on the fast clock: everything but APScheduler and the command line.

APScheduler uses the wall clock. ``FastSchedule`` runs the same jobs at the same periods on the loop's clock;
as in APScheduler, a run that takes longer than its period delays the next one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.config import Configuration, SwitchConfiguration
from exporter.fleet import Fleet
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.poll import Poller
from exporter.schedule import Period, Run, Schedule
from exporter.simulator import server
from exporter.simulator.api import Entry
from exporter.simulator.faults import Fault
from exporter.simulator.options import Options
from exporter.simulator.tenants import ONLY_SIP, Technologies
from exporter.simulator.world import Size, World, WorldClock
from tests.e2e.programs import Series, samples

EPOCH = 1_700_000_000.0
SCRAPE_EVERY = 30.0


@dataclass
class _Job:
    """A periodic job. ``hurry`` starts the next run now, or when the current one ends."""

    run: Run
    period: Period
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def repeat(self) -> None:
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
    """Runs jobs on the clock of the event loop."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._jobs: dict[str, tuple[_Job, asyncio.Task[None]]] = {}

    def ensure(self, name: str, run: Run, period: Period) -> None:
        """Add a job if it does not exist."""
        if name not in self._jobs:
            job = _Job(run, period)
            self._jobs[name] = job, asyncio.create_task(job.repeat(), name=name)

    def run_now(self, name: str) -> None:
        """Run a job now, or when its current run ends."""
        self._jobs[name][0].hurry.set()

    @property
    def names(self) -> set[str]:
        """The names of all jobs."""
        return set(self._jobs)

    def remove(self, name: str) -> None:
        """Remove a job."""
        self._jobs.pop(name)[1].cancel()

    async def stop(self) -> None:
        """Stop all jobs. Raises what a job raised."""
        tasks = [task for _, task in self._jobs.values()]
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@dataclass
class FastFleet:
    """A running fleet. ``ahead``: seconds by which its wall clock was moved forward."""

    load: Callable[[], Configuration]
    mask: Mask = field(default_factory=Mask)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    ahead: float = 0.0
    clock: Clock = field(init=False)
    fleet: Fleet = field(init=False)
    exposition: Exposition = field(init=False)
    schedule: FastSchedule = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock(monotonic=loop.time, wall=lambda: EPOCH + self.ahead + loop.time())
        self.schedule = FastSchedule(self.clock)
        instruments = Instruments(self.registry)
        self.fleet = Fleet(self.schedule, instruments, self.mask, self.clock)
        self.exposition = Exposition(self.fleet.sources, self.registry)

    async def reload(self) -> None:
        """Load the configuration and apply it."""
        await self.fleet.adopt(self.load())

    def poller(self, switch: str) -> Poller:
        """Return the poller of a switch."""
        return next(poller for poller in self.fleet.pollers if poller.store.switch == switch)

    def page(self, form: Format = Format.TEXT) -> str:
        """Return a scrape."""
        return b"".join(self.exposition.render(form)).decode()

    def scrape(self) -> dict[Series, float]:
        """Return the samples of a scrape. Raises ValueError if it cannot be parsed."""
        return samples(self.page())


@contextlib.asynccontextmanager
async def fast_fleet(load: Callable[[], Configuration], mask: Mask | None = None) -> AsyncIterator[FastFleet]:
    """Poll the switches of a configuration while the context is open."""
    fast = FastFleet(load, mask or Mask())
    await fast.reload()
    try:
        yield fast
    finally:
        await fast.schedule.stop()
        await fast.fleet.stop()


@dataclass(frozen=True)
class Scrape:
    """The samples of a scrape, and when it was made, on the clock of the loop."""

    at: float
    series: dict[Series, float]


@dataclass
class FastExporter:
    """A fleet that polls one simulated switch, ``pbx``. ``scrapes``: one every 30 s, and those of tests."""

    switch: server.RunningSimulator
    fast: FastFleet
    scrapes: list[Scrape] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds on the clock of the loop."""
        return asyncio.get_running_loop().time()

    @property
    def poller(self) -> Poller:
        """The poller of the switch."""
        return self.fast.poller("pbx")

    def requests(self) -> list[Entry]:
        """Return the requests that the switch received."""
        return self.switch.parts.journal.since(0)

    def scrape(self) -> Scrape:
        """Scrape and keep the result."""
        self.scrapes.append(Scrape(self.now, self.fast.scrape()))
        return self.scrapes[-1]

    def value(self, metric: str, **labels: str) -> float | None:
        """Return the value of a series of the switch, or None if it is absent."""
        return self.scrape().series.get((metric, frozenset({"switch": "pbx", **labels}.items())))

    def tenants(self) -> set[str]:
        """Return the codes of the tenants that have any series."""
        return {
            tenant for _, labels in self.scrape().series if (tenant := dict(labels).get("tenant", "")) != ""
        }

    @contextlib.contextmanager
    def fault(self, *faults: Fault) -> Iterator[None]:
        """Apply faults while the context is open."""
        numbers = [self.switch.parts.faults.add(fault) for fault in faults]
        yield
        for number in numbers:
            self.switch.parts.faults.remove(number)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def reload(self, switch: SwitchConfiguration) -> None:
        """Apply another configuration of the switch."""
        self.fast.load = lambda: _installation(switch)
        await self.fast.reload()


def _installation(switch: SwitchConfiguration) -> Configuration:
    return Configuration.model_construct(switches=(switch,), alerting=None)


@contextlib.asynccontextmanager
async def fast_exporter(
    configure: Callable[[str], SwitchConfiguration],
    *,
    tenants: int,
    extensions: int = 4,
    nodes: int = 4,
    options: Options | None = None,
    technologies: Technologies = ONLY_SIP,
) -> AsyncIterator[FastExporter]:
    """Poll a simulated switch while the context is open. ``configure`` is called with its URL."""
    loop = asyncio.get_running_loop()
    world = World(
        Size(tenants=tenants, extensions=extensions, nodes=nodes),
        technologies=technologies,
        clock=WorldClock(loop.time),
    )
    application = server.create_application(world, options=options, clock=loop.time)
    switch = await server.start("127.0.0.1", 0, application)
    configuration = _installation(configure(switch.url))
    try:
        async with fast_fleet(lambda: configuration) as fast:
            exporter = FastExporter(switch, fast)

            async def scrape() -> None:
                exporter.scrape()

            fast.schedule.ensure("scrape", scrape, lambda: SCRAPE_EVERY)
            yield exporter
    finally:
        await switch.stop()
    assert not switch.parts.journal.forbidden
