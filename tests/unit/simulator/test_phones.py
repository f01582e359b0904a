from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.phones import dropped, outages, slot_of, spares
from exporter.simulator.tenants import Tenant, make_tenants
from exporter.simulator.world import World


@given(st.integers(1, 6), st.integers(0, 40), st.floats(0, 1), st.sets(st.integers(1, 6)), st.floats(0, 1e7))
def test_three_views_of_the_same_phones_agree(
    nodes: int, extensions: int, share: float, absent: set[int], moment: float
) -> None:
    """Counted by node, listed, or asked one by one: the same phones are registered."""
    world = World(tenants=3, nodes=nodes, extensions=extensions)
    world.overrides.drop_registrations(share)
    for node in absent:
        world.overrides.set_node_present(f"pbx{node}", present=False)
    for tenant in world.tenants():
        listed = world.phones.registrations(tenant, moment)
        homes = [world.phones.home(tenant, position) for position, there in enumerate(listed) if there]
        counted = world.phones.peers(tenant, moment)
        assert {node: homes.count(node) for node in counted} == counted
        assert sum(counted.values()) == len(homes)
        assert [world.phones.registered(tenant, position, moment) for position in range(extensions)] == listed


def test_phones_lose_and_regain_their_registration() -> None:
    """In the course of a day some phone of a tenant goes and comes back."""
    world = World(tenants=1, extensions=20)
    tenant = next(world.tenants())
    days = [world.phones.registrations(tenant, 60.0 * minute) for minute in range(1440)]
    changes = {
        (before[position], after[position]) for before, after in pairwise(days) for position in range(20)
    }
    assert changes >= {(True, False), (False, True)}


def test_phones_of_a_disabled_tenant_are_all_off() -> None:
    """A disabled tenant has no phone registered, in every view, until it is enabled."""
    world = World(tenants=1, extensions=20)
    tenant = next(world.tenants())
    world.overrides.set_disabled(tenant.code, disabled=True)
    assert not any(world.phones.registrations(tenant, 0))
    assert not world.phones.peers(tenant, 0)
    assert not world.phones.registered(tenant, 0, 0)
    world.overrides.set_disabled(tenant.code, disabled=False)
    assert any(world.phones.registrations(tenant, 0))


_TENANTS = make_tenants(200, 30, 4, 3)
_tenant = st.sampled_from(_TENANTS)


@given(_tenant, st.integers(0, 10_000))
def test_no_outage_is_overlooked(tenant: Tenant, slot: int) -> None:
    """Whatever is out during an hour is listed for that hour, as it is for the hours around it."""
    for outage in outages(3, tenant, slot):
        assert 0 <= outage.position < tenant.extensions
        assert 300 <= outage.end - outage.start < 3600
        for moment in (outage.start, outage.end - 1):
            assert outage in outages(3, tenant, slot_of(moment))


def test_a_tenant_without_extensions_has_no_phone_to_lose() -> None:
    """Where there are no extensions nothing is out, spare or dropped."""
    tenant = make_tenants(1, 0, 4, 3)[0]
    assert not outages(3, tenant, 9)
    assert not spares(3, tenant)
    assert not dropped(3, tenant, 1.0)


def test_a_few_phones_are_spares() -> None:
    """About three in a hundred phones never connect."""
    share = sum(len(spares(3, tenant)) for tenant in _TENANTS) / (len(_TENANTS) * 30)
    assert 0.02 < share < 0.04


@given(_tenant, st.floats(0, 1))
def test_dropping_meets_the_share(tenant: Tenant, share: float) -> None:
    """A share of phones is met to the next whole phone."""
    assert abs(len(dropped(3, tenant, share)) - 30 * share) < 1


def test_dropping_all_leaves_none() -> None:
    """A share of 1 holds every phone off."""
    assert dropped(3, _TENANTS[0], 1.0) == frozenset(range(30))
