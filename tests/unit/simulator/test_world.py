from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.phones import Overrides, Setting
from exporter.simulator.truth import truth
from exporter.simulator.world import World, WorldClock


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    """Draw a frozen world of any small size, at any time of a year, with some changes in force."""
    world = World(
        tenants=draw(st.integers(0, 12)),
        nodes=draw(st.integers(1, 5)),
        extensions=draw(st.integers(0, 15)),
        seed=draw(st.integers(0, 2**40)),
    )
    world.time.freeze()
    world.time.advance(draw(st.floats(0, 366 * 86400)))
    overrides = world.overrides
    codes = st.sampled_from([tenant.code for tenant in world.all_tenants])
    for node in draw(st.sets(st.sampled_from(world.all_nodes))):
        overrides.set_node_present(node, present=False)
    for code in draw(st.sets(codes, max_size=3)):
        overrides.set_tenant_present(code, present=False)
    for code, calls in draw(st.dictionaries(codes, st.integers(0, 500), max_size=2)).items():
        overrides.set_calls(code, calls)
    overrides.drop_registrations(draw(st.floats(0, 1)))
    return world


@given(_worlds())
@settings(deadline=None)
def test_the_whole_is_the_sum_of_its_tenants(world: World) -> None:
    """Peers and channels by node, and calls, add up over the tenants to those of the installation."""
    moment = world.moment()
    whole = world.whole(moment)
    each = [world.figures(tenant, moment) for tenant in world.tenants()]
    assert whole.calls == sum(figures.calls for figures in each)
    assert list(whole.peers) == list(whole.channels) == world.nodes()
    for node in world.nodes():
        assert whole.peers[node] == sum(figures.peers[node] for figures in each)
        assert whole.channels[node] == sum(figures.channels[node] for figures in each)


@given(_worlds())
@settings(deadline=None)
def test_peers_are_registered_phones_and_channels_follow_calls(world: World) -> None:
    """Of a tenant, peers are its registered extensions, a call has 1.75 to 2 channels, nothing is below 0."""
    moment = world.moment()
    for tenant in world.tenants():
        figures = world.figures(tenant, moment)
        assert sum(figures.peers.values()) == sum(world.phones.registrations(tenant, moment))
        assert 1.75 * figures.calls <= sum(figures.channels.values()) <= 2 * figures.calls
        assert min((0, figures.calls, *figures.peers.values(), *figures.channels.values())) == 0


@given(st.integers(0, 2**64), st.floats(0, 1e8))
@settings(deadline=None, max_examples=25)
def test_a_seed_and_a_moment_make_the_same_world(seed: int, seconds: float) -> None:
    """Two worlds of one seed agree at every moment, whatever they were asked before."""
    asked_before, fresh = World(seed=seed, tenants=3), World(seed=seed, tenants=3)
    for world in (asked_before, fresh):
        world.time.freeze()
    truth(asked_before)
    asked_before.time.advance(1000)
    truth(asked_before)
    asked_before.time.advance(seconds)
    fresh.time.advance(1000)
    fresh.time.advance(seconds)
    assert truth(asked_before) == truth(fresh)


def test_another_seed_makes_another_world() -> None:
    """The seed decides more than nothing."""
    assert truth(World(seed=1)) != truth(World(seed=2))


def test_taking_changes_back_restores_the_world(world: World) -> None:
    """After ``restore`` the truth is what it was before any change."""
    before = truth(world)
    world.overrides.set_node_present("pbx1", present=False)
    world.overrides.set_calls("ACME", 99)
    world.overrides.set_balance("ACME", -7.5, world.moment())
    world.overrides.set_license_days(-2, world.moment())
    world.overrides.drop_registrations(0.5)
    assert truth(world) != before
    world.overrides.restore()
    assert truth(world) == before


def test_natural_calls_stay_within_phones_and_limits() -> None:
    """Over a week no tenant runs more calls than phones, nor more channels than its limit."""
    world = World(tenants=8, extensions=20)
    for tenant in world.tenants():
        limit = world.max_channels(tenant)
        for hour in range(24 * 7):
            figures = world.figures(tenant, hour * 3600.0)
            assert figures.calls <= sum(figures.peers.values())
            assert limit == -1 or sum(figures.channels.values()) <= limit


def test_a_balance_that_was_set_is_spent_from_there(world: World) -> None:
    """A balance is exactly what was set while time stands still, and falls in the course of a day."""
    tenant = world.all_tenants[0]
    world.overrides.set_balance(tenant.code, 12.34, world.moment())
    assert world.balance(tenant, world.moment()) == 12.34
    world.time.advance(86400)
    assert world.balance(tenant, world.moment()) < 12.34


def test_the_license_counts_down_and_runs_out(world: World) -> None:
    """Days of license fall by one a day, also below zero, from the start or from what was set."""
    begun = world.moment()
    days = world.license_days(begun)
    assert world.license_days(begun + 86399) == days
    assert world.license_days(begun + 86400) == days - 1
    world.overrides.set_license_days(1, begun)
    assert [world.license_days(begun + 86400 * day) for day in range(4)] == [1, 0, -1, -2]


def test_a_vanished_node_takes_its_phones_and_calls_along(world: World) -> None:
    """A node that vanished is in no answer, and what was on it is gone from the sums."""
    before = world.whole(world.moment())
    world.overrides.set_node_present("pbx2", present=False)
    after = world.whole(world.moment())
    assert "pbx2" not in after.peers
    assert sum(after.peers.values()) == sum(before.peers.values()) - before.peers["pbx2"]


