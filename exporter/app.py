"""Wires the parts together and runs them until a signal says to stop."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from exporter import __version__
from exporter.alerting.daemon import Alerting
from exporter.clock import Clock
from exporter.config import Configuration
from exporter.errors import ConfigurationError, ExporterError
from exporter.exposition import Exposition
from exporter.fleet import Fleet
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.schedule import Schedule
from exporter.web import Server, Sources, WebFile, serve

_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Some ten requests make Python's own 700: looking for cycles so often took a sixth of all CPU (2026-11)."""

_ALERTING = "alerting"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says. ``load`` reads the configuration, anew each time it is called.

    ``log_lines_dropped`` returns how many lines of the log could not be written. ``alerting_speed`` is for
    tests: how many times faster than declared the durations of alerts go by.
    """

    load: Callable[[], Configuration]
    listen_addresses: Sequence[tuple[str | None, int]]
    telemetry_path: str = "/metrics"
    enable_lifecycle: bool = False
    web_config_file: Path | None = None
    log_lines_dropped: Callable[[], int] = lambda: 0
    alerting_speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """The exporter at work.

    ``reload`` loads the configuration anew and polls what it says; where it is bad, nothing changes and
    ExporterError is raised.
    """

    server: Server
    reload: Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(settings: Settings, mask: Mask) -> AsyncIterator[Running]:
    """Poll and serve for as long as the context is open.

    Raises ConfigurationError, or StartError where an address cannot be listened on.
    """
    clock = Clock()
    registry = CollectorRegistry()
    instruments = Instruments(
        registry,
        revision=os.environ.get("SOFTSWITCH_EXPORTER_REVISION", ""),
        log_lines_dropped=settings.log_lines_dropped,
    )
    schedule = Schedule(clock)
    fleet = Fleet(schedule, instruments, mask, clock)
    alerting = Alerting(lambda: fleet.pollers, registry, mask, clock, speed=settings.alerting_speed)
    reload = _reloader(settings, fleet, alerting, schedule, instruments, clock)
    exposition = Exposition(
        lambda: [*(poller.store for poller in fleet.pollers), instruments], registry, fleet.refresh
    )
    sources = Sources(
        exposition,
        lambda: fleet.pollers,
        schedule.is_progressing,
        clock,
        reload if settings.enable_lifecycle else None,
        alerting.status,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(fleet.stop)
        stack.push_async_callback(alerting.stop)
        web_file = await _start_files(settings.web_config_file, reload)
        server = await serve(sources, settings.listen_addresses, settings.telemetry_path, web_file)
        stack.push_async_callback(server.close)
        schedule.start()
        stack.push_async_callback(schedule.stop)
        yield Running(server, reload)


async def _start_files(web_config_file: Path | None, load: Callable[[], Awaitable[None]]) -> WebFile | None:
    """Read both files. Raises ConfigurationError with the problems of both."""
    web_file = None
    errors = []
    try:
        web_file = WebFile(web_config_file) if web_config_file else None
    except ConfigurationError as error:
        errors.append(error)
    try:
        await load()
    except ConfigurationError as error:
        errors.append(error)
    if errors:
        raise ConfigurationError.joined(errors)
    return web_file


def _reloader(
    settings: Settings,
    fleet: Fleet,
    alerting: Alerting,
    schedule: Schedule,
    instruments: Instruments,
    clock: Clock,
) -> Callable[[], Awaitable[None]]:
    log = structlog.get_logger("exporter.app")
    turn = asyncio.Lock()

    async def reload() -> None:
        async with turn:
            try:
                # Some 5,000 tenants take a second to read: the scrapes go on meanwhile.
                configuration = await asyncio.to_thread(settings.load)
                await _adopt(configuration, fleet, alerting)
            except Exception:
                instruments.reload_successful.set(0)
                raise
            instruments.reload_successful.set(1)
            instruments.reload_timestamp.set(clock.wall())
            if schedule.is_running:  # the start says where it listens instead
                log.info("configuration loaded", switches=len(configuration.switches))
            if alerting.is_on:
                schedule.ensure(_ALERTING, alerting.evaluate, lambda: alerting.period)
            elif _ALERTING in schedule.names:
                schedule.remove(_ALERTING)

    return reload


def collect_garbage_less() -> None:
    """Let the collector pass over what is there by now and stays, and look at what is new less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def _adopt(configuration: Configuration, fleet: Fleet, alerting: Alerting) -> None:
    """Use a configuration, whole or not at all."""
    opened = await alerting.open(configuration.alerting)
    try:
        await fleet.adopt(configuration)
    except Exception:
        for alertmanager in opened:
            await alertmanager.close()
        raise
    await alerting.adopt(configuration.alerting, opened)


async def run(settings: Settings, mask: Mask) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP loads the configuration anew.

    Raises ConfigurationError or StartError where it cannot start.
    """
    log = structlog.get_logger("exporter.app")
    stop, hangup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, mask) as exporter:
        collect_garbage_less()
        for host, port in exporter.server.addresses:
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            log.info("listening", address=address, version=__version__)
        reloads = asyncio.create_task(_reload_on(hangup, exporter.reload))
        await stop.wait()
        log.info("stopping")
        reloads.cancel()
    log.info("stopped")


async def _reload_on(hangup: asyncio.Event, reload: Callable[[], Awaitable[None]]) -> None:
    log = structlog.get_logger("exporter.app")
    while True:
        await hangup.wait()
        hangup.clear()
        try:
            await reload()
        except ExporterError as error:
            log.warning("configuration not loaded; the one before it stays", problems=str(error))
        except Exception:  # a defect of ours: the next SIGHUP is to be heard all the same
            log.exception("job failed", job="reload")
