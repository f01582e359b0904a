"""What the modules that poll one switch share: its state, and the recorder of outcomes."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Failure, Reason, Skipped, Target
from exporter.poll.planner import Targets
from exporter.storage.inventory import Inventory
from exporter.storage.timeline import Timeline
from exporter.store import Families, Store
from exporter.threads import ThreadLimit

_Result = TypeVar("_Result")
Hold = Callable[[], Awaitable[object] | None]


@dataclass(slots=True)
class SwitchContext:
    """One switch: its configuration, its client, its targets and its store.

    A reload replaces ``configuration``, ``client`` and ``label_names``, the tenant labels of all switches.
    A long gap replaces ``client``, because its connections may be dead. The rest never changes. ``inventory``
    has the nodes, trunks and tenants, and adds changes of them to ``timeline``. ``hold`` returns what a
    request has to wait for, or None: after a pause of the process, another exporter may poll.
    """

    configuration: SwitchConfiguration
    client: Client
    instruments: Instruments
    mask: Mask
    clock: Clock
    label_names: tuple[str, ...] = ()
    timeline: Timeline | None = None
    hold: Hold = lambda: None
    inventory: Inventory = field(init=False)
    store: Store = field(init=False)
    targets: Targets = field(init=False)
    log: structlog.typing.FilteringBoundLogger = field(init=False, repr=False)
    _decoding: ThreadLimit = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name, configuration = self.configuration.name, self.configuration
        self.store = Store(name, stale_after=configuration.stale_after, max_series=configuration.max_series)
        self.targets = Targets(configuration)
        self.inventory = Inventory(name, self.timeline or Timeline(Clock()))
        self.log = structlog.get_logger("exporter.poll").bind(switch=name)
        self._decoding = ThreadLimit("decode", 1)

    async def decode_in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Return the result of ``work`` on a large body. Over all switches, one body is decoded at a time."""
        return await self._decoding.run(partial(self.client.budget.decode, work))


class Recorder:
    """Records the outcomes of one switch."""

    def __init__(self, context: SwitchContext) -> None:
        self._context = context
        self._store = context.store
        self._with_skipped_rows: set[Target] = set()

    def put(self, target: Target, values: Families, part: str = "") -> None:
        """Store the values of a target, or of one part of it that ages separately."""
        interval = self._context.targets.planned_interval(target)
        self._store.put(target, values, interval=interval, now=self._context.clock.elapsed(), part=part)

    def succeed(self, target: Target, values: Families) -> None:
        """Store the values of a target, and record the success."""
        now, interval = self._context.clock.elapsed(), self._context.targets.planned_interval(target)
        self._store.put(target, values, interval=interval, now=now)
        self._record(target, None, now)

    def record(self, target: Target, failure: Failure | None) -> None:
        """Record the outcome of an attempt, and log it if it is a change."""
        self._record(target, failure, self._context.clock.elapsed())

    def _record(self, target: Target, failure: Failure | None, now: float) -> None:
        attempt = self._store.record(target, failure, now=now, wall=self._context.clock.wall())
        before = attempt.failure if attempt else None
        if (failure and failure.reason) is not (before and before.reason):
            self._log_change(target, before, failure)

    def _log_change(self, target: Target, before: Failure | None, failure: Failure | None) -> None:
        names = {"query": target.query.value, "scope": target.scope.value, "tenant": target.tenant}
        if failure is None:
            after = before.reason.value if before else None
            self._context.log.info("query recovered", **names, after=after)
        elif failure.reason is not Reason.SCOPE_IGNORED:  # logged once for the query, not for each tenant
            log = self._context.log
            log.warning("query failing", **names, reason=failure.reason.value, detail=failure.detail)

    def count_failure(self, target: Target, failure: Failure) -> None:
        """Count a request that returned no value."""
        failures = self._context.instruments.request_failures
        failures.labels(self._store.switch, target.query, failure.reason).inc()

    def count_empty(self, target: Target) -> None:
        """Count an empty response."""
        self._context.instruments.empty_answers.labels(self._store.switch, target.query).inc()

    def count_skipped_rows(self, target: Target, skipped: Skipped | None) -> None:
        """Count skipped rows, and log the first ones of a target."""
        if skipped is None:
            self._with_skipped_rows.discard(target)
            return
        query, scope, tenant = target
        self._context.instruments.rows_skipped.labels(self._store.switch, query).inc(skipped.rows)
        if target not in self._with_skipped_rows:
            self._with_skipped_rows.add(target)
            self._context.log.warning(
                "unreadable rows skipped",
                query=query.value,
                scope=scope.value,
                tenant=tenant,
                rows=skipped.rows,
                first=skipped.first,
            )

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._with_skipped_rows = {target for target in self._with_skipped_rows if target.tenant not in codes}
