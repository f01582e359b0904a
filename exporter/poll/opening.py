"""Whether each tenant is inside its business hours."""

from collections.abc import Iterable
from datetime import UTC, datetime

from exporter.clock import Clock
from exporter.config import TenantSettings
from exporter.metrics import catalogue
from exporter.store import Store


class OpeningHours:
    """Keeps ``softswitch_tenant_open`` up to date."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._minute = -1
        self._said: dict[str, bool] = {}

    def refresh(self, tenants: Iterable[TenantSettings]) -> None:
        """Look at the hours of each tenant, once a minute: they are given to the minute."""
        minute = int(self._clock.wall() // 60)
        if minute == self._minute:
            return
        self._minute = minute
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        looked_at: dict[int, bool] = {}  # thousands of tenants share the hours of `tenant_defaults`
        before, self._said = self._said, {}
        for tenant in tenants:
            hours = tenant.business_hours
            if hours is None:
                continue
            is_open = looked_at.get(id(hours))
            if is_open is None:
                is_open = looked_at[id(hours)] = hours.is_open(now)
            self._said[tenant.code] = is_open
            if before.get(tenant.code) is not is_open:
                self._store.set(catalogue.TENANT_OPEN, tenant.code, float(is_open))

    def forget(self) -> None:
        """Look at the hours anew: they, or the tenants, may have changed."""
        self._minute = -1
        self._said.clear()
