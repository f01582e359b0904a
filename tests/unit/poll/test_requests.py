import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Query, Scope, Target
from exporter.poll.requests import NEXT_WINDOW, Demand, Item, for_parts, for_switch, for_tenants, plan
from exporter.request import Operation, Request
from tests.reading import OPERATIONS

_DEMANDS = st.lists(
    st.builds(
        Demand,
        st.sampled_from(Query),
        st.sampled_from(Scope),
        st.floats(0.5, 250_000),
        st.floats(1, 86_400),
    ),
    unique_by=lambda demand: (demand.query, demand.scope),
    max_size=8,
)
_RATES = st.floats(0.1, 1000)


def test_plan_within_the_rate_limit() -> None:
    """Each cycle is the interval."""
    made = plan(
        [Demand(Query.CHANNELS, Scope.SWITCH, 1, 30), Demand(Query.CHANNELS, Scope.TENANT, 100, 120)], 10
    )

    assert made.cycles == {(Query.CHANNELS, Scope.SWITCH): 30, (Query.CHANNELS, Scope.TENANT): 120}
    assert made.required_rate == made.rate == pytest.approx(1 / 30 + 100 / 120)
    assert made.first_sweep == 30


def test_plan_above_the_rate_limit() -> None:
    """All tenant queries are stretched by one factor; installation-wide queries are not."""
    made = plan(
        [
            Demand(Query.CALLS, Scope.SWITCH, 1, 30),
            Demand(Query.CALLS, Scope.TENANT, 5000, 120),
            Demand(Query.BALANCE, Scope.TENANT, 5000, 300),
        ],
        10,
    )

    assert made.cycles[Query.CALLS, Scope.SWITCH] == 30
    assert made.cycles[Query.BALANCE, Scope.TENANT] == pytest.approx(
        made.cycles[Query.CALLS, Scope.TENANT] * 2.5
    )
    assert made.cycles[Query.CALLS, Scope.TENANT] == pytest.approx(
        120 * (5000 / 120 + 5000 / 300) / (9.5 - 1 / 30)
    )
    assert made.rate == 9.5
    # The calls go on repeating while the credit is asked first; what they leave is its own cycle.
    assert made.first_sweep == pytest.approx(made.cycles[Query.BALANCE, Scope.TENANT])


def test_first_sweep_of_many_requests() -> None:
    """It takes longer than 30 s, at the rate that repeated queries leave."""
    made = plan([Demand(Query.CALLS, Scope.SWITCH, 1, 10), Demand(Query.BALANCE, Scope.TENANT, 900, 300)], 10)

    assert made.first_sweep == pytest.approx(900 / (9.5 - 0.1))


def test_switch_queries_above_the_rate_limit() -> None:
    """With many nodes and a low rate limit, everything is stretched by one factor."""
    made = plan([Demand(Query.CHANNELS, Scope.SWITCH, 51, 30), Demand(Query.CALLS, Scope.TENANT, 30, 60)], 1)

    assert made.cycles[Query.CHANNELS, Scope.SWITCH] == pytest.approx(30 * (1.7 + 0.5) / 0.95)
    assert made.cycles[Query.CALLS, Scope.TENANT] == pytest.approx(60 * (1.7 + 0.5) / 0.95)


@pytest.mark.parametrize(("share", "keeps_its_pace"), [(0.45, True), (0.5, False), (0.6, False)])
def test_switch_queries_below_half_of_the_rate(share: float, *, keeps_its_pace: bool) -> None:
    """They keep their interval; from half of the rate on, they would leave the tenants too little."""
    of_switch = Demand(Query.CHANNELS, Scope.SWITCH, 9.5 * share, 1)

    made = plan([of_switch, Demand(Query.CALLS, Scope.TENANT, 1000, 10)], 10)

    assert (made.cycles[Query.CHANNELS, Scope.SWITCH] == 1) is keeps_its_pace


def test_queries_repeat_during_the_first_sweep() -> None:
    """Those with a cycle of half a minute use their part of the rate from the first request on."""
    made = plan(
        [Demand(Query.CALLS, Scope.TENANT, 270, 30), Demand(Query.BALANCE, Scope.TENANT, 30, 300)], 10
    )

    assert made.first_sweep == pytest.approx(30 / (9.5 - 9))


def test_plan_without_queries() -> None:
    """It is empty."""
    made = plan([], 10)

    assert (made.cycles, made.required_rate, made.rate, made.first_sweep) == ({}, 0, 0, 30)


@given(_DEMANDS, _RATES)
def test_any_plan_stays_below_the_rate_limit(demands: list[Demand], rate: float) -> None:
    """And no query is sent more often than its interval says."""
    made = plan(demands, rate)

    planned = sum(demand.requests / made.cycles[demand.query, demand.scope] for demand in demands)
    assert planned <= rate * 0.95 * (1 + 1e-9)
    assert planned == pytest.approx(made.rate)
    for demand in demands:
        assert made.cycles[demand.query, demand.scope] >= demand.interval


