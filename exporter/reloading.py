"""Reloads the configuration: one reload at a time, each applied completely or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from exporter.alerting.service import AlertingService
from exporter.config import Configuration
from exporter.config_file import ConfigurationHealth
from exporter.errors import ExporterError, shortened
from exporter.fleet import Fleet
from exporter.key_files import KeyFiles
from exporter.schedule import Schedule
from exporter.storage.timeline import Kind, Timeline

_ALERTING = "alerting"

_GRACE_PERIOD = 0.5
"""Seconds that a stop waits for a reload to end, and again after it has cancelled the reload."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that depends on the configuration."""

    fleet: Fleet
    alerting: AlertingService
    key_files: KeyFiles
    schedule: Schedule

    async def apply(self, configuration: Configuration) -> None:
        """Apply a configuration to every part. Raises ExporterError before anything has changed."""
        alertmanagers = await self.alerting.open(configuration.alerting)
        try:
            await self.fleet.adopt(configuration)
        except BaseException:
            for alertmanager in alertmanagers:
                await alertmanager.close()
            raise
        await self.alerting.adopt(configuration.alerting, alertmanagers)
        self.key_files.follow(configuration.keys)
        self.schedule.ensure(_ALERTING, self.alerting.evaluate, lambda: self.alerting.period)


class Reloader:
    """Loads the configuration with ``load`` and applies it to ``parts``.

    ``health`` and ``timeline`` record the outcome.

    Each reload is a separate task. When it was part of the HTTP request, a client that disconnected cancelled
    it halfway: the switches were replaced, and alerting was not (seen 2026-11).
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Configuration]],
        parts: Parts,
        health: ConfigurationHealth,
        timeline: Timeline,
    ) -> None:
        self._load = load
        self._parts = parts
        self._health = health
        self._timeline = timeline
        self._log = structlog.get_logger("exporter.app")
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[None] | None = None
        self._current: Configuration | None = None
        self._is_stopped = False

    async def reload(self) -> None:
        """Load and apply the configuration. Raises ExporterError, and changes nothing, if it is invalid.

        While a reload runs, all further callers share one that runs after it, because the file may have
        changed since it was read. A reload continues if its caller is cancelled.
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
        """Wait for a running reload, but not for long: it may be reading from a disk that hangs."""
        self._is_stopped = True
        for _ in range(2):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_GRACE_PERIOD)
            for task in self._tasks:
                task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._next is task:  # cancelled while it waited for the lock
            self._next = None
        if not task.cancelled():
            task.exception()  # already logged, and the caller may be gone

    async def _run(self) -> None:
        async with self._lock:
            self._next = None
            try:
                configuration = await self._load()
                await self._apply(configuration)
            except BaseException as error:
                self._health.reload_failed(error)
                self._log_failure(error)
                raise
            self._health.reload_succeeded()
            if self._parts.schedule.is_running:  # at the start, "listening" is logged instead
                self._timeline.add(Kind.RELOAD_SUCCEEDED, "configuration reloaded")
                self._log.info("configuration loaded", switches=len(configuration.switches))

    async def _apply(self, configuration: Configuration) -> None:
        try:
            await self._parts.apply(configuration)
        except ExporterError:
            raise
        except Exception:  # a defect may have applied only a part of it
            if self._current is not None:
                await self._parts.apply(self._current)
            raise
        self._current = configuration

    def _log_failure(self, error: BaseException) -> None:
        if not self._parts.schedule.is_running:  # at the start, the command line prints the error
            return
        if isinstance(error, Exception):
            reason = str(error).partition("\n")[0] if isinstance(error, ExporterError) else "see the log"
            self._timeline.add(Kind.RELOAD_FAILED, f"reload failed: {reason}")
        if isinstance(error, ExporterError):
            self._log.warning("reload failed; keeping the previous configuration", problems=shortened(error))
        elif isinstance(error, Exception):
            self._log.error("job failed", job="reload", exc_info=error)
