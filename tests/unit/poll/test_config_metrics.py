from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll.config_metrics import OpeningHours, set_switch_metrics, set_tenant_metrics
from exporter.store import Store

Configured = Callable[..., SwitchConfiguration]


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store("pbx", stale_after=3, max_series=500_000)


def _limits(store: Store) -> list[str]:
    return [
        block.decode() for blocks in store.sample_lines(catalogue.TENANT_CHANNELS_LIMIT) for block in blocks
    ]


def test_switch_metrics(store: Store, configured: Configured) -> None:
    """Thresholds in the unit of the metric; limits only of nodes that have one."""
    switch = configured(
        nodes=["n1", {"name": "n2", "channels_limit": 500}],
        thresholds={"license": {"warning": "14d", "critical": "off"}},
    )

    set_switch_metrics(store, switch)

    assert store.values(catalogue.LICENSE_REMAINING_THRESHOLD) == {"warning": 14 * 86400}
    assert store.values(catalogue.NODE_CHANNELS_LIMIT) == {"n2": 500}


def test_thresholds_of_queues(store: Store, configured: Configured) -> None:
    """Only tenants with queues have one."""
    switch = configured(
        tenants=[{"code": "A", "queues": "all"}, {"code": "B", "queues": ["12"]}, {"code": "C"}]
    )
    for code in "ABC":
        set_tenant_metrics(store, switch.settings(code), name="", label_names=[])

    values = [store.values(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, code) for code in "ABC"]
    assert values == [{"warning": 120, "critical": 300}, {"warning": 120, "critical": 300}, None]


def test_tenant_metrics(store: Store, configured: Configured) -> None:
    """Labels, thresholds, limit and watched extensions, including inherited ones."""
    switch = configured(
        thresholds={"balance": {"warning": "50", "critical": "10"}},
        tenants=[
            {
                "code": "ACME",
                "labels": {"team": "voice"},
                "watch": ["100"],
                "channels_limit": 30,
                "thresholds": {"balance": {"warning": "100"}, "registered_ratio": {"critical": "off"}},
            }
        ],
    )

    set_tenant_metrics(store, switch.settings("ACME"), name="Acme Ltd.", label_names=("site", "team"))

    ((info,),) = store.sample_lines(catalogue.TENANT_INFO)
    assert info.decode() == (
        'softswitch_tenant_info{switch="pbx",tenant="ACME",name="Acme Ltd.",site="",team="voice"} 1\n'
    )
    assert store.values(catalogue.TENANT_BALANCE_THRESHOLD, "ACME") == {"warning": 100, "critical": 10}
    assert store.values(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, "ACME") == {"warning": 0.9}
    assert _limits(store) == ['softswitch_tenant_channels_limit{switch="pbx",tenant="ACME"} 30\n']
    assert store.values(catalogue.EXTENSION_WATCHED, "ACME") == {"100": 1}


def test_removed_settings_leave_no_series(store: Store, configured: Configured) -> None:
    """Neither a limit, nor thresholds, watched extensions or business hours."""
    hours = {"timezone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}
    before = configured(
        tenants=[{"code": "A", "watch": ["100"], "channels_limit": 30, "business_hours": hours}]
    )
    set_tenant_metrics(store, before.settings("A"), name="", label_names=())
    store.set(catalogue.TENANT_OPEN, "A", 1)
    off = {"warning": "off", "critical": "off"}
    after = configured(thresholds={"balance": off, "registered_ratio": off}, tenants=[{"code": "A"}])

    set_tenant_metrics(store, after.settings("A"), name="", label_names=())

    assert store.series == 1  # softswitch_tenant_info


def test_configured_limit_replaces_that_of_the_switch(store: Store, configured: Configured) -> None:
    """There is one channel limit per tenant, and the other limits of the switch stay."""
    target = Target(Query.LIMITS, Scope.TENANT, "A")
    store.put(
        target, {catalogue.TENANT_CHANNELS_LIMIT: 99, catalogue.TENANT_DIDS_LIMIT: 5}, interval=60, now=0
    )

    switch = configured(tenants=[{"code": "A", "channels_limit": 30}])
    set_tenant_metrics(store, switch.settings("A"), name="", label_names=())

    assert _limits(store) == ['softswitch_tenant_channels_limit{switch="pbx",tenant="A"} 30\n']
    assert store.values(catalogue.TENANT_DIDS_LIMIT, "A") == 5


_HOURS = {"timezone": "Europe/Rome", "days": ["mon"], "from": "09:00", "to": "18:00"}


class _Wall:
    """A wall clock that a test sets."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


def test_business_hours_in_the_time_zone_of_the_tenant(configured: Configured) -> None:
    """9:00 in Rome is 8:00 UTC in winter. The value follows a clock that is set back."""
    switch = configured(tenants=[{"code": "A", "business_hours": _HOURS}, {"code": "B"}])
    tenants = [switch.settings(code) for code in "AB"]
    store = Store("pbx", stale_after=3, max_series=500_000)
    wall = _Wall("2026-01-05T07:59:59")  # a Monday
    hours = OpeningHours(store, Clock(wall=wall))

    seen = []
    for time in ("07:59:59", "08:00:00", "16:59:59", "17:00:00", "16:00:00"):
        wall.set(f"2026-01-05T{time}")
        hours.refresh(tenants)
        seen.append(store.values(catalogue.TENANT_OPEN, "A"))

    assert seen == [0, 1, 1, 0, 1]
    assert store.values(catalogue.TENANT_OPEN, "B") is None


def test_business_hours_are_evaluated_once_a_minute(configured: Configured) -> None:
    """Not with every scrape, unless they have changed."""
    switch = configured(tenants=[{"code": "A", "business_hours": _HOURS}])
    store = Store("pbx", stale_after=3, max_series=500_000)
    wall = _Wall("2026-01-05T08:00:00")
    hours = OpeningHours(store, Clock(wall=wall))
    hours.refresh([switch.settings("A")])
    store.drop_tenants({"A"})

    wall.now += 59
    hours.refresh([switch.settings("A")])
    assert store.values(catalogue.TENANT_OPEN, "A") is None

    hours.reset()
    hours.refresh([switch.settings("A")])
    assert store.values(catalogue.TENANT_OPEN, "A") == 1
