"""What a perfect exporter would report.

It uses the same figures as the responses, so they agree.
"""

from collections import Counter

from exporter.simulator.phone_lists import device_states
from exporter.simulator.queues import QueueState, names, states
from exporter.simulator.tenants import Tenant
from exporter.simulator.trunks import Trunk, registered, round_trip, trunks
from exporter.simulator.world import Figures, World


def truth(world: World, *, code: str = "", extensions: bool = True) -> dict[str, object]:
    """Return what a perfect exporter would report now, for all tenants or for one.

    An extension that cannot register is None. Raises KeyError if the switch has no tenant with this code.
    """
    moment = world.moment()
    if code and world.tenant(code) is None:
        raise KeyError(code)
    tenants = [tenant for tenant in world.tenants() if code in {"", tenant.code}]
    return {
        "moment": moment,
        "frozen": world.time.frozen,
        "speed": world.time.speed,
        "switch": {
            **_counts(world.whole(moment)),
            "license_days": world.license_days(moment),
            "absent_nodes": sorted(world.overrides.absent_nodes),
            "trunks": {trunk.name: _trunk(world, trunk) for trunk in trunks(world)},
            "tenants": sum(not world.disabled(tenant) for tenant in world.tenants()),
        },
        "tenants": {tenant.code: _tenant(world, tenant, moment, extensions=extensions) for tenant in tenants},
    }


def _tenant(world: World, tenant: Tenant, moment: float, *, extensions: bool) -> dict[str, object]:
    described: dict[str, object] = {
        "name": tenant.name,
        "disabled": world.disabled(tenant),
        **_counts(world.figures(tenant, moment)),
        "balance": world.balance(tenant, moment),
        "max_channels": world.max_channels(tenant),
        "max_extensions": tenant.max_extensions,
        "max_dids": tenant.max_dids,
    }
    devices = device_states(world, tenant, moment)
    described["devices"] = dict(Counter(filter(None, devices)))
    described["queues"] = {
        queue: _queue(state, name)
        for (queue, state), name in zip(
            states(world, tenant, moment).items(), names(world, tenant).values(), strict=True
        )
    }
    if extensions:
        numbers = tenant.numbers()
        registrations = world.phones.registrations(tenant, moment)
        described["extensions"] = {
            number: None if position in tenant.never_register else registrations[position]
            for position, number in enumerate(numbers)
        }
        described["technologies"] = dict(zip(numbers, tenant.technologies, strict=True))
        described["device_states"] = dict(zip(numbers, devices, strict=True))
    return described


def _queue(state: QueueState, name: str) -> dict[str, object]:
    return {
        "name": name,
        "calls_waiting": len(state.waits),
        "longest_wait_seconds": max(state.waits, default=0),
        "agents": {"online": state.online, "paused": state.paused, "free": state.free},
        "service_level": state.service_level,
        "received": state.received,
        "answered": state.answered,
        "abandoned": state.abandoned,
    }


def _trunk(world: World, trunk: Trunk) -> dict[str, object]:
    return {
        "tenant": trunk.tenant.code if trunk.tenant else "",
        "registered": registered(world, trunk),
        "round_trip_seconds": round_trip(world, trunk) / 1000,
    }


def _counts(figures: Figures) -> dict[str, object]:
    return {
        "peers": sum(figures.peers.values()),
        "channels": sum(figures.channels.values()),
        "calls": figures.calls,
        "nodes": {
            node: {"peers": peers, "channels": figures.channels[node]}
            for node, peers in figures.peers.items()
        },
    }
