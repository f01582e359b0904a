"""An hour of polling in a few seconds: real poller, real client and simulated switch in one event loop.

The loop has a clock of its own. While anybody has something to do it stands still, and where the loop would
wait for a timer it is put forward to that moment. So an hour takes as long as its work does, and what is
measured depends on the design and not on how busy the machine is. Requests and answers are real: they go over
the loopback.

APScheduler runs on the wall clock and cannot be hurried, so it is not here: sweeps and retries are called on
the periods that ``fleet`` gives to the schedule, and as the schedule does it, a run that takes longer than
its period delays the next one and is never doubled.
"""

import asyncio
import contextlib
import selectors
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from exporter.client import open_client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.fleet import _RETRY_EVERY
from exporter.key_files import EVERY as KEYS_EVERY
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.poll import Poller, SwitchContext
from exporter.simulator import server
from exporter.simulator.api import Entry
from exporter.simulator.faults import Fault
from exporter.simulator.options import Options
from exporter.simulator.request import Keys
from exporter.simulator.world import World
from tests.e2e.programs import Series, samples

Result = TypeVar("Result")
Configure = Callable[[str], SwitchConfiguration]
"""Makes the configuration of a switch from its URL."""

SCRAPE_EVERY = 30.0
EPOCH = 1_700_000_000.0
_DELIVERY_TIME = 0.001
"""Real seconds within which data sent over the loopback arrives."""


class _SkippingSelector(selectors.DefaultSelector):
    """Advances ``now`` instead of waiting, unless a thread is running or data arrives."""

    now = 1000.0
    executor_jobs = 0

    def __init__(self) -> None:
        super().__init__()
        self._threads_before = set(threading.enumerate())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.executor_jobs:
            return super().select(None)
        if self._threads_are_running():
            return super().select(_DELIVERY_TIME)
        # With one file, the loop's own, no data can arrive: only what a thread sent before it ended.
        ready = super().select(_DELIVERY_TIME if len(self.get_map()) > 1 else 0)
        if not ready:
            self.now += timeout
        return ready

    def _threads_are_running(self) -> bool:
        """Return whether a thread that the exporter started still runs, apart from idle executor threads."""
        return any(thread.daemon for thread in threading.enumerate() if thread not in self._threads_before)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the seconds of the loop's own clock."""
        return self._skipping.now

    def run_in_executor(  # type: ignore[override]  # the type of the result does not matter here
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread; the clock stops until it ends."""
        self._skipping.executor_jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._end_job)
        return future

    def _end_job(self, _: object) -> None:
        self._skipping.executor_jobs -= 1


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a loop in which waiting takes no time."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(story)


@dataclass(frozen=True)
class Scrape:
    """What was served at a moment of the loop's clock."""

    at: float
    series: dict[Series, float]


@dataclass
class FastExporter:
    """A poller at work on a simulated switch. ``scrapes``: what it served, every 30 s."""

    switch: server.RunningSimulator
    poller: Poller
    registry: CollectorRegistry
    instruments: Instruments
    scrapes: list[Scrape] = field(default_factory=list)
    _jobs: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """Seconds on the clock of the loop."""
        return asyncio.get_running_loop().time()

    def requests(self, since: float = 0.0, until: float = float("inf")) -> list[Entry]:
        """Return the requests that the switch was sent between two moments."""
        return [entry for entry in self.switch.parts.journal.since(0) if since <= entry.time < until]

    def scrape(self) -> Scrape:
        """Return what is served now, and keep it."""
        exposition = Exposition(
            lambda: [self.poller.store, self.instruments], self.registry, self.poller.refresh
        )
        page = b"".join(exposition.render(Format.TEXT)).decode()
        self.scrapes.append(Scrape(self.now, samples(page)))
        return self.scrapes[-1]

    def value(self, metric: str, **labels: str) -> float | None:
        """Return one series as it is served now, or None."""
        return self.scrape().series.get((metric, frozenset({"switch": "pbx", **labels}.items())))

    def tenants(self) -> set[str]:
        """Return the codes of the tenants that have any series."""
        return {
            tenant for _, labels in self.scrape().series if (tenant := dict(labels).get("tenant", "")) != ""
        }

    @contextlib.contextmanager
    def fault(self, *faults: Fault) -> Iterator[None]:
        """Let these faults be in force."""
        numbers = [self.switch.parts.faults.add(fault) for fault in faults]
        yield
        for number in numbers:
            self.switch.parts.faults.remove(number)

    async def passes(self, seconds: float) -> None:
        """Let so many seconds pass."""
        await asyncio.sleep(seconds)

    async def reload(self, configuration: SwitchConfiguration) -> None:
        """Exchange the configuration, as a reload does."""
        self.poller.reconfigure(configuration, open_client(configuration), ())
        await self.poller.wait_until_prepared()
        self.schedule()

    def schedule(self) -> None:
        """Start the jobs that there are to be and end the others, as ``fleet`` does."""
        wanted = {f"{query} {scope}": (query, scope) for query, scope in self.poller.jobs}
        for name in self._jobs.keys() - wanted.keys() - {"retry", "scrape", "keys"}:
            self._jobs.pop(name).cancel()
        for name, (query, scope) in wanted.items():
            self._ensure(
                name, partial(self.poller.sweep, query, scope), partial(self.poller.period, query, scope)
            )
        self._ensure("retry", self.poller.retry, lambda: _RETRY_EVERY)
        self._ensure("scrape", self._scrape, lambda: SCRAPE_EVERY)
        self._ensure("keys", self.read_keys, lambda: KEYS_EVERY)

    async def stop(self) -> None:
        """Stop polling and the switch. Raises what a job raised."""
        for job in self._jobs.values():
            job.cancel()
        ended = await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        await self.poller.stop()
        await self.switch.stop()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def _ensure(self, name: str, work: Callable[[], Awaitable[None]], period: Callable[[], float]) -> None:
        if name not in self._jobs:
            self._jobs[name] = asyncio.create_task(_repeat(work, period), name=name)

    async def _scrape(self) -> None:
        self.scrape()

    async def read_keys(self) -> None:
        """Read key files again, as ``exporter.key_files`` does in a thread."""
        configuration = self.poller.configuration
        for keyed in (configuration, *configuration.tenants):
            if keyed.key:
                keyed.key.reload()


async def _repeat(work: Callable[[], Awaitable[None]], period: Callable[[], float]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        await asyncio.sleep(due - loop.time())
        await work()
        due = max(due + period(), loop.time())


@contextlib.asynccontextmanager
async def exporting(
    configure: Configure, *, tenants: int, keys: Keys | None = None, options: Options | None = None
) -> AsyncIterator[FastExporter]:
    """Poll a simulated switch of so many tenants for as long as the context is open."""
    loop = asyncio.get_running_loop()
    world = World(tenants=tenants, extensions=4, clock=loop.time)
    application = server.create_application(world, keys=keys, options=options, clock=loop.time)
    switch = await server.start("127.0.0.1", 0, application)
    configuration = configure(switch.url)
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    poller = Poller(
        SwitchContext(
            configuration,
            open_client(configuration),
            instruments,
            Mask(),
            Clock(monotonic=loop.time, wall=lambda: EPOCH + loop.time()),
            label_names=tuple(configuration.tenant_defaults.labels),
        )
    )
    exporter = FastExporter(switch, poller, registry, instruments)
    exporter.schedule()
    try:
        yield exporter
    finally:
        await exporter.stop()
    assert not switch.parts.journal.forbidden
