import operator
from typing import Any

import pytest

from exporter.metrics import catalogue
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.web.tenants import failing_queries, severity, tenant_rows
from tests.unit.web.conftest import NOW, Pollers


async def _rows(poller: Poller, limit: int = 1000) -> list[dict[str, Any]]:
    failing = await failing_queries(poller, list(poller.store.attempts))
    return list(tenant_rows(poller, failing, limit))


async def test_what_is_known_of_a_tenant(pollers: Pollers) -> None:
    """Its figures beside what they are held against, and what of it fails."""
    poller = pollers(
        tenants=[{"code": "ACME", "thresholds": {"balance": {"warning": 100, "critical": "off"}}}],
        thresholds={"registered_ratio": {"warning": 0.9, "critical": 0.5}},
    )
    poller.store.set(catalogue.TENANT_BALANCE, "ACME", 99.5)
    poller.store.set(catalogue.TENANT_CALLS, "ACME", 3)
    poller.store.set(catalogue.TENANT_CHANNELS, "ACME", 6)
    poller.store.set(catalogue.TENANT_CHANNELS_LIMIT, "ACME", 30)
    states = {"registered": 4.0, "unregistered": 6.0, "unknown": 2.0}
    poller.store.set(catalogue.TENANT_EXTENSIONS, "ACME", states)
    target = Target(Query.LIMITS, Scope.TENANT, "ACME")
    poller.store.record(target, Failure(Reason.EMPTY, "nothing came"), now=NOW, wall=0)

    assert await _rows(poller) == [
        {
            "tenant": "ACME",
            "name": "",
            "balance": 99.5,
            "balance_thresholds": {"warning": 100},
            "balance_verdict": "warning",
            "calls": 3,
            "channels": 6,
            "channels_limit": 30,
            "registered": 4,
            "unregistered": 6,
            "extensions": 12,
            "registered_verdict": "critical",
            "failing": {"limits": "empty"},
        }
    ]


async def test_what_is_not_known_of_a_tenant(pollers: Pollers) -> None:
    """No figure is made up, and nothing is judged."""
    (row,) = await _rows(pollers(tenants=[{"code": "ACME", "channels_limit": 30}]))

    known = {name: value for name, value in row.items() if value not in (None, {})}
    assert known.keys() == {"tenant", "name", "balance_thresholds", "channels_limit"}
    assert known["channels_limit"] == 30


async def test_who_fails_comes_first(pollers: Pollers) -> None:
    """Then by code, and no more than are asked for; failures of the whole installation are no tenant's."""
    poller = pollers(tenants=[{"code": code} for code in ("D", "C", "B", "A")])
    for target in (Target(Query.CALLS, Scope.TENANT, "C"), Target(Query.PEERS, Scope.SWITCH)):
        poller.store.record(target, Failure(Reason.EMPTY, "nothing came"), now=NOW, wall=0)
    poller.store.record(Target(Query.CALLS, Scope.TENANT, "B"), None, now=NOW, wall=0)

    assert [row["tenant"] for row in await _rows(poller)] == ["C", "A", "B", "D"]
    assert [row["tenant"] for row in await _rows(poller, 2)] == ["C", "A"]


async def test_a_tenant_that_leaves_meanwhile(pollers: Pollers) -> None:
    """It has no row, and the others have theirs."""
    poller = pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])
    codes = []
    for row in tenant_rows(poller, {}, 1000):
        codes.append(row["tenant"])
        poller.targets.tenants.pop("T120", None)

    assert codes == [f"T{number:03}" for number in range(150) if number != 120]


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (50.1, None),
        (50, None),
        (49.9, "warning"),
        (10, "warning"),
        (9.9, "critical"),
        (-5, "critical"),
        (None, None),
    ],
)
def test_below_a_threshold(value: float | None, verdict: str | None) -> None:
    """The worst severity for which a value is too low, as the alert rules compare."""
    assert severity(value, {"warning": 50, "critical": 10}) == verdict


def test_other_thresholds() -> None:
    """None that is off is ever due; for some figures the threshold itself is due."""
    assert severity(9, {}) is None
    assert severity(9, {"warning": 50}) == "warning"
    assert severity(10, {"critical": 10}, operator.le) == "critical"
