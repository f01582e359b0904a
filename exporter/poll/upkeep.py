"""Brings up to date what follows the clock and not an answer."""

import structlog

from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.poll.config_metrics import OpeningHours
from exporter.poll.planner import Targets
from exporter.poll.request_policy import RequestPolicy
from exporter.store import Store

_JUMP = 1.0
"""Seconds by which the wall clock may drift from the monotonic one before what was dated is dated anew."""


class Upkeep:
    """What a scrape finds done before it: nothing stale is left, and what the clock says is said."""

    def __init__(
        self,
        configuration: SwitchConfiguration,
        targets: Targets,
        policy: RequestPolicy,
        store: Store,
        opening_hours: OpeningHours,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self.configuration = configuration
        self._targets = targets
        self._policy = policy
        self._store = store
        self._opening_hours = opening_hours
        self._instruments = instruments
        self._clock = clock
        self._wall_offset = clock.wall() - clock.elapsed()
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)

    def refresh(self) -> None:
        """Drop what is stale, and say what the clock says. Called before each scrape."""
        self.drop_stale()
        now = self._clock.elapsed()
        offset = self._clock.wall() - now
        if abs(offset - self._wall_offset) > _JUMP:
            self._wall_offset = offset
            self._store.follow_wall_clock(offset)
        up = self.is_up()
        if up is not None:
            self._store.set(catalogue.UP, "", float(up))
        self._opening_hours.refresh(self._targets.tenants.values())
        self._store.set(catalogue.SERIES_LIMITED, "", float(self._store.is_limited))
        self._store.set(catalogue.SERIES, "", self._store.series)
        self._instruments.breaker_open.labels(self._store.switch).set(self._policy.breaker.is_open)

    def drop_stale(self) -> None:
        """Drop the values that have become too old."""
        dropped: dict[tuple[Query, Scope], list[str]] = {}
        for query, scope, tenant in self._store.expire(self._clock.elapsed()):
            dropped.setdefault((query, scope), []).append(tenant)
        for (query, scope), tenants in dropped.items():
            # One line for all of a query: after a night asleep there are 25,000 values to drop at once.
            which = {"tenant": tenants[0]} if len(tenants) == 1 else {"targets": len(tenants)}
            self._log.warning(
                "values dropped: no answer for too long", query=query.value, scope=scope.value, **which
            )

    def is_up(self) -> bool | None:
        """Tell whether the switch gives valid answers; None before the first attempt has ended."""
        if not self._store.attempted:
            return None
        valid_at = self._store.valid_at
        shortest = min(self._targets.intervals.values(), default=0.0)
        window = max(3 * shortest, 2 * self.configuration.timeout)
        return valid_at is not None and self._clock.elapsed() - valid_at <= window
