"""Wires the parts together and runs them until a signal says to stop."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
from exporter.key_files import KeyFiles
from exporter.masking import Mask
from exporter.schedule import Schedule
from exporter.threads import ThreadLimit
from exporter.web import Server, Sources, WebFile, serve

_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Some ten requests make Python's own 700: looking for cycles so often took a sixth of all CPU (2026-11)."""

_ALERTING = "alerting"

_READINGS = 8
"""Threads that read the configuration: on a disk that hangs, each reload leaves one behind."""

_Configured = TypeVar("_Configured", Configuration, WebFile)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says. ``load`` reads the configuration, anew each time it is called.

    ``alerting_speed`` is for tests: how many times faster than declared the durations of alerts go by.
    """

    load: Callable[[], Configuration]
    listen_addresses: Sequence[tuple[str | None, int]]
    telemetry_path: str = "/metrics"
    enable_lifecycle: bool = False
    web_config_file: Path | None = None
    alerting_speed: float = 1.0
    load_timeout: float = 30.0
    """Seconds for reading the configuration and the files that it names. 5,000 tenants take one."""


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
    instruments = Instruments(registry, revision=os.environ.get("SOFTSWITCH_EXPORTER_REVISION", ""))
    schedule = Schedule(clock)
    fleet = Fleet(schedule, instruments, mask, clock)
    alerting = Alerting(lambda: fleet.pollers, registry, mask, clock, speed=settings.alerting_speed)
    key_files = KeyFiles()
    reload = _reloader(settings, fleet, alerting, key_files, schedule, instruments, clock)
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
        stack.push_async_callback(key_files.stop)
        web_file = await _start_files(settings, reload)
        server = await serve(sources, settings.listen_addresses, settings.telemetry_path, web_file)
        stack.push_async_callback(server.close)
        schedule.start()
        stack.push_async_callback(schedule.stop)
        yield Running(server, reload)


async def _start_files(settings: Settings, load: Callable[[], Awaitable[None]]) -> WebFile | None:
    """Read both files. Raises ConfigurationError with the problems of both."""
    web_file = None
    errors = []
    try:
        if path := settings.web_config_file:
            threads = ThreadLimit("web configuration", 1)
            web_file = await _read(lambda: WebFile(path), threads, settings.load_timeout, str(path))
    except ConfigurationError as error:
        errors.append(error)
    try:
        await load()
    except ConfigurationError as error:
        errors.append(error)
    if errors:
        raise ConfigurationError.joined(errors)
    return web_file


async def _read(
    read: Callable[[], _Configured], threads: ThreadLimit, limit: float, source: str
) -> _Configured:
    """Read a configuration in a thread. Raises ConfigurationError where that takes over ``limit`` seconds.

    A disk that hangs keeps the thread. Nothing waits for it, neither the next reload nor the exit.
    """
    try:
        async with asyncio.timeout(limit):
            return await threads.run(read)
    except TimeoutError:
        problem = f"file: not read within {limit:g} s; check its disk, and those of the files that it names"
        raise ConfigurationError(source, [problem]) from None


def _reloader(
    settings: Settings,
    fleet: Fleet,
    alerting: Alerting,
    key_files: KeyFiles,
    schedule: Schedule,
    instruments: Instruments,
    clock: Clock,
) -> Callable[[], Awaitable[None]]:
    log = structlog.get_logger("exporter.app")
    turn = asyncio.Lock()
    threads = ThreadLimit("configuration", _READINGS)

    async def reload() -> None:
        async with turn:
            try:
                # Some 5,000 tenants take a second to read: the scrapes go on meanwhile.
                configuration = await _read(settings.load, threads, settings.load_timeout, "configuration")
                await _adopt(configuration, fleet, alerting)
                key_files.follow(configuration.keys)
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
    async with contextlib.AsyncExitStack() as stack:
        starting = asyncio.create_task(stack.enter_async_context(running(settings, mask)))
        if not await _ends_before(starting, stop):
            log.info("stopped before the start was complete")
            return
        exporter = starting.result()
        collect_garbage_less()
        for host, port in exporter.server.addresses:
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            log.info("listening", address=address, version=__version__)
        reloads = asyncio.create_task(_reload_on(hangup, exporter.reload))
        await stop.wait()
        log.info("stopping")
        reloads.cancel()
    log.info("stopped")


async def _ends_before(task: asyncio.Task[Running], stop: asyncio.Event) -> bool:
    """Wait for a task to end; cancel it and return False where ``stop`` is set first."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


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
