import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.truth import truth
from exporter.simulator.world import Size, World, WorldClock


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    """Draw a small frozen world at any time of a year, with some overrides."""
    world = World(
        Size(
            tenants=draw(st.integers(0, 12)),
            nodes=draw(st.integers(1, 5)),
            extensions=draw(st.integers(0, 15)),
        ),
        seed=draw(st.integers(0, 2**40)),
    )
    world.time.freeze()
    world.time.advance(draw(st.floats(0, 366 * 86400)))
    overrides = world.overrides
    codes = st.sampled_from([tenant.code for tenant in world.all_tenants])
    for node in draw(st.sets(st.sampled_from(world.all_nodes))):
        overrides.set_nodes({node: False})
    for code in draw(st.sets(codes, max_size=3)):
        overrides.set_tenant_present(code, present=False)
    for code, calls in draw(st.dictionaries(codes, st.integers(0, 500), max_size=2)).items():
        overrides.set_calls(code, calls)
    overrides.drop_registrations(draw(st.floats(0, 1)))
    return world


@given(_worlds())
@settings(deadline=None)
def test_the_installation_is_the_sum_of_its_tenants(world: World) -> None:
    """Peers and channels per node, and calls, are the sums over the tenants."""
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
def test_peers_and_channels_of_a_tenant(world: World) -> None:
    """Peers are the registered extensions, a call has 1.75 to 2 channels, and no count is negative."""
    moment = world.moment()
    for tenant in world.tenants():
        figures = world.figures(tenant, moment)
        assert sum(figures.peers.values()) == sum(world.phones.registrations(tenant, moment))
        assert 1.75 * figures.calls <= sum(figures.channels.values()) <= 2 * figures.calls
        assert min((0, figures.calls, *figures.peers.values(), *figures.channels.values())) == 0


@given(st.integers(0, 2**64), st.floats(0, 1e8))
@settings(deadline=None, max_examples=25)
def test_a_seed_and_a_moment_make_the_same_world(seed: int, seconds: float) -> None:
    """Two worlds of one seed agree at every moment, whatever was requested before."""
    asked_before, fresh = World(Size(tenants=3), seed=seed), World(Size(tenants=3), seed=seed)
    for world in (asked_before, fresh):
        world.time.freeze()
    truth(asked_before)
    asked_before.time.advance(1000)
    truth(asked_before)
    asked_before.time.advance(seconds)
    fresh.time.advance(1000)
    fresh.time.advance(seconds)
    assert truth(asked_before) == truth(fresh)


def test_calls_stay_within_phones_and_limits() -> None:
    """In a week no tenant has more calls than phones, or more channels than its limit."""
    world = World(Size(tenants=8, extensions=20))
    for tenant in world.tenants():
        limit = world.max_channels(tenant)
        for hour in range(24 * 7):
            figures = world.figures(tenant, hour * 3600.0)
            assert figures.calls <= sum(figures.peers.values())
            assert limit == -1 or sum(figures.channels.values()) <= limit


def test_a_balance_that_was_set_is_spent(world: World) -> None:
    """A balance is exact while time is frozen, and falls during a day."""
    tenant = world.all_tenants[0]
    world.overrides.set_balance(tenant.code, 12.34, world.moment())
    assert world.balance(tenant, world.moment()) == 12.34
    world.time.advance(86400)
    assert world.balance(tenant, world.moment()) < 12.34


def test_the_license_counts_down_and_expires(world: World) -> None:
    """The remaining days fall by one a day, also below zero, from the start or from an override."""
    start = world.moment()
    days = world.license_days(start)
    assert world.license_days(start + 86399) == days
    assert world.license_days(start + 86400) == days - 1
    world.overrides.set_license_days(1, start)
    assert [world.license_days(start + 86400 * day) for day in range(4)] == [1, 0, -1, -2]


@pytest.mark.parametrize("sizes", [{"nodes": 0}, {"tenants": -1}, {"extensions": -1}, {"queues": 1001}])
def test_invalid_sizes_are_rejected(sizes: dict[str, int]) -> None:
    """A world without nodes, or with negative sizes, is an error."""
    with pytest.raises(ValueError, match="expected at least"):
        World(Size(**sizes))


class _Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """Return the real clock of a world."""
    return _Clock()


def test_time_advances_once_a_second(clock: _Clock) -> None:
    """The moment is constant within a second, then advances by the speed, whatever the speed was before."""
    world_clock = WorldClock(clock, speed=60)
    start = world_clock.moment()
    clock.now += 0.99
    assert world_clock.moment() == start
    clock.now += 0.01
    assert world_clock.moment() == start + 60
    world_clock.set_speed(100)
    assert world_clock.moment() == start + 60
    clock.now += 1
    assert world_clock.moment() == start + 160
    assert world_clock.speed == 100


def test_frozen_time(clock: _Clock) -> None:
    """While time is frozen only ``advance`` changes it; then it continues."""
    world_clock = WorldClock(clock, speed=10)
    start = world_clock.moment()
    clock.now += 5
    world_clock.freeze()
    clock.now += 500
    assert world_clock.moment() == start + 50
    assert world_clock.frozen
    world_clock.advance(3600)
    assert world_clock.moment() == start + 3650
    world_clock.freeze(frozen=False)
    clock.now += 1
    assert world_clock.moment() == start + 3660


def test_moments_of_the_past(clock: _Clock) -> None:
    """A time since 1970 has the moment that the world had then, before the start as well."""
    world_clock = WorldClock(clock, speed=60, wall_clock=lambda: 1_790_000_000.0)
    start = world_clock.moment()
    clock.now += 10
    world_clock.freeze()
    clock.now += 10
    world_clock.advance(3600)
    world_clock.freeze(frozen=False)
    clock.now += 10
    world_clock.set_speed(1)
    clock.now += 10
    assert world_clock.wall_time() == 1_790_000_040.0
    moments = {-10: -600, 0: 0, 5: 300, 15: 600, 25: 4500, 30: 4800, 40: 4810}
    assert {
        seconds: world_clock.moment_at(1_790_000_000.0 + seconds) - start for seconds in moments
    } == moments
    world_clock.set_wall_time(5.0)
    assert world_clock.wall_time() == 5.0
    assert world_clock.moment_at(5.0) == world_clock.moment()


def test_frequent_changes_do_not_stop_time(clock: _Clock) -> None:
    """Many changes within a second lose no time."""
    world_clock = WorldClock(clock)
    start = world_clock.moment()
    for _ in range(16):
        clock.now += 0.125
        world_clock.advance(0)
    assert world_clock.moment() == start + 2
