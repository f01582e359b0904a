"""Joins all parts and runs them until a signal stops the process."""

import asyncio
import contextlib
import functools
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from exporter import __version__, kubernetes
from exporter.activity import Activity
from exporter.alerting.rule import Links
from exporter.alerting.rules import RULES
from exporter.alerting.service import AlertingOptions, AlertingService
from exporter.clock import Clock
from exporter.config import Configuration
from exporter.config_file import CHECK_EVERY, ConfigurationFile, ConfigurationHealth, read_in_thread
from exporter.errors import ConfigurationError, ExporterError
from exporter.fleet import Fleet
from exporter.key_files import KeyFiles
from exporter.leadership import Leadership
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition
from exporter.metrics.self_metrics import Instruments
from exporter.reloading import Parts, Reloader
from exporter.schedule import Schedule
from exporter.storage.service import Storage
from exporter.threads import ThreadLimit
from exporter.watchdog import Watchdog
from exporter.web import Lifecycle, Server, Sources, WebFile, serve

_GC_THRESHOLD = 10_000
"""Objects between garbage collections. Python's default, 700, is reached in some ten requests, and took a
sixth of all CPU time (2026-11)."""

_CHECK = "configuration check"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings from the command line. Each call of ``load`` reads the configuration.

    ``config_file``: the file that ``load`` reads, which is checked when it changes. ``log_lines_dropped``
    returns the number of log lines that could not be written. ``alerting_speed`` is for tests: the factor by
    which alert durations pass faster than declared.
    """

    load: Callable[[], Configuration]
    listen_addresses: Sequence[tuple[str | None, int]]
    telemetry_path: str = "/metrics"
    enable_lifecycle: bool = False
    web_config_file: Path | None = None
    external_url: str | None = None
    storage_path: Path | None = None
    log_lines_dropped: Callable[[], int] = lambda: 0
    alerting_speed: float = 1.0
    load_timeout: float = 30.0
    """Seconds to read the configuration and the files that it names. 5,000 tenants take one."""
    config_file: Path | None = None
    config_check_period: float = CHECK_EVERY
    """Seconds between two checks of the file."""
    auto_reload: bool = False
    """Whether a change is applied that two checks in a row find."""


@dataclass(frozen=True, slots=True)
class Running:
    """The running exporter.

    ``reload`` loads and applies the configuration. Raises ExporterError, and changes nothing, if it is
    invalid.
    """

    server: Server
    reload: Callable[[], Coroutine[None, None, None]]


@contextlib.asynccontextmanager
async def running(settings: Settings, mask: Mask) -> AsyncIterator[Running]:
    """Poll and serve while the context is open.

    Raises ConfigurationError, or StartError if an address cannot be bound.
    """
    exporter = _Exporter(settings, mask)
    storage, schedule = exporter.parts.storage, exporter.parts.schedule
    reload = exporter.reloader.reload
    async with contextlib.AsyncExitStack() as stack:
        for stop in exporter.stops:
            stack.push_async_callback(stop)
        web_file = await _load_files(settings, reload)
        server = await serve(
            exporter.sources(settings),
            settings.listen_addresses,
            settings.telemetry_path,
            web_file,
            external_url=settings.external_url,
        )
        stack.push_async_callback(server.close)
        check = functools.partial(_check, exporter.config_file, reload if settings.auto_reload else None)
        schedule.add(_CHECK, check, lambda: settings.config_check_period)
        storage.start(__version__, lambda: exporter.parts.fleet.memories)
        schedule.start()
        stack.push_async_callback(schedule.stop)
        if exporter.is_standby_for_good(settings):
            log = structlog.get_logger("exporter.app")
            log.warning("nothing can make this exporter poll")
        yield Running(server, reload)


class _Exporter:
    """All parts of the exporter, joined but not running."""

    def __init__(self, settings: Settings, mask: Mask) -> None:
        self._clock = clock = Clock()
        self._mask = mask
        self._registry = registry = CollectorRegistry()
        self._instruments = instruments = Instruments(
            registry,
            revision=os.environ.get("SOFTSWITCH_EXPORTER_REVISION", ""),
            log_lines_dropped=settings.log_lines_dropped,
            external_url=settings.external_url,
        )
        schedule = Schedule(clock)
        storage = Storage(settings.storage_path, clock, mask)
        fleet = Fleet(schedule, instruments, mask, clock, storage=storage)
        self._health = health = ConfigurationHealth(instruments, mask, clock)
        options = AlertingOptions(
            settings.alerting_speed, Links(settings.external_url), lambda: health.is_good
        )
        alerting = AlertingService(lambda: fleet.pollers, registry, mask, clock, options, storage)
        self._activity = Activity(instruments, storage.timeline, clock, kubernetes.host())
        leadership = Leadership(self._activity, instruments, clock, kubernetes.connect, kubernetes.identity())
        fleet.hold = leadership.hold
        self.parts = Parts(fleet, alerting, KeyFiles(), schedule, storage, leadership)
        self.config_file = ConfigurationFile(
            settings.load,
            settings.config_file,
            health,
            limit=settings.load_timeout,
            settles=settings.auto_reload,
        )
        self.reloader = Reloader(self.config_file.load, self.parts, health, self._activity)

    @property
    def stops(self) -> list[Callable[[], Awaitable[None]]]:
        """What stops each part; the last one comes first."""
        parts = self.parts
        return [
            parts.leadership.stop,  # another exporter may then poll, and read what is kept in files
            parts.storage.close,
            parts.fleet.stop,
            parts.alerting.stop,
            parts.key_files.stop,
            self.reloader.stop,
        ]

    def is_standby_for_good(self, settings: Settings) -> bool:
        """Return whether it stands by, and neither a Lease nor a request can change that."""
        can_change = settings.enable_lifecycle or self.parts.leadership.decided_by
        return self._activity.is_standby and not can_change

    def sources(self, settings: Settings) -> Sources:
        """Return what the web server serves."""
        fleet, alerting, storage = self.parts.fleet, self.parts.alerting, self.parts.storage
        leadership = self.parts.leadership
        lifecycle = Lifecycle(
            self.reloader.reload, self.reloader.switch, lambda: leadership.decided_by, self._mask
        )
        return Sources(
            Exposition(fleet.sources, self._registry),
            lambda: fleet.pollers,
            self.parts.schedule.is_progressing,
            self._clock,
            lifecycle if settings.enable_lifecycle else None,
            lambda: {**alerting.status(), **storage.status()},
            self._health.status,
            self._activity.status,
            frozenset(rule.name for rule in RULES),
            alerting.alerts_of,
            lambda: fleet.switches,
        )


async def _check(file: ConfigurationFile, reload: Callable[[], Awaitable[None]] | None) -> None:
    """Check the configuration on disk, and reload it if it has changed and is valid."""
    if await file.check() and reload:
        with contextlib.suppress(ExporterError):  # already logged
            await reload()


async def _load_files(settings: Settings, load: Callable[[], Awaitable[None]]) -> WebFile | None:
    """Read both files. Raises ConfigurationError with the errors in both."""
    web_file = None
    errors = []
    try:
        if path := settings.web_config_file:
            threads = ThreadLimit("web configuration", 1)
            limit = settings.load_timeout
            web_file = await read_in_thread(lambda: WebFile(path), threads, limit, str(path))
    except ConfigurationError as error:
        errors.append(error)
    try:
        await load()
    except ConfigurationError as error:
        errors.append(error)
    if errors:
        raise ConfigurationError.joined(errors)
    return web_file


def collect_garbage_less() -> None:
    """Exempt all current objects from garbage collection, and collect new ones less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


