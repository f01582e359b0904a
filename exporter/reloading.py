"""Loads the configuration again: one reload at a time, each applied whole, whoever asked for it and left."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from exporter.alerting.service import AlertingService
from exporter.clock import Clock
from exporter.config import Configuration
from exporter.errors import ExporterError, shortened
from exporter.fleet import Fleet
from exporter.key_files import KeyFiles
from exporter.metrics.self_metrics import Instruments
from exporter.schedule import Schedule

_ALERTING = "alerting"

_PATIENCE = 0.5
"""Seconds that a stop waits for a reload before it cancels it, and then once more."""


class Reloading:
    """Loads the configuration with ``load`` and lets every part use it.

    Each reload is a task of its own. A client that disconnects cancelled it half-way when it was part of the
    request: the switches were exchanged, and alerting was not (seen 2026-11).
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Configuration]],
        fleet: Fleet,
        alerting: AlertingService,
        key_files: KeyFiles,
        schedule: Schedule,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._load = load
        self._fleet = fleet
        self._alerting = alerting
        self._key_files = key_files
        self._schedule = schedule
        self._instruments = instruments
        self._clock = clock
        self._log = structlog.get_logger("exporter.app")
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[None] | None = None
        self._current: Configuration | None = None
        self._is_stopped = False

    async def reload(self) -> None:
        """Load the configuration and use it. Raises ExporterError, and changes nothing, where it is bad.

        While a reload runs, one more may wait, for all who ask meanwhile: the file may have changed since it
        was read. The reload goes on if the caller is cancelled.
        """
        if self._is_stopped:
            raise ExporterError("the exporter is stopping")
        task = self._next
        if task is None:
            task = self._next = asyncio.create_task(self._run(), name="reload")
            self._tasks.add(task)
            task.add_done_callback(self._done)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not self._is_stopped:
                raise ExporterError("the reload was interrupted; try again") from None
            raise

    async def stop(self) -> None:
        """Let a reload end, but not for long: it may be reading from a disk that hangs."""
        self._is_stopped = True
        for _ in range(2):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in self._tasks:
                task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._next is task:  # it was cancelled while it waited for its turn
            self._next = None
        if not task.cancelled():
            task.exception()  # it is logged; whoever asked may have left

    async def _run(self) -> None:
        async with self._turn:
            self._next = None
            try:
                configuration = await self._load()
                await self._use(configuration)
            except BaseException as error:
                self._instruments.reload_successful.set(0)
                self._log_failure(error)
                raise
            self._instruments.reload_successful.set(1)
            self._instruments.reload_timestamp.set(self._clock.wall())
            if self._schedule.is_running:  # the start says where it listens instead
                self._log.info("configuration loaded", switches=len(configuration.switches))

    def _log_failure(self, error: BaseException) -> None:
        if not self._schedule.is_running:  # the start fails, and says why
            return
        if isinstance(error, ExporterError):
            self._log.warning("configuration not loaded; the one before it stays", problems=shortened(error))
        elif isinstance(error, Exception):
            self._log.error("job failed", job="reload", exc_info=error)

    async def _use(self, configuration: Configuration) -> None:
        """Use a configuration, whole or not at all."""
        try:
            await self._adopt(configuration)
        except ExporterError:  # found before anything was changed
            raise
        except Exception:  # a defect of ours may have left a part of it
            if self._current is not None:
                await self._adopt(self._current)
            raise
        self._current = configuration

    async def _adopt(self, configuration: Configuration) -> None:
        opened = await self._alerting.open(configuration.alerting)
        try:
            await self._fleet.adopt(configuration)
        except BaseException:
            for alertmanager in opened:
                await alertmanager.close()
            raise
        await self._alerting.adopt(configuration.alerting, opened)
        self._key_files.follow(configuration.keys)
        if self._alerting.is_on:
            self._schedule.ensure(_ALERTING, self._alerting.evaluate, lambda: self._alerting.period)
        elif _ALERTING in self._schedule.names:
            self._schedule.remove(_ALERTING)
