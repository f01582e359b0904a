import asyncio
from collections.abc import Callable

import pytest

from exporter.config import SwitchConfiguration
from exporter.model import Query, Scope, Target
from exporter.poll.planner import Targets
from exporter.poll.sweep import DueTargets

Configured = Callable[..., SwitchConfiguration]

_CALLS = {"queries": {"calls": {"interval": "off", "tenant_interval": "1m"}}}


async def _asked(due: DueTargets, now: float) -> list[str]:
    """Return whom a sweep asks."""
    return sorted(item.target.tenant for item in await due.items(Query.CALLS, Scope.TENANT, now))


async def test_longer_intervals_skip_sweeps(configured: Configured) -> None:
    """After the first sweep their tenants are spread over several sweeps, to avoid bursts."""
    switch = configured(
        **_CALLS,
        tenants=[
            {"code": "A"},
            {"code": "B", "queries": {"calls": {"tenant_interval": "30s"}}},
            {"code": "C", "queries": {"calls": {"tenant_interval": "off"}}},
            {"code": "D", "queries": {"calls": {"tenant_interval": "90s"}}},
        ],
    )
    due = DueTargets(Targets(switch))

    assert [await _asked(due, 1000 + 30 * sweep) for sweep in range(7)] == [
        ["A", "B", "D"],
        ["A", "B"],
        ["B"],
        ["A", "B", "D"],
        ["B"],
        ["A", "B"],
        ["B", "D"],
    ]


async def test_early_and_late_sweeps(configured: Configured) -> None:
    """A few seconds more or less make no tenant skip a sweep."""
    due = DueTargets(Targets(configured(**_CALLS, tenants=[{"code": "A"}])))

    for now in (0, 55, 118, 170, 240):
        assert await _asked(due, now) == ["A"]


async def test_requested_tenant_is_due_after_its_interval(configured: Configured) -> None:
    """Or at once if the interval changes, or if it is named."""
    switch = configured(**_CALLS, tenants=[{"code": "A"}, {"code": "B"}])
    targets = Targets(switch)
    due = DueTargets(targets)

    assert len(await due.items_for(Query.CALLS, ["A", "X"], 1000)) == 1
    assert await _asked(due, 1001) == ["B"]
    assert len(await due.items_for(Query.CALLS, ["A"], 1002)) == 1
    slower = {"queries": {"calls": {"interval": "off", "tenant_interval": "10m"}}}
    targets.configure(configured(**slower, tenants=[{"code": "A"}, {"code": "B"}]), ())
    assert await _asked(due, 1003) == ["A", "B"]


async def test_tenant_that_returns_is_due(configured: Configured) -> None:
    """Nothing is kept of a removed tenant."""
    switch = configured(**_CALLS, tenants=[{"code": "A"}])
    targets = Targets(switch)
    due = DueTargets(targets)
    targets.configure(switch, ["B"])
    assert await _asked(due, 1000) == ["A", "B"]

    targets.configure(switch, [])
    due.drop_tenants({"B"})
    targets.configure(switch, ["B"])

    assert await _asked(due, 1001) == ["B"]


@pytest.mark.parametrize("query", [Query.CALLS, Query.REGISTRATIONS])
async def test_tenants_removed_while_a_sweep_is_prepared(query: Query, configured: Configured) -> None:
    """Preparing yields to the event loop; tenants removed meanwhile get no request, and are not kept."""
    many = [f"T{number}" for number in range(3000)]
    empty = configured()
    full = configured(tenants=[{"code": code, "watch": ["100"]} for code in many])
    targets = Targets(full)
    due = DueTargets(targets)

    for steps in range(10):
        looking = asyncio.create_task(due.items(query, Scope.TENANT, 1000))
        for _ in range(steps):
            await asyncio.sleep(0)
        assert not looking.done(), "it took less steps than there were tenants to be looked at"
        targets.configure(empty, [])
        due.drop_tenants(many)
        assert list(await looking) == []
        targets.configure(full, [])

    assert len(await due.items(query, Scope.TENANT, 1000)) == len(many)


@pytest.mark.parametrize(
    "target", [Target(Query.CALLS, Scope.TENANT, "X"), Target(Query.PEERS, Scope.TENANT, "A")]
)
def test_targets_that_are_not_polled(target: Target, configured: Configured) -> None:
    """Neither an unknown tenant nor a disabled query has a request."""
    assert DueTargets(Targets(configured(**_CALLS, tenants=[{"code": "A"}]))).item_for(target, 0) is None
