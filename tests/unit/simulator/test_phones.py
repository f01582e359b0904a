from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.phones import dropped, outages, slot_of
from exporter.simulator.tenants import Tenant, make_tenants
from exporter.simulator.world import Size, World


@given(st.integers(1, 6), st.integers(0, 40), st.floats(0, 1), st.sets(st.integers(1, 6)), st.floats(0, 1e7))
def test_all_views_of_the_phones_agree(
    nodes: int, extensions: int, share: float, absent: set[int], moment: float
) -> None:
    """Counts per node, the list, and single phones give the same registrations."""
    world = World(Size(tenants=3, nodes=nodes, extensions=extensions))
    world.overrides.drop_registrations(share)
    for node in absent:
        world.overrides.set_nodes({f"pbx{node}": False})
    for tenant in world.tenants():
        listed = world.phones.registrations(tenant, moment)
        homes = [world.phones.home_node(tenant, position) for position, on in enumerate(listed) if on]
        counted = world.phones.peers(tenant, moment)
        assert {node: homes.count(node) for node in counted} == counted
        assert sum(counted.values()) == len(homes)
        assert [world.phones.registered(tenant, position, moment) for position in range(extensions)] == listed


def test_phones_lose_and_regain_their_registration() -> None:
    """During a day some phone of a tenant goes and returns."""
    world = World(Size(tenants=1, extensions=20))
    tenant = next(world.tenants())
    minutes = [world.phones.registrations(tenant, 60.0 * minute) for minute in range(1440)]
    changes = {change for one, other in pairwise(minutes) for change in zip(one, other, strict=True)}
    assert changes >= {(True, False), (False, True)}


def test_a_disabled_tenant_has_no_registered_phone() -> None:
    """No view shows a registered phone until the tenant is enabled again."""
    world = World(Size(tenants=1, extensions=20))
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
def test_every_outage_is_listed_for_each_hour_it_overlaps(tenant: Tenant, slot: int) -> None:
    """An outage takes 5 to 60 minutes, and the hours of its start and its end both list it."""
    for outage in outages(3, tenant, slot):
        assert 0 <= outage.position < tenant.extensions
        assert 300 <= outage.end - outage.start < 3600
        for moment in (outage.start, outage.end - 1):
            assert outage in outages(3, tenant, slot_of(moment))


@given(_tenant, st.floats(0, 1) | st.just(1.0))
def test_dropping_a_share(tenant: Tenant, share: float) -> None:
    """The share is exact to the next whole phone; 1 is every phone."""
    off = dropped(3, tenant, share)
    assert abs(len(off) - 30 * share) < 1
    assert off <= frozenset(range(30))
