from collections.abc import Callable
from datetime import UTC, datetime

from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.poll.opening import OpeningHours
from exporter.store import Store

Configured = Callable[..., SwitchConfiguration]

_HOURS = {"timezone": "Europe/Rome", "days": ["mon"], "from": "09:00", "to": "18:00"}


class _Wall:
    """A wall clock that a test sets."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


def test_open_and_closed_by_the_tenants_own_time(configured: Configured) -> None:
    """9 o'clock in Rome is 8 in UTC in winter: the value follows, to the minute."""
    switch = configured(tenants=[{"code": "A", "business_hours": _HOURS}, {"code": "B"}])
    tenants = [switch.settings(code) for code in "AB"]
    store = Store("pbx", stale_after=3, max_series=500_000)
    wall = _Wall("2026-01-05T07:59:59")  # a Monday
    hours = OpeningHours(store, Clock(wall=wall))

    seen = []
    for time in ("07:59:59", "08:00:00", "16:59:59", "17:00:00"):
        wall.set(f"2026-01-05T{time}")
        hours.refresh(tenants)
        seen.append(store.values(catalogue.TENANT_OPEN, "A"))

    assert seen == [0, 1, 1, 0]
    assert store.values(catalogue.TENANT_OPEN, "B") is None


def test_looks_once_a_minute(configured: Configured) -> None:
    """Thousands of tenants are not worked out anew at each scrape, unless they have changed."""
    switch = configured(tenants=[{"code": "A", "business_hours": _HOURS}])
    store = Store("pbx", stale_after=3, max_series=500_000)
    wall = _Wall("2026-01-05T08:00:00")
    hours = OpeningHours(store, Clock(wall=wall))
    hours.refresh([switch.settings("A")])
    store.drop_tenants({"A"})

    wall.now += 59
    hours.refresh([switch.settings("A")])
    assert store.values(catalogue.TENANT_OPEN, "A") is None

    hours.forget()
    hours.refresh([switch.settings("A")])
    assert store.values(catalogue.TENANT_OPEN, "A") == 1


def test_a_clock_that_goes_back(configured: Configured) -> None:
    """A wall clock that was corrected is followed."""
    switch = configured(tenants=[{"code": "A", "business_hours": _HOURS}])
    store = Store("pbx", stale_after=3, max_series=500_000)
    wall = _Wall("2026-01-05T08:00:00")
    hours = OpeningHours(store, Clock(wall=wall))
    hours.refresh([switch.settings("A")])

    wall.now -= 3600
    hours.refresh([switch.settings("A")])

    assert store.values(catalogue.TENANT_OPEN, "A") == 0
