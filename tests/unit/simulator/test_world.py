import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.truth import truth
from exporter.simulator.world import World


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
