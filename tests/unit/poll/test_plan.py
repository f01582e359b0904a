import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Query, Scope
from exporter.poll.plan import Demand, plan

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


def test_what_fits_keeps_its_interval() -> None:
    """Where the rate allows it, each cycle is the interval."""
    made = plan(
        [Demand(Query.CHANNELS, Scope.SWITCH, 1, 30), Demand(Query.CHANNELS, Scope.TENANT, 100, 120)], 10
    )

    assert made.cycles == {(Query.CHANNELS, Scope.SWITCH): 30, (Query.CHANNELS, Scope.TENANT): 120}
    assert made.wanted_rate == made.rate == pytest.approx(1 / 30 + 100 / 120)
    assert made.first_sweep == 30


def test_tenants_are_stretched_alike_and_the_installation_is_not() -> None:
    """Too much for the rate: an outage still shows at once, and all tenants wait by the same factor."""
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


def test_a_first_sweep_takes_what_its_requests_take() -> None:
    """Asking everything once takes longer than 30 s where there is more, beside what repeats meanwhile."""
    made = plan([Demand(Query.CALLS, Scope.SWITCH, 1, 10), Demand(Query.BALANCE, Scope.TENANT, 900, 300)], 10)

    assert made.first_sweep == pytest.approx(900 / (9.5 - 0.1))


def test_an_installation_that_alone_is_too_much_is_stretched_too() -> None:
    """Many nodes asked one by one, and a low rate: everything is stretched alike."""
    made = plan([Demand(Query.CHANNELS, Scope.SWITCH, 51, 30), Demand(Query.CALLS, Scope.TENANT, 30, 60)], 1)

    assert made.cycles[Query.CHANNELS, Scope.SWITCH] == pytest.approx(30 * (1.7 + 0.5) / 0.95)
    assert made.cycles[Query.CALLS, Scope.TENANT] == pytest.approx(60 * (1.7 + 0.5) / 0.95)


@pytest.mark.parametrize(("share", "keeps_its_pace"), [(0.45, True), (0.5, False), (0.6, False)])
def test_the_installation_keeps_its_pace_as_the_smaller_part(share: float, *, keeps_its_pace: bool) -> None:
    """Of what may be asked: from half of it on it would leave the tenants too little."""
    of_switch = Demand(Query.CHANNELS, Scope.SWITCH, 9.5 * share, 1)

    made = plan([of_switch, Demand(Query.CALLS, Scope.TENANT, 1000, 10)], 10)

    assert (made.cycles[Query.CHANNELS, Scope.SWITCH] == 1) is keeps_its_pace


def test_what_repeats_every_half_minute_goes_on_during_the_first_sweep() -> None:
    """It takes its part of the rate from the first request on."""
    made = plan(
        [Demand(Query.CALLS, Scope.TENANT, 270, 30), Demand(Query.BALANCE, Scope.TENANT, 30, 300)], 10
    )

    assert made.first_sweep == pytest.approx(30 / (9.5 - 9))


def test_nothing_to_do() -> None:
    """Without a query there is a plan all the same."""
    made = plan([], 10)

    assert (made.cycles, made.wanted_rate, made.rate, made.first_sweep) == ({}, 0, 0, 30)


@given(_DEMANDS, _RATES)
def test_the_rate_is_kept(demands: list[Demand], rate: float) -> None:
    """Whatever is wanted, what is planned stays below the rate, and nothing comes more often than wanted."""
    made = plan(demands, rate)

    planned = sum(demand.requests / made.cycles[demand.query, demand.scope] for demand in demands)
    assert planned <= rate * 0.95 * (1 + 1e-9)
    assert planned == pytest.approx(made.rate)
    for demand in demands:
        assert made.cycles[demand.query, demand.scope] >= demand.interval


@given(_DEMANDS, _RATES)
def test_one_factor_for_all_tenants(demands: list[Demand], rate: float) -> None:
    """No tenant's query is stretched more than another, and the installation never more than the tenants."""
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
def test_the_first_sweep_fits_the_rate(demands: list[Demand], rate: float) -> None:
    """All first requests of a start go out within the rate, over half a minute at least."""
    made = plan(demands, rate)

    assert made.first_sweep >= 30
    assert sum(demand.requests for demand in demands) <= made.first_sweep * rate
