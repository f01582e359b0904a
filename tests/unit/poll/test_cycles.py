import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Query, Scope
from exporter.poll.cycles import Demand, plan

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
