from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.device_states import device_states
from exporter.simulator.technologies import UNREGISTRABLE, Technologies
from exporter.simulator.world import Size, World


@given(st.integers(0, 2**30), st.floats(0, 1e7), st.floats(0, 1))
@settings(deadline=None)
def test_states_agree_with_registrations_and_calls(seed: int, moment: float, dropped: float) -> None:
    """UNAVAILABLE is unregistered, and each call is on one phone: RINGING, INUSE or BUSY."""
    world = World(Size(tenants=2, extensions=25), seed=seed, technologies=Technologies(0.4, 0.1, 0.1))
    world.overrides.drop_registrations(dropped)
    for tenant in world.tenants():
        states = device_states(world, tenant, moment)
        registrations = world.phones.registrations(tenant, moment)
        assert [state not in {None, "UNAVAILABLE"} for state in states] == registrations
        assert [state is None for state in states] == [one in UNREGISTRABLE for one in tenant.technologies]
        figures = world.figures(tenant, moment)
        in_calls = [state for state in states if state in {"RINGING", "INUSE", "BUSY"}]
        assert len(in_calls) == figures.calls
        assert in_calls.count("RINGING") == 2 * figures.calls - sum(figures.channels.values())


def test_some_phones_are_busy_in_a_call() -> None:
    """With a call on every phone, some are BUSY, some RINGING, and most INUSE."""
    world = World(Size(tenants=1, extensions=40))
    world.overrides.set_calls("ACME", 40)
    states = device_states(world, world.all_tenants[0], world.moment())
    assert states.count("INUSE") > states.count("BUSY") > 0
    assert states.count("RINGING") > 0
