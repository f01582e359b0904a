import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import SwitchConfiguration
from exporter.model import Query, Scope, Target
from exporter.poll.planner import Demand, Targets, plan

Configured = Callable[..., SwitchConfiguration]

_OFF = {"interval": "off", "tenant_interval": "off"}
_NOTHING = {
    "peers": _OFF,
    "channels": _OFF,
    "calls": _OFF,
    "license": {"interval": "off"},
    "balance": {"tenant_interval": "off"},
    "registrations": {"tenant_interval": "off"},
    "limits": {"tenant_interval": "off"},
}


def _only(**queries: dict[str, str]) -> dict[str, dict[str, str]]:
    return {**_NOTHING, **queries}


def test_what_is_polled_by_default(configured: Configured) -> None:
    """With an admin key and a tenant, the queries of section 4 of the design, at their intervals."""
    targets = Targets(configured(tenants=[{"code": "ACME", "extensions": ["100"]}]))

    assert targets.intervals == {
        (Query.PEERS, Scope.SWITCH): 60,
        (Query.CHANNELS, Scope.SWITCH): 30,
        (Query.CHANNELS, Scope.TENANT): 120,
        (Query.CALLS, Scope.SWITCH): 30,
        (Query.CALLS, Scope.TENANT): 120,
        (Query.LICENSE, Scope.SWITCH): 3600,
        (Query.BALANCE, Scope.TENANT): 300,
        (Query.REGISTRATIONS, Scope.TENANT): 300,
    }


def test_nothing_of_the_installation_without_an_admin_key(configured: Configured) -> None:
    """Tenant keys cannot ask about the whole installation, so it is not tried."""
    targets = Targets(configured(key=None, tenants=[{"code": "ACME", "key": "tenant-key"}]))

    assert {scope for _, scope in targets.intervals} == {Scope.TENANT}


@pytest.mark.parametrize(
    ("queries", "tenants", "several"),
    [
        ({"balance": {"tenant_interval": "1m"}}, 1, False),
        ({"balance": {"tenant_interval": "1m"}}, 2, True),
        ({"license": {"interval": "1m"}}, 2, False),
        ({"license": {"interval": "1m"}, "balance": {"tenant_interval": "1m"}}, 1, True),
        ({}, 2, False),
    ],
)
def test_whether_there_are_several_targets(
    queries: dict[str, dict[str, str]],
    tenants: int,
    several: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """What is asked of the whole installation alone is one target, however many tenants there are."""
    codes = [{"code": f"T{number}"} for number in range(tenants)]

    assert Targets(configured(queries=_only(**queries), tenants=codes)).has_several is several


def test_nothing_of_tenants_without_tenants(configured: Configured) -> None:
    """No tenants, no sweeps over tenants; no extensions, no registrations."""
    assert {scope for _, scope in Targets(configured()).intervals} == {Scope.SWITCH}
    assert (Query.REGISTRATIONS, Scope.TENANT) not in Targets(configured(tenants=[{"code": "A"}])).intervals


def test_the_shortest_interval_of_the_tenants_sets_the_pace(configured: Configured) -> None:
    """A sweep comes as often as its most impatient tenant wants."""
    switch = configured(
        queries=_only(calls={"interval": "off", "tenant_interval": "1m"}),
        tenants=[
            {"code": "A"},
            {"code": "B", "queries": {"calls": {"tenant_interval": "30s"}}},
            {"code": "C", "queries": {"calls": {"tenant_interval": "off"}}},
            {"code": "D", "queries": {"calls": {"tenant_interval": "90s"}}},
        ],
    )
    targets = Targets(switch)

    assert targets.intervals == {(Query.CALLS, Scope.TENANT): 30}
    paces = {code: targets.planned_interval(Target(Query.CALLS, Scope.TENANT, code)) for code in "ABCDX"}
    assert paces == {"A": 60, "B": 30, "C": math.inf, "D": 90, "X": math.inf}
    assert targets.requests(Query.CALLS, Scope.TENANT) == pytest.approx(0.5 + 1 + 1 / 3)


def test_a_stretched_plan_slows_every_tenant(configured: Configured) -> None:
    """Where the rate does not suffice, the pace of each target is as much longer as the plan says."""
    switch = configured(
        max_requests_per_second=1,
        queries=_only(calls={"interval": "30s", "tenant_interval": "1m"}),
        tenants=[{"code": f"T{number}"} for number in range(200)],
    )
    targets = Targets(switch)

    stretch = (200 / 60) / (0.95 - 1 / 30)
    assert targets.planned_interval(Target(Query.CALLS, Scope.TENANT, "T0")) == pytest.approx(60 * stretch)
    assert targets.planned_interval(Target(Query.CALLS, Scope.SWITCH)) == 30


def test_channels_node_by_node(configured: Configured) -> None:
    """Where the switch only tells a total, each known node is asked, and the plan counts that."""
    targets = Targets(configured(nodes=["n1", "n2"]))
    assert [item.part for item in targets.switch_items(Query.CHANNELS)] == [""]
    wanted = targets.plan.required_rate

    targets.channels_node_by_node = True

    assert [item.part for item in targets.switch_items(Query.CHANNELS)] == ["", "n1", "n2"]
    assert targets.plan.required_rate == pytest.approx(wanted + 2 / 30)
    targets.channels_node_by_node = False
    assert targets.plan.required_rate == pytest.approx(wanted)


@pytest.mark.parametrize("source", ["regstate", "extensions", "peers"])
def test_the_plan_follows_the_extensions_that_are_found(source: str, configured: Configured) -> None:
    """However often lists come and change, the plan is as if everything had been counted anew."""
    switch = configured(
        queries={"registrations": {"source": source}},
        tenant_defaults={"extensions": "all"},
        tenants=[{"code": "A", "watch": ["100"]}, {"code": "B"}, {"code": "C", "extensions": ["1"]}],
    )
    targets = Targets(switch)

    for code, numbers in (
        ("A", ["100", "101"]),
        ("B", list("123456")),
        ("A", []),
        ("B", ["7"]),
        ("C", ["8"]),
    ):
        targets.set_discovered_extensions(code, numbers)
        wanted, cycles = targets.plan.required_rate, targets.plan.cycles
        targets.configure(switch, [])
        assert targets.plan.required_rate == pytest.approx(wanted)
        assert targets.plan.cycles == pytest.approx(dict(cycles))

    assert targets.extensions("A") == ("100",)
    assert targets.extensions("B") == ("7",)
    assert targets.extensions("C") == ("1",)


@pytest.mark.parametrize(
    ("registrations", "is_asked"),
    [
        ({"source": "regstate"}, True),
        ({"source": "peers"}, True),
        ({"source": "extensions"}, False),
        ({"tenant_interval": "off"}, False),
    ],
)
def test_lists_of_extensions_only_where_they_are_needed(
    registrations: dict[str, str],
    is_asked: bool,  # noqa: FBT001 -- a table
    configured: Configured,
) -> None:
    """They are asked for to know whom to follow: not where the registrations come from them, or are off."""
    targets = Targets(
        configured(queries={"registrations": registrations}, tenants=[{"code": "A", "extensions": "all"}])
    )

    assert ((Query.EXTENSIONS, Scope.TENANT) in targets.intervals) is is_asked


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
    assert made.required_rate == made.rate == pytest.approx(1 / 30 + 100 / 120)
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

    assert (made.cycles, made.required_rate, made.rate, made.first_sweep) == ({}, 0, 0, 30)


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
