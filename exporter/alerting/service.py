"""Evaluates every switch on a schedule, and sends alerts to each Alertmanager."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from exporter.alerting.alertmanager import VALID_FOR, Alertmanager
from exporter.alerting.engine import INTERVAL, Alert, Engine, Now, State
from exporter.alerting.groups import Sources, grouped
from exporter.alerting.inputs import SwitchSnapshot
from exporter.alerting.notifier import Notifier
from exporter.alerting.rule import NO_LINKS, Links
from exporter.alerting.rules import RULES
from exporter.alerting.state_keeper import StateKeeper, state_file_at
from exporter.alerting.status import AlertingMetrics, Json, Summary, record, status, summarize
from exporter.clock import Clock
from exporter.config import AlertingConfiguration
from exporter.errors import StartError, TlsFileError
from exporter.masking import Mask
from exporter.net.resolver import Resolver
from exporter.poll import Poller
from exporter.storage.files import FLAG
from exporter.storage.service import Storage

_LOGGED = 20
"""How many alerts of one evaluation are logged individually."""


@dataclass(frozen=True, slots=True)
class AlertingOptions:
    """Options from the rest of the exporter.

    ``speed``: how many times faster the durations of alerts pass; 1 outside of tests. ``links``: the links in
    alerts. ``is_configuration_good`` returns False if a reload failed or the file on disk is invalid.
    """

    speed: float = 1.0
    links: Links = NO_LINKS
    is_configuration_good: Callable[[], bool] = lambda: True


_DEFAULTS = AlertingOptions()


class AlertingService:
    """Alerts without Prometheus. Without a configuration, they are evaluated and shown, but not sent.

    ``storage``: its timeline records when alerts fire and resolve. Its directory contains the state file,
    unless the configuration names another.
    """

    def __init__(
        self,
        pollers: Callable[[], Sequence[Poller]],
        registry: CollectorRegistry,
        mask: Mask,
        clock: Clock,
        options: AlertingOptions = _DEFAULTS,
        storage: Storage | None = None,
    ) -> None:
        self._pollers = pollers
        self._mask = mask
        self._clock = clock
        self._speed = options.speed
        self._links = options.links
        self._is_configuration_good = options.is_configuration_good
        self._storage = storage or Storage(None, clock)
        self._resolver = Resolver()  # shared, so that a reload keeps the addresses
        self._log = structlog.get_logger("exporter.alerting")
        self._metrics = AlertingMetrics(registry)
        self._configuration: AlertingConfiguration | None = None
        self._engine = Engine()
        self._summary: Summary | None = None
        self._moment = 0.0  # the time of the newest evaluation; below, the clocks at that moment
        self._at, self._elapsed = clock.monotonic(), clock.elapsed()
        self._boot, self._wall = clock.since_boot(), clock.wall()
        self._notifiers: list[Notifier] = []
        self._keeper: StateKeeper | None = None
        self._loading: asyncio.Task[None] | None = None
        # An evaluation yields to the event loop. A reload must wait until it ends.
        self._evaluating = asyncio.Lock()

    @property
    def period(self) -> float:
        """Seconds between two evaluations."""
        return INTERVAL / self._speed

    async def open(self, configuration: AlertingConfiguration | None) -> list[Alertmanager]:
        """Open the Alertmanagers.

        Raises StartError, and opens nothing, if a TLS file cannot be used, or the state file is one of the
        storage.
        """
        state_file = configuration.state_file if configuration else None
        if state_file is not None and self._storage.uses(state_file):
            raise StartError(
                f"alerting.state_file: {state_file} is used by {FLAG}; choose another file, or remove "
                f"state_file: alerts are then kept in {self._storage.alerts_file}"
            )
        if configuration is None or configuration.dry_run:
            return []
        opened: list[Alertmanager] = []
        for alertmanager in configuration.alertmanagers:
            opened.append(Alertmanager(alertmanager, self._mask, self._clock.wall, self._resolver))
            try:
                await opened[-1].load()
            except TlsFileError as error:
                for one in opened:
                    await one.close()
                raise StartError(f"Alertmanager {alertmanager.url}: tls: {error}") from error
        return opened

    async def adopt(
        self, configuration: AlertingConfiguration | None, opened: Sequence[Alertmanager] = ()
    ) -> None:
        """Apply a configuration; None sends no alerts. ``opened``: what ``open`` returned for it."""
        async with self._evaluating:
            await self._adopt(configuration, opened)

    async def _adopt(
        self, configuration: AlertingConfiguration | None, opened: Sequence[Alertmanager]
    ) -> None:
        self._configuration = configuration
        before = {notifier.alertmanager.url for notifier in self._notifiers}
        await self._stop_notifiers()
        for url in before - {one.url for one in opened}:
            self._metrics.forget(url)
        configured = configuration.state_file if configuration else None
        await self._keep_state(configured or self._storage.alerts_file)
        labels = configuration.labels if configuration else {}
        self._notifiers = [
            Notifier(one, labels, self._metrics, self._now, links=self._links) for one in opened
        ]
        if self._summary is not None:  # before the first evaluation, there is nothing to send
            for notifier in self._notifiers:
                notifier.offer(self._summary.to_send)
        if configuration is not None and configuration.dry_run:
            self._log.info("alerting is a dry run: alerts are evaluated and shown, but not sent")

    async def _keep_state(self, path: Path | None) -> None:
        """Keep alerts in this file from now on. At startup, also load the alerts in it."""
        before = self._keeper
        if before is not None and before.path == path:
            return
        if before is not None:
            await before.release()
        setting = FLAG if path == self._storage.alerts_file else "state_file"
        file = state_file_at(path, setting) if path else None
        self._keeper = StateKeeper(file, self._clock, self._metrics)
        if before is None:
            # A disk that hangs delays the first evaluation, but not startup or shutdown.
            self._loading = asyncio.create_task(self._load(self._keeper), name="alerting state file")

    async def evaluate(self) -> None:
        """Evaluate all rules, queue the alerts for the Alertmanagers, and write the state file."""
        if self._loading is not None:
            await asyncio.wait({self._loading})
            if self._loading.cancelled():
                return  # stopping: a file that was not read must not be replaced
        async with self._evaluating:
            if self._keeper is not None:  # else it has begun to stand by
                await self._evaluate()

    async def _evaluate(self) -> None:
        engine = self._engine
        self._step()
        gap = self._moment - (self._moment if engine.evaluated_at is None else engine.evaluated_at)
        for _ in engine.evaluate(self._snapshots(), self._moment):
            await asyncio.sleep(0)
        if gap / self._speed > VALID_FOR:
            # Alertmanager has ended what was sent before the gap, unless another exporter has sent it since.
            engine.alerts.drop_resolved()
        self._log_changes(engine.alerts.changed)
        summary = summarize(engine.alerts.by_identity.values(), self._links)
        firing = Sources()
        for _ in grouped([*engine.alerts.by_identity.values()], summary.groups, firing):
            await asyncio.sleep(0)
        for _ in record(self._storage.timeline, engine.alerts.changed, firing):
            await asyncio.sleep(0)
        self._summary = summary
        for notifier in self._notifiers:
            notifier.offer(summary.to_send)
            await asyncio.sleep(0)
        self._count(summary)
        if self._keeper is not None:
            await self._keeper.keep(engine, self._boot, self._wall)

    def status(self) -> Json:
        """Return the part of alerting in the status."""
        now = self._now()
        groups = self._summary.groups.shown(now) if self._summary else {}
        failing = {one.alertmanager.url: one.failure for one in self._notifiers if one.failure}
        return {**status(self._configuration, self._summary, now, failing), **groups}

    def alerts_of(self, switch: str, tenant: str) -> list[Json]:
        """Return the pending and firing alerts of a tenant."""
        return self._summary.groups.alerts_of(switch, tenant, self._now()) if self._summary else []

    async def stop(self) -> None:
        """Write the state file and stop. Firing alerts are not resolved: they continue after the restart."""
        if self._loading is not None:
            self._loading.cancel()
        await self._stop_notifiers()
        async with self._evaluating:
            if self._keeper is not None:
                await self._keeper.close(self._engine, self._boot, self._wall)

    async def stand_by(self) -> None:
        """Write the state file and forget all alerts. None is resolved: another exporter sends them now."""
        await self.stop()
        for configured in self._configuration.alertmanagers if self._configuration else ():
            self._metrics.forget(configured.url)
        self._metrics.alerts.clear()
        self._keeper, self._engine, self._summary = None, Engine(), None

    async def _load(self, keeper: StateKeeper) -> None:
        try:
            kept = await keeper.load(is_taken_over=self._storage.is_taken_over)
        except Exception:  # noqa: BLE001 -- a bug of ours: alerting continues without the file
            self._log.exception("job failed", job="state file")
            kept = None
        self._engine, elapsed = kept or (Engine(), 0.0)
        self._moment = self._engine.evaluated_at or 0.0
        self._at = self._clock.monotonic() - elapsed
        self._step()

    async def _stop_notifiers(self) -> None:
        for notifier in self._notifiers:
            await notifier.stop()
        self._notifiers = []

    def _step(self) -> None:
        """Advance by whole intervals, so that a late evaluation does not leave a gap.

        Time asleep and steps of the wall clock do not count: alerts would end although their cause continues.
        They do count for the age of values, which have to be polled again to be fresh.
        """
        now = self._clock.monotonic()
        advanced = INTERVAL * round((now - self._at) * self._speed / INTERVAL)
        self._moment += advanced
        # Keep the remainder: otherwise, an exporter that restarts every 20 s would never advance.
        self._at += advanced / self._speed
        self._elapsed = self._clock.elapsed()
        remainder = now - self._at
        self._boot, self._wall = self._clock.since_boot() - remainder, self._clock.wall() - remainder

    def _now(self) -> Now:
        moment = self._moment + (self._clock.monotonic() - self._at) * self._speed
        return Now(moment, self._clock.wall(), self._speed)

    def _snapshots(self) -> Mapping[str, SwitchSnapshot]:
        offset = self._moment - self._elapsed * self._speed
        is_good = self._is_configuration_good()
        snapshots = {}
        for poller in self._pollers():
            poller.drop_stale()
            snapshots[poller.store.switch] = SwitchSnapshot(
                poller.store, poller.is_up(), poller.policy.breaker.is_open, offset, self._speed, is_good
            )
        return snapshots

    def _labels(self, alert: Alert) -> dict[str, str]:
        configured = self._configuration.labels if self._configuration else {}
        return {**configured, **alert.labels}

    def _log_changes(self, changed: Sequence[Alert]) -> None:
        for alert in changed[:_LOGGED]:
            if alert.state is State.FIRING:
                self._log.info("alert firing", **self._labels(alert))
            else:
                self._log.info("alert resolved", **self._labels(alert))
        if len(changed) > _LOGGED:
            self._log.info("and more alerts", count=len(changed) - _LOGGED)

    def _count(self, summary: Summary) -> None:
        for name in dict.fromkeys(rule.name for rule in RULES):
            for state in (State.PENDING, State.FIRING):
                self._metrics.alerts.labels(name, state.value).set(summary.counts[name, state])
