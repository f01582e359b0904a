"""Metrics from the configuration and the clock: thresholds, limits, labels and business hours."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from exporter.clock import Clock
from exporter.config import SwitchConfiguration, TenantSettings
from exporter.metrics import catalogue
from exporter.model import Query
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import TenantDiscovery
from exporter.queries import QUERIES
from exporter.slices import slices
from exporter.store import Store

_CONFIGURED = "configured"

_BATCH = 20
"""Tenants that are set, in about 2 ms, before yielding to the event loop. 5,000 take a third of a second."""


def set_switch_metrics(store: Store, configuration: SwitchConfiguration) -> None:
    """Set the values of the switch."""
    store.set(catalogue.LICENSE_REMAINING_THRESHOLD, "", dict(configuration.thresholds.license))
    store.set(
        catalogue.NODE_CHANNELS_LIMIT,
        "",
        {node.name: node.channels_limit for node in configuration.nodes if node.channels_limit is not None},
    )


def set_tenant_metrics(
    store: Store, tenant: TenantSettings, *, name: str, label_names: Sequence[str]
) -> None:
    """Set the values of one tenant; ``name`` is its name on the switch, "" if unknown."""
    code = tenant.code
    labels = {label: tenant.labels.get(label, "") for label in label_names}
    store.set_info(code, name, labels)
    store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, dict(tenant.balance_thresholds))
    store.set(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, code, dict(tenant.registered_ratio_thresholds))
    queues = tenant.parts(Query.QUEUE)
    waits = tenant.queue_wait_thresholds if queues and queues.any else {}
    store.set(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, code, dict(waits))
    store.set(catalogue.EXTENSION_WATCHED, code, dict.fromkeys(tenant.watch, 1.0))
    if tenant.business_hours is None:
        store.unset(catalogue.TENANT_OPEN, code)
    if tenant.channels_limit is None:
        store.unset(catalogue.TENANT_CHANNELS_LIMIT, code, part=_CONFIGURED)
    else:
        store.unset(catalogue.TENANT_CHANNELS_LIMIT, code)  # the configured limit overrides it
        store.set(catalogue.TENANT_CHANNELS_LIMIT, code, tenant.channels_limit, part=_CONFIGURED)


class OpeningHours:
    """Keeps ``softswitch_tenant_open`` up to date."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._minute = -1
        self._states: dict[str, bool] = {}

    def refresh(self, tenants: Iterable[TenantSettings]) -> None:
        """Evaluate the hours of each tenant, once a minute: the configuration has no seconds."""
        minute = int(self._clock.wall() // 60)
        if minute == self._minute:
            return
        self._minute = minute
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        evaluated: dict[int, bool] = {}  # thousands of tenants share the hours of `tenant_defaults`
        before, self._states = self._states, {}
        for tenant in tenants:
            hours = tenant.business_hours
            if hours is None:
                continue
            is_open = evaluated.get(id(hours))
            if is_open is None:
                is_open = evaluated[id(hours)] = hours.is_open(now)
            self._states[tenant.code] = is_open
            if before.get(tenant.code) is not is_open:
                self._store.set(catalogue.TENANT_OPEN, tenant.code, float(is_open))

    def reset(self) -> None:
        """Make the next refresh evaluate everything, because hours or tenants may have changed."""
        self._minute = -1
        self._states.clear()


class ConfigMetrics:
    """Keeps the configured values of one switch in its store."""

    def __init__(self, context: SwitchContext, discovery: TenantDiscovery) -> None:
        self._context = context
        self._discovery = discovery
        self._opening_hours = OpeningHours(context.store, context.clock)

    def set_switch(self) -> None:
        """Set the values of the switch and its queries."""
        context = self._context
        set_switch_metrics(context.store, context.configuration)
        for (query, scope), interval in context.targets.intervals.items():
            context.store.set_interval(query, scope, interval)
            context.instruments.start_at_zero(
                context.store.switch, query, scope, has_rows=QUERIES[query].has_rows
            )

    def set_tenants(self, codes: Iterable[str]) -> None:
        """Set the values of these tenants, with their names on the switch."""
        context = self._context
        for code in codes:
            if tenant := context.targets.tenants.get(code):  # it may have been removed
                name = self._discovery.names.get(code, "")
                set_tenant_metrics(context.store, tenant, name=name, label_names=context.label_names)
        context.store.set(catalogue.TENANTS, "", len(context.targets.tenants))
        self._opening_hours.reset()

    async def set_tenants_gradually(self, codes: Sequence[str]) -> None:
        """Set the values of these tenants in batches, and yield to the event loop after each."""
        async for some in slices(codes, _BATCH):
            self.set_tenants(some)

    def refresh(self) -> None:
        """Update whether each tenant is inside its business hours."""
        self._opening_hours.refresh(self._context.targets.tenants.values())
