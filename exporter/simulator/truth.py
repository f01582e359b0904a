"""Everything that a perfect exporter would say about the simulated world, as one JSON object."""

from exporter.simulator.tenants import Tenant
from exporter.simulator.world import Figures, World


def truth(world: World, *, code: str = "", extensions: bool = True) -> dict[str, object]:
    """Return the truth of this moment: of the whole, and of every tenant or, with ``code``, of one.

    Raises KeyError for a code that the switch does not know.
    """
    moment = world.moment()
    if code and world.tenant(code) is None:
        raise KeyError(code)
    tenants = [tenant for tenant in world.tenants() if code in {"", tenant.code}]
    return {
        "moment": moment,
        "frozen": world.time.frozen,
        "speed": world.time.speed,
        "switch": _switch(world, moment),
        "tenants": {tenant.code: _tenant(world, tenant, moment, extensions=extensions) for tenant in tenants},
    }


def _switch(world: World, moment: float) -> dict[str, object]:
    whole = world.whole(moment)
    return {
        **_counts(whole),
        "license_days": world.license_days(moment),
        "absent_nodes": sorted(world.overrides.absent_nodes),
        "tenants": sum(not world.disabled(tenant) for tenant in world.tenants()),
    }


def _tenant(world: World, tenant: Tenant, moment: float, *, extensions: bool) -> dict[str, object]:
    described: dict[str, object] = {
        "name": tenant.name,
        "disabled": world.disabled(tenant),
        **_counts(world.figures(tenant, moment)),
        "balance": world.balance(tenant, moment),
        "max_channels": world.max_channels(tenant),
    }
    if extensions:
        registrations = world.phones.registrations(tenant, moment)
        described["extensions"] = dict(zip(tenant.numbers(), registrations, strict=True))
    return described


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
