"""Requested changes of the world: which are valid, and how they are applied."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exporter.simulator.overrides import AddedCalls, QueueSetting
from exporter.simulator.queues import names as queue_names
from exporter.simulator.trunks import trunks
from exporter.simulator.world import World

_Share = Annotated[float, Field(ge=0, le=1)]
_COUNT = 1_000_000
_HUNDRED_YEARS = 100 * 366 * 86400


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _QueueChanges(_Changes):
    """Calls and agents of a queue; what is not given changes as usual."""

    waiting: Annotated[int, Field(ge=0, le=1000)] | None = None
    longest_wait: Annotated[float, Field(ge=0, le=1e6)] | None = None
    online: Annotated[int, Field(ge=0, le=_COUNT)] | None = None
    paused: Annotated[int, Field(ge=0, le=_COUNT)] | None = None


class _AddedCalls(_Changes):
    """Calls to add to the history: ``number``, evenly over ``seconds``, the first ``ago`` seconds ago."""

    number: Annotated[int, Field(ge=1, le=100_000)]
    direction: Literal["IN", "OUT", "LOCAL"] = "OUT"
    disposition: Literal["ANSWERED", "NO ANSWER", "FAILED", "CONGESTION"] = "ANSWERED"
    duration: Annotated[int, Field(ge=0, le=_COUNT)] = 60
    seconds: Annotated[float, Field(ge=0, le=86400)] = 0.0
    ago: Annotated[float, Field(ge=0, le=_HUNDRED_YEARS)] = 0.0


class _TenantChanges(_Changes):
    """Changes of a tenant. Only fields that were given are applied; the defaults are never used."""

    present: bool = True
    disabled: bool = False
    dropped: _Share = 0.0
    balance: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None
    calls: Annotated[int, Field(ge=0, le=_COUNT)] | None = None
    max_channels: Annotated[int, Field(ge=-1, le=_COUNT)] | None = None
    queues: dict[str, _QueueChanges | None] = {}
    add_calls: _AddedCalls | None = None


class _WorldChanges(_Changes):
    """Changes of the world, in the order of application: time first, because the rest depends on it."""

    freeze: bool = False
    speed: Annotated[float, Field(ge=0.001, le=1e6)] = 1.0
    advance: Annotated[float, Field(ge=0, le=_HUNDRED_YEARS)] = 0.0
    license_days: Annotated[int, Field(ge=-_COUNT, le=_COUNT)] | None = None
    dropped: _Share = 0.0
    nodes: dict[str, bool] = {}
    trunks: dict[str, bool] = {}
    tenants: dict[str, _TenantChanges] = {}


def _change_nodes(world: World, nodes: Mapping[str, bool]) -> None:
    for node, present in nodes.items():
        world.overrides.set_node_present(node, present=present)


def _change_trunks(world: World, changed: Mapping[str, bool]) -> None:
    for name, registered in changed.items():
        world.overrides.set_trunk_registered(name, registered=registered)


def _change_tenants(world: World, tenants: Mapping[str, _TenantChanges]) -> None:
    for code, changes in tenants.items():
        for name in changes.model_fields_set:
            _OF_TENANT[name](world, code, getattr(changes, name))


def _change_queues(world: World, changed: Mapping[str, _QueueChanges | None]) -> None:
    for queue, changes in changed.items():
        setting = None if changes is None else QueueSetting(world.moment(), **changes.model_dump())
        world.overrides.set_queue(queue, setting)


def _add_calls(world: World, code: str, added: _AddedCalls | None) -> None:
    if added is not None:
        start = world.time.wall_time() - added.ago
        world.overrides.add_calls(AddedCalls(code, start, **added.model_dump(exclude={"ago"})))


_OF_WORLD: dict[str, Callable[[World, Any], None]] = {
    "freeze": lambda world, frozen: world.time.freeze(frozen=frozen),
    "speed": lambda world, speed: world.time.set_speed(speed),
    "advance": lambda world, seconds: world.time.advance(seconds),
    "license_days": lambda world, days: world.overrides.set_license_days(days, world.moment()),
    "dropped": lambda world, share: world.overrides.drop_registrations(share),
    "nodes": _change_nodes,
    "trunks": _change_trunks,
    "tenants": _change_tenants,
}
_OF_TENANT: dict[str, Callable[[World, str, Any], None]] = {
    "present": lambda world, code, present: world.overrides.set_tenant_present(code, present=present),
    "disabled": lambda world, code, disabled: world.overrides.set_disabled(code, disabled=disabled),
    "dropped": lambda world, code, share: world.overrides.drop_registrations(share, code),
    "balance": lambda world, code, balance: world.overrides.set_balance(code, balance, world.moment()),
    "calls": lambda world, code, calls: world.overrides.set_calls(code, calls),
    "max_channels": lambda world, code, most: world.overrides.set_max_channels(code, most),
    "add_calls": _add_calls,
    "queues": lambda world, _code, queues: _change_queues(world, queues),
}


def apply_changes(world: World, document: str | bytes) -> None:
    """Apply the changes in a JSON document, all or none. Raises ValueError (pydantic's for invalid values).

    {"freeze": true, "license_days": 3, "nodes": {"pbx2": false}, "tenants": {"ACME": {"balance": -5}}}
    """
    changes = _WorldChanges.model_validate_json(document)
    if unknown := list(_unknown(world, changes)):
        raise ValueError("; ".join(unknown))
    for name, change in _OF_WORLD.items():
        if name in changes.model_fields_set:
            change(world, getattr(changes, name))


def _unknown(world: World, changes: _WorldChanges) -> Iterator[str]:
    """Yield an error for each node, trunk, tenant and queue that does not exist."""
    tenants = {tenant.code: tenant for tenant in world.all_tenants}
    existing = {
        "nodes": world.all_nodes,
        "trunks": [trunk.name for trunk in trunks(world)],
        "tenants": tenants,
    }
    for kind, names in existing.items():
        for name in getattr(changes, kind):
            if name not in names:
                yield f"{kind}.{name}: there is no such {kind[:-1]}"
    for code, of_tenant in changes.tenants.items():
        queues = queue_names(world, tenants[code]) if code in tenants else of_tenant.queues
        for queue in of_tenant.queues:
            if queue not in queues:
                yield f"tenants.{code}.queues.{queue}: there is no such queue"
