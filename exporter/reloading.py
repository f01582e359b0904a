"""Reloads the configuration, and starts and stops polling: one change at a time, all of it or nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial

import structlog

from exporter.activity import Activity, State
from exporter.alerting.service import AlertingService
from exporter.config import Configuration, HighAvailability
from exporter.config_file import ConfigurationHealth
from exporter.errors import ExporterError, StartError, shortened
from exporter.fleet import Fleet
from exporter.key_files import KeyFiles
from exporter.leadership import Leadership
from exporter.schedule import Schedule
from exporter.storage.keeper import HANDOVER
from exporter.storage.service import Storage
from exporter.storage.timeline import Kind

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
    storage: Storage
    leadership: Leadership

    async def poll(self, configuration: Configuration) -> None:
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

    async def check(self, configuration: Configuration) -> None:
        """Check a configuration, and use its keys. Raises ExporterError in the same cases as ``poll``."""
        for alertmanager in await self.alerting.open(configuration.alerting):
            await alertmanager.close()
        await self.fleet.check(configuration)
        self.key_files.follow(configuration.keys)

    async def stand_by(self, has_stopped: Callable[[], None]) -> None:
        """Stop polling, call ``has_stopped``, and leave alerting and the files to another exporter."""
        memories = self.fleet.memories
        await self.fleet.stand_by()
        has_stopped()
        if _ALERTING in self.schedule.names:
            self.schedule.remove(_ALERTING)
        await self.alerting.stand_by()
        await self.storage.release(memories)


class Reloader:
    """Loads the configuration with ``load`` and applies it to ``parts``.

    ``health`` records the outcome. ``activity`` has the state, which a reload keeps.

    Each change is a separate task. When a reload was part of the HTTP request, a client that disconnected
    cancelled it halfway: the switches were replaced, and alerting was not (seen 2026-11).
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Configuration]],
        parts: Parts,
        health: ConfigurationHealth,
        activity: Activity,
    ) -> None:
        self._load = load
        self._parts = parts
        self._health = health
        self._activity = activity
        self._timeline = parts.storage.timeline
        self._log = structlog.get_logger("exporter.app")
        self._loading = asyncio.Lock()
        self._applying = asyncio.Lock()  # not held while a disk hangs: a switch must not wait for it
        self._tasks: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[None] | None = None
        self._current: Configuration | None = None
        self._is_stopped = False

    async def reload(self) -> None:
        """Load and apply the configuration. Raises ExporterError, and changes nothing, if it is invalid.

        While a reload runs, all further callers share one that runs after it, because the file may have
        changed since it was read. A reload continues if its caller is cancelled.
        """
        if self._next is None:
            self._next = self._begin(self._reload(), "reload")
        await self._end_of(self._next)

    async def switch(self, state: State, reason: str, is_current: Callable[[], bool] = lambda: True) -> None:
        """Poll or stand by from now on. Raises ExporterError if the switches cannot be polled.

        It continues if its caller is cancelled. It may wait for another change; if ``is_current`` returns
        False after that, it does nothing.
        """
        await self._end_of(self._begin(self._switch(state, reason, is_current), "switch"))

    async def stop(self) -> None:
        """Wait for a running change, but not for long: it may be reading from a disk that hangs."""
        self._is_stopped = True
        for _ in range(2):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_GRACE_PERIOD)
            for task in self._tasks:
                task.cancel()

    def _begin(self, change: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        if self._is_stopped:
            change.close()
            raise ExporterError("the exporter is stopping")
        task = asyncio.create_task(change, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def _end_of(self, task: asyncio.Task[None]) -> None:
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not self._is_stopped:
                raise ExporterError(f"the {task.get_name()} was interrupted; try again") from None
            raise

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._next is task:  # cancelled while it waited for the lock
            self._next = None
        if not task.cancelled():
            task.exception()  # already logged, and the caller may be gone

    async def _reload(self) -> None:
        async with self._loading:
            self._next = None
            try:
                configuration = await self._load()
                async with self._applying:
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
        leadership, settings = self._parts.leadership, configuration.high_availability
        lease = settings.lease if settings else None
        is_new = leadership.is_new(lease)
        api = await leadership.open(lease) if is_new else None
        state, reason = self._wanted(settings, has_new_lease=is_new)
        try:
            await self._begin_in(state, configuration)
        except BaseException:
            if api is not None:
                await api.close()
            raise
        self._current = configuration
        self._activity.is_shared |= settings is not None
        self._activity.change(state, reason)
        if is_new:
            await leadership.follow(lease, api, self.switch)

    async def _begin_in(self, state: State, configuration: Configuration) -> None:
        if state is State.ACTIVE:
            await self._parts.storage.open()
            await self._poll(configuration)
            return
        await self._parts.storage.check()
        await self._parts.check(configuration)
        if self._activity.state is State.ACTIVE:
            # A reload has added a Lease, and another exporter may hold it.
            await self._parts.stand_by(lambda: None)

    async def _poll(self, configuration: Configuration) -> None:
        try:
            await self._parts.poll(configuration)
        except ExporterError:
            raise
        except Exception:  # a defect may have applied only a part of it
            if self._current is not None:
                await self._parts.poll(self._current)
            raise

    def _wanted(self, settings: HighAvailability | None, *, has_new_lease: bool) -> tuple[State, str]:
        if self._activity.state is not None and not has_new_lease:
            return self._activity.state, self._activity.reason
        if settings is None:
            return State.ACTIVE, "this exporter is alone"
        if settings.lease is not None:
            name = f"{settings.lease.namespace}/{settings.lease.name}"
            return State.STANDBY, f"waiting for the Lease {name}"
        state = State.ACTIVE if settings.starts_active else State.STANDBY
        return state, f"high_availability.start is {state.value}"

    async def _switch(self, state: State, reason: str, is_current: Callable[[], bool]) -> None:
        async with self._applying:
            if not is_current():
                return
            if self._current is None:
                raise ExporterError("the exporter is still starting; try again")
            self._activity.is_shared = True
            change = partial(self._activity.change, state, reason)
            if self._activity.state is state:
                change()
            elif state is State.STANDBY:
                await self._parts.stand_by(change)
            else:
                await self._take_over(self._current)
                change()

    async def _take_over(self, configuration: Configuration) -> None:
        try:
            await self._parts.storage.open(handover=HANDOVER)
        except StartError as error:  # a paused exporter keeps its locks; polling is more important
            self._log.error("polling although the storage cannot be written", problem=str(error))
        try:
            await self._parts.poll(configuration)
        except BaseException as error:
            await self._parts.stand_by(lambda: None)
            if isinstance(error, ExporterError):
                self._log.error("cannot poll; standing by", problem=shortened(error))
            elif isinstance(error, Exception):
                self._log.exception("job failed", job="switch")
            raise

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
