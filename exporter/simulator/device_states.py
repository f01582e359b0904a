"""The device states of phones. They agree with registrations and calls.

The words are Asterisk's (documented, wire notes 2026-10).
"""

from exporter.simulator.tenants import BUSY, Tenant, draw
from exporter.simulator.world import World

UNAVAILABLE = "UNAVAILABLE"
_BUSY_EVERY = 8


def device_states(world: World, tenant: Tenant, moment: float) -> list[str | None]:
    """Return the state of each phone of a tenant, None for extensions that cannot register.

    The tenant's calls are on its first registered phones. A call that rings has one channel instead of two.
    A phone in a call is INUSE; one in eight has a single line and is BUSY instead.
    """
    figures = world.figures(tenant, moment)
    ringing = 2 * figures.calls - sum(figures.channels.values())
    talking = figures.calls - ringing
    states: list[str | None] = []
    for position, registered in enumerate(world.phones.registrations(tenant, moment)):
        if position in tenant.never_register:
            states.append(None)
        elif not registered:
            states.append(UNAVAILABLE)
        elif ringing > 0:
            ringing -= 1
            states.append("RINGING")
        elif talking > 0:
            talking -= 1
            busy = draw(world.seed, BUSY, tenant.index, position) % _BUSY_EVERY == 0
            states.append("BUSY" if busy else "INUSE")
        else:
            states.append("NOT_INUSE")
    return states