def test_a_vanished_tenant_is_unknown(world: World) -> None:
    """A tenant that vanished is neither listed nor found."""
    world.overrides.set_tenant_present("ACME", present=False)
    assert world.tenant("ACME") is None
    assert "ACME" not in [tenant.code for tenant in world.tenants()]


@pytest.mark.parametrize("sizes", [{"nodes": 0}, {"tenants": -1}, {"extensions": -1}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    """A world that cannot be is an error at once."""
    with pytest.raises(ValueError, match=r"node|negative"):
        World(**sizes)  # type: ignore[arg-type]  # the sizes are by name


def test_the_truth_adds_up(world: World) -> None:
    """Totals are the sums of nodes and of tenants, and peers are the registered extensions."""
    told = truth(world)
    switch, tenants = told["switch"], told["tenants"]
    assert isinstance(switch, dict)
    assert isinstance(tenants, dict)
    for figure in ("peers", "channels"):
        assert switch[figure] == sum(node[figure] for node in switch["nodes"].values())
        assert switch[figure] == sum(tenant[figure] for tenant in tenants.values())
    assert switch["peers"] == sum(sum(tenant["extensions"].values()) for tenant in tenants.values())
    assert switch["calls"] == sum(tenant["calls"] for tenant in tenants.values())
    assert switch["tenants"] == len(tenants) - 2 == 7


def test_the_truth_can_be_narrowed(world: World) -> None:
    """One tenant can be asked for, with or without its extensions, and an unknown one is an error."""
    told = truth(world, code="ACME", extensions=False)
    assert list(told["tenants"]) == ["ACME"]  # type: ignore[call-overload]  # it is an object
    assert "extensions" not in told["tenants"]["ACME"]  # type: ignore[index]  # likewise
    with pytest.raises(KeyError):
        truth(world, code="NOBODY")


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """Seconds of ours."""
    return _Clock()


def test_time_moves_once_a_second_by_the_speed(clock: _Clock) -> None:
    """Within a second the moment stays; after it, it has moved by the speed."""
    world_clock = WorldClock(clock, speed=60)
    begun = world_clock.moment()
    clock.now += 0.99
    assert world_clock.moment() == begun
    clock.now += 0.01
    assert world_clock.moment() == begun + 60


def test_frozen_time_stands_still_and_then_goes_on(clock: _Clock) -> None:
    """What passes while time is frozen never happened."""
    world_clock = WorldClock(clock, speed=10)
    begun = world_clock.moment()
    clock.now += 5
    world_clock.freeze()
    clock.now += 500
    assert world_clock.moment() == begun + 50
    assert world_clock.frozen
    world_clock.freeze(frozen=False)
    clock.now += 1
    assert world_clock.moment() == begun + 60


def test_another_speed_counts_from_now_on(clock: _Clock) -> None:
    """A change of speed changes nothing of what has passed."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    clock.now += 10
    world_clock.set_speed(100)
    assert world_clock.moment() == begun + 10
    clock.now += 1
    assert world_clock.moment() == begun + 110
    assert world_clock.speed == 100


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_does_not_run_backwards(clock: _Clock, speed: float) -> None:
    """A speed that is not above 0 is refused."""
    with pytest.raises(ValueError, match="above 0"):
        WorldClock(clock).set_speed(speed)


def test_time_can_be_skipped_while_frozen(clock: _Clock) -> None:
    """Advancing moves a frozen world, and only by what was asked."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    world_clock.freeze()
    world_clock.advance(3600)
    clock.now += 7
    assert world_clock.moment() == begun + 3600


def test_frequent_changes_do_not_hold_time(clock: _Clock) -> None:
    """Ten changes within a second lose none of it."""
    world_clock = WorldClock(clock)
    begun = world_clock.moment()
    for _ in range(16):
        clock.now += 0.125
        world_clock.advance(0)
    assert world_clock.moment() == begun + 2


def test_every_change_makes_a_new_generation() -> None:
    """Sums that are kept until the next change are recomputed after each kind of change."""
    overrides = Overrides()
    generations = [overrides.generation]
    changes: list[Callable[[], None]] = [
        lambda: overrides.set_node_present("pbx1", present=False),
        lambda: overrides.set_tenant_present("ACME", present=False),
        lambda: overrides.set_disabled("ACME", disabled=True),
        lambda: overrides.drop_registrations(0.5),
        lambda: overrides.drop_registrations(0.5, "ACME"),
        lambda: overrides.set_calls("ACME", 3),
        lambda: overrides.set_balance("ACME", 3, 0),
        lambda: overrides.set_max_channels("ACME", 3),
        lambda: overrides.set_license_days(3, 0),
        overrides.restore,
    ]
    for change in changes:
        change()
        generations.append(overrides.generation)
    assert len(set(generations)) == len(generations)


def test_none_takes_a_value_back() -> None:
    """A value that was set to None is as if it had never been set."""
    overrides = Overrides()
    overrides.set_calls("ACME", 3)
    overrides.set_calls("ACME", None)
    overrides.set_balance("ACME", 1.5, 10)
    assert overrides.balances == {"ACME": Setting(1.5, 10)}
    overrides.set_balance("ACME", None, 10)
    overrides.set_license_days(1, 10)
    overrides.set_license_days(None, 10)
    assert (overrides.calls, overrides.balances, overrides.license_days) == ({}, {}, None)
