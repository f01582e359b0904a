"""Changes to the simulated world, read from a JSON object; all of it is made, or nothing.

{"freeze": true, "license_days": 3, "nodes": {"pbx2": false}, "tenants": {"ACME": {"balance": -5}}}
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from exporter.simulator.checks import Check, boolean, number, or_null, problems, whole
from exporter.simulator.world import World

_MONEY = 1e9
_COUNT = 1_000_000
_YEARS = 100 * 366 * 86400


class _OfWorld(NamedTuple):
    check: Check
    make: Callable[[World, Any], None]


class _OfTenant(NamedTuple):
    check: Check
    make: Callable[[World, str, Any], None]


_OBJECT = Check(lambda value: isinstance(value, dict), "an object")


def _set_nodes(world: World, nodes: Mapping[str, bool]) -> None:
    for node, present in nodes.items():
        world.overrides.set_node_present(node, present=present)


def _set_tenants(world: World, tenants: Mapping[str, Mapping[str, object]]) -> None:
    for code, members in tenants.items():
        for name, value in members.items():
            _TENANT[name].make(world, code, value)


# Made from top to bottom: time first, so that what is set is set at the right moment.
_WORLD: dict[str, _OfWorld] = {
    "freeze": _OfWorld(boolean(), lambda world, frozen: world.time.freeze(frozen=frozen)),
    "speed": _OfWorld(number(0.001, 1e6), lambda world, speed: world.time.set_speed(speed)),
    "advance": _OfWorld(number(0, _YEARS), lambda world, seconds: world.time.advance(seconds)),
    "license_days": _OfWorld(
        or_null(whole(-_COUNT, _COUNT)),
        lambda world, days: world.overrides.set_license_days(days, world.moment()),
    ),
    "dropped": _OfWorld(number(0, 1), lambda world, share: world.overrides.drop_registrations(share)),
    "nodes": _OfWorld(_OBJECT, _set_nodes),
    "tenants": _OfWorld(_OBJECT, _set_tenants),
}

_TENANT: dict[str, _OfTenant] = {
    "present": _OfTenant(
        boolean(), lambda world, code, present: world.overrides.set_tenant_present(code, present=present)
    ),
    "disabled": _OfTenant(
        boolean(), lambda world, code, disabled: world.overrides.set_disabled(code, disabled=disabled)
    ),
    "dropped": _OfTenant(
        number(0, 1), lambda world, code, share: world.overrides.drop_registrations(share, code)
    ),
    "balance": _OfTenant(
        or_null(number(-_MONEY, _MONEY)),
        lambda world, code, balance: world.overrides.set_balance(code, balance, world.moment()),
    ),
    "calls": _OfTenant(
        or_null(whole(0, _COUNT)), lambda world, code, calls: world.overrides.set_calls(code, calls)
    ),
    "max_channels": _OfTenant(
        or_null(whole(-1, _COUNT)), lambda world, code, most: world.overrides.set_max_channels(code, most)
    ),
}


def apply(world: World, document: object) -> None:
    """Make the changes that a JSON object asks for. Raises ValueError that names everything wrong with it."""
    if not isinstance(document, dict):
        raise ValueError("changes are an object")  # noqa: TRY004 - what is wrong is foreign input, not our code
    members: dict[str, Any] = document
    if found := _problems(world, members):
        raise ValueError("; ".join(found))
    for name, change in _WORLD.items():
        if name in members:
            change.make(world, members[name])


def _problems(world: World, members: Mapping[str, Any]) -> list[str]:
    found = problems(members, {name: change.check for name, change in _WORLD.items()})
    nodes, tenants = members.get("nodes"), members.get("tenants")
    if isinstance(nodes, dict):
        found += problems(nodes, dict.fromkeys(world.all_nodes, boolean()), "nodes.")
    if isinstance(tenants, dict):
        codes = {tenant.code for tenant in world.all_tenants}
        found += problems(tenants, dict.fromkeys(codes & tenants.keys(), _OBJECT), "tenants.")
        checks = {name: change.check for name, change in _TENANT.items()}
        for code, of_tenant in tenants.items():
            if code in codes and isinstance(of_tenant, dict):
                found += problems(of_tenant, checks, f"tenants.{code}.")
    return found