@given(_DEMANDS, _RATES)
def test_any_plan_stretches_all_tenants_alike(demands: list[Demand], rate: float) -> None:
    """And never the installation-wide queries more than the tenant queries."""
    made = plan(demands, rate)

    factors = {
        scope: [made.cycles[d.query, d.scope] / d.interval for d in demands if d.scope is scope]
        for scope in Scope
    }
    for of_scope in factors.values():
        assert not of_scope or max(of_scope) == pytest.approx(min(of_scope))
    if all(factors.values()):
        assert factors[Scope.SWITCH][0] <= factors[Scope.TENANT][0] * (1 + 1e-9)


@given(_DEMANDS, _RATES)
def test_any_first_sweep_stays_below_the_rate_limit(demands: list[Demand], rate: float) -> None:
    """And takes at least half a minute."""
    made = plan(demands, rate)

    assert made.first_sweep >= 30
    assert sum(demand.requests for demand in demands) <= made.first_sweep * rate


_OF_TENANTS = [
    Query.PEERS,
    Query.CHANNELS,
    Query.CALLS,
    Query.BALANCE,
    Query.LIMITS,
]


def _targets(query: Query, codes: Iterable[str]) -> list[Target]:
    return [Target(query, Scope.TENANT, code) for code in codes]


def _registration(tenant: str, number: str) -> Request:
    return Request(Operation.REGISTRATION, tenant=tenant, extension=number)


def test_switch_and_nodes() -> None:
    """First the total, then each node, as parts of the same target."""
    items = for_switch(Query.CHANNELS, Operation.COUNT_CHANNELS, ["n1", "n2"])

    nodes = ["", "n1", "n2"]
    assert [item.part for item in items] == nodes
    assert [item.request for item in items] == [
        Request(Operation.COUNT_CHANNELS, node=node) for node in nodes
    ]
    assert {item.target for item in items} == {Target(Query.CHANNELS, Scope.SWITCH)}


def test_call_records() -> None:
    """Their window ends at a time that is known only when the request is sent."""
    target = Target(Query.CALL_RECORDS, Scope.SWITCH)

    assert for_switch(Query.CALL_RECORDS, Operation.CALL_RECORDS) == [Item(target, NEXT_WINDOW)]


@pytest.mark.parametrize("query", _OF_TENANTS)
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_tenant_once(query: Query, count: int) -> None:
    """Whichever tenant the sweep begins with."""
    items = for_tenants(OPERATIONS[query], _targets(query, [f"T{number}" for number in range(count)]))

    assert len(items) == count
    assert sorted(item.target.tenant for item in items) == [f"T{number}" for number in range(count)]
    for item in items:
        assert item.target == Target(query, Scope.TENANT, item.target.tenant)
        assert item.request == Request(OPERATIONS[query], tenant=item.target.tenant)
        assert item.part == ""


def test_queries_start_at_different_tenants() -> None:
    """And continue in a circle from there."""
    codes = [f"T{number}" for number in range(100)]

    rounds = {
        query: [item.target.tenant for item in for_tenants(OPERATIONS[query], _targets(query, codes))]
        for query in _OF_TENANTS
    }

    assert len({order[0] for order in rounds.values()}) == len(rounds)
    for order in rounds.values():
        start = order.index("T0")
        assert order[start:] + order[:start] == codes


def test_items_can_be_iterated_again() -> None:
    """Each request is made lazily. The first ones are in the middle of each tenant's parts, as declared."""
    a, b = _targets(Query.REGISTRATIONS, "AB")
    items = for_parts({a: ["1", "2", "3"], b: ["1", "2", "3", "4"]}, _registration)

    first = next(iter(items))

    assert [f"{item.target.tenant}{item.part}" for item in items] == [
        "A2",
        "B3",
        "A3",
        "B4",
        "B1",
        "A1",
        "B2",
    ]
    assert next(iter(items)) == first


def test_no_step_reads_all_extensions() -> None:
    """Neither the first request of a sweep nor any later one."""

    class _Counting(list[str]):
        looked_at = 0

        def __getitem__(self, index: Any) -> Any:
            _Counting.looked_at += 1
            return super().__getitem__(index)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all of them are looked at")

    codes = [f"T{number}" for number in range(20)]
    numbers = _Counting(str(number) for number in range(500))
    items = iter(for_parts(dict.fromkeys(_targets(Query.REGISTRATIONS, codes), numbers), _registration))

    for sent in range(1, 50):
        next(items)
        assert _Counting.looked_at == sent


@given(st.lists(st.integers(0, 30), max_size=12))
def test_any_numbers_of_extensions_are_spread(sizes: list[int]) -> None:
    """Each is requested once, those of one tenant as far apart as their number allows."""
    extensions = {
        target: [str(number) for number in range(size)]
        for target, size in zip(
            _targets(Query.REGISTRATIONS, [f"T{n}" for n in range(len(sizes))]), sizes, strict=True
        )
    }
    total = sum(sizes)

    items = list(for_parts(extensions, _registration))
    order = [(item.target, item.part) for item in items]

    assert all(item.request == _registration(item.target.tenant, item.part) for item in items)
    assert len(order) == len(set(order)) == total
    for target, numbers in extensions.items():
        places = [place for place, (asked, _) in enumerate(order) if asked == target]
        gaps = [later - earlier for earlier, later in itertools.pairwise(places)]
        even = total / max(1, len(numbers))
        assert all(abs(gap - even) <= len(sizes) + 1 for gap in gaps)
