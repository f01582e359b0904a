from collections.abc import Callable

import pytest

from exporter.config import SwitchConfiguration
from exporter.model import ExtensionParameter, Query, Scope, Target
from exporter.poll.requests import OPERATIONS, Item, for_switch, for_tenants
from exporter.request import Operation, Request

Configured = Callable[..., SwitchConfiguration]

_OF_TENANTS = [
    Query.PEERS,
    Query.CHANNELS,
    Query.CALLS,
    Query.BALANCE,
    Query.LIMITS,
]


def test_the_whole_installation() -> None:
    """One request for the figure as a whole."""
    assert for_switch(Query.CALLS, []) == [
        Item(Target(Query.CALLS, Scope.SWITCH), Request(Operation.COUNT_CALLS))
    ]


def test_nodes_one_by_one() -> None:
    """First the total, then each node, in their order, as parts of the same target."""
    items = for_switch(Query.CHANNELS, ["n1", "n2"])

    assert [(item.part, item.request.node) for item in items] == [("", ""), ("n1", "n1"), ("n2", "n2")]
    assert {item.target for item in items} == {Target(Query.CHANNELS, Scope.SWITCH)}


@pytest.mark.parametrize("query", _OF_TENANTS)
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_tenant_once(query: Query, count: int, configured: Configured) -> None:
    """A sweep asks every tenant of it exactly once, whatever tenant it begins with."""
    switch = configured(tenants=[{"code": f"T{number}"} for number in range(count)])
    tenants = [switch.settings(tenant.code) for tenant in switch.tenants]

    items = for_tenants(query, tenants, switch)

    assert sorted(item.target.tenant for item in items) == [f"T{number}" for number in range(count)]
    for item in items:
        assert item.target == Target(query, Scope.TENANT, item.request.tenant)
        assert item.request == Request(OPERATIONS[query], tenant=item.target.tenant)
        assert item.part == ""


def test_queries_do_not_walk_in_step(configured: Configured) -> None:
    """Each query begins its round at another tenant, and keeps the circle from there."""
    switch = configured(tenants=[{"code": f"T{number}"} for number in range(100)])
    tenants = [switch.settings(tenant.code) for tenant in switch.tenants]

    rounds = {
        query: [item.target.tenant for item in for_tenants(query, tenants, switch)] for query in _OF_TENANTS
    }

    assert len({order[0] for order in rounds.values()}) == len(rounds)
    for order in rounds.values():
        start = order.index("T0")
        assert order[start:] + order[:start] == [f"T{number}" for number in range(100)]


def test_every_extension_once(configured: Configured) -> None:
    """All polled extensions of all tenants, under the configured parameter."""
    switch = configured(
        queries={"registrations": {"parameter": "number"}},
        tenants=[
            {"code": "A", "extensions": ["100", "101", "102", "103"]},
            {"code": "B", "watch": ["100"]},
            {"code": "C"},
        ],
    )
    tenants = [switch.settings(tenant.code) for tenant in switch.tenants]

    items = for_tenants(Query.REGISTRATIONS, tenants, switch)

    assert sorted((item.target.tenant, item.part) for item in items) == [
        ("A", "100"),
        ("A", "101"),
        ("A", "102"),
        ("A", "103"),
        ("B", "100"),
    ]
    for item in items:
        assert item.request == Request(
            Operation.REGISTRATION,
            tenant=item.target.tenant,
            extension=item.part,
            extension_parameter=ExtensionParameter.NUMBER,
        )


def test_the_extensions_of_a_tenant_are_spread(configured: Configured) -> None:
    """A tenant with many extensions does not have them asked all in a row."""
    numbers = [str(100 + number) for number in range(10)]
    switch = configured(tenants=[{"code": code, "extensions": numbers} for code in "ABCDEFGHIJ"])
    tenants = [switch.settings(tenant.code) for tenant in switch.tenants]

    order = [item.target.tenant for item in for_tenants(Query.REGISTRATIONS, tenants, switch)]

    assert len(order) == 100
    for position in range(0, 100, 10):
        assert sorted(order[position : position + 10]) == list("ABCDEFGHIJ")