async def run(settings: Settings, mask: Mask) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Raises ConfigurationError or StartError if it cannot start.
    """
    log = structlog.get_logger("exporter.app")
    stop, hangup = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    async with contextlib.AsyncExitStack() as stack:
        _stop_on_signals(stop, stack)
        exporter = await _unless(stop, stack.enter_async_context(running(settings, mask)))
        if exporter is not None:
            await _run_until(stop, hangup, exporter)
        log.info("stopping")
    log.info("stopped")


def _stop_on_signals(stop: asyncio.Event, stack: contextlib.AsyncExitStack) -> None:
    """Set ``stop`` on SIGTERM and SIGINT, and let the watchdog limit the time of the shutdown."""
    loop = asyncio.get_running_loop()
    watchdog = Watchdog()
    stack.callback(watchdog.close)
    heartbeat = asyncio.create_task(_beat(watchdog), name="watchdog")
    stack.callback(heartbeat.cancel)

    def handle(_: int, __: object) -> None:
        watchdog.stopping()
        loop.call_soon_threadsafe(stop.set)

    # Not loop.add_signal_handler: the watchdog must know of the signal even if the event loop is blocked.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
        stack.callback(signal.signal, number, signal.SIG_DFL)


async def _beat(watchdog: Watchdog) -> None:
    while True:
        watchdog.beat()
        await asyncio.sleep(1)


async def _unless(stop: asyncio.Event, start: Coroutine[None, None, Running]) -> Running | None:
    """Return the started exporter, or None if it was stopped before that."""
    starting = asyncio.create_task(start)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    return None if starting.cancelled() else starting.result()


async def _run_until(stop: asyncio.Event, hangup: asyncio.Event, exporter: Running) -> None:
    log = structlog.get_logger("exporter.app")
    collect_garbage_less()
    for host, port in exporter.server.addresses:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        log.info("listening", address=address, version=__version__)
    reloads = asyncio.create_task(_reload_on(hangup, exporter.reload))
    await stop.wait()
    reloads.cancel()


async def _reload_on(hangup: asyncio.Event, reload: Callable[[], Awaitable[None]]) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        with contextlib.suppress(Exception):  # already logged; the next SIGHUP must still work
            await reload()
