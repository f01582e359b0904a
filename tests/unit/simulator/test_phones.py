from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

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
