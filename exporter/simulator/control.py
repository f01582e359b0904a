"""The control interface under ``/simulator/``: the truth, the requests, the faults, the world."""

import asyncio
import ipaddress
import json
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporter.simulator.api import PARTS, Parts
from exporter.simulator.call_history import totals
from exporter.simulator.faults import parse
from exporter.simulator.overrides import AddedCalls, QueueSetting
from exporter.simulator.page import page
from exporter.simulator.queues import names as queue_names
from exporter.simulator.trunks import trunks
from exporter.simulator.truth import truth
from exporter.simulator.world import World

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ALL = 1_000_000_000
_DEFAULT_PERIOD = 300
_LONGEST_PERIOD = 86400


def routes() -> list[web.RouteDef]:
    """Return the routes of the control interface."""
    return [
        web.get("/", _guarded(_page)),
        web.get("/simulator/truth", _guarded(_truth)),
        web.get("/simulator/calls", _guarded(_calls)),
        web.get("/simulator/requests", _guarded(_requests)),
        web.get("/simulator/faults", _guarded(_list_faults)),
        web.post("/simulator/faults", _guarded(_add_fault)),
        web.delete("/simulator/faults", _guarded(_remove_faults)),
        web.post("/simulator/world", _guarded(_change_world)),
        web.delete("/simulator/world", _guarded(_restore_world)),
    ]


def _guarded(handler: _Handler) -> _Handler:
    """Accept only clients of this machine, unless remote control is allowed."""

    async def guard(request: web.Request) -> web.StreamResponse:
        if request.app[PARTS].allow_remote_control or _is_loopback(request.remote):
            return await handler(request)
        return _error(
            "the control interface is closed to other machines; open it with --allow-remote-control", 403
        )

    return guard


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


async def _page(request: web.Request) -> web.StreamResponse:
    text = page(str(request.url.origin()), request.app[PARTS])
    return web.Response(text=text, content_type="text/html")


async def _truth(request: web.Request) -> web.StreamResponse:
    world = request.app[PARTS].world
    code = request.query.get("tenant", "")
    extensions = request.query.get("extensions", "yes") != "no"
    try:
        return await asyncio.to_thread(lambda: _json(truth(world, code=code, extensions=extensions)))
    except KeyError:
        return _error(f"tenant: there is no tenant {code!r}", 404)


async def _calls(request: web.Request) -> web.StreamResponse:
    world = request.app[PARTS].world
    try:
        end = float(request.query.get("end", str(world.time.wall_time())))
        start = float(request.query.get("start", str(end - _DEFAULT_PERIOD)))
    except ValueError:
        start = end = math.nan
    if not 0 <= end - start <= _LONGEST_PERIOD:
        return _error("start, end: expected seconds since 1970, at most a day apart")
    of_tenants = await asyncio.to_thread(totals, world, start, end)
    counted = {
        code: [
            {"direction": direction, "disposition": disposition, **total._asdict()}
            for (direction, disposition), total in sorted(sums.items())
        ]
        for code, sums in of_tenants.items()
    }
    return _json({"start": start, "end": end, "tenants": counted})


async def _requests(request: web.Request) -> web.StreamResponse:
    journal = request.app[PARTS].journal
    try:
        since, limit = int(request.query.get("since", "0")), int(request.query.get("limit", str(_ALL)))
    except ValueError:
        return _error("since, limit: expected whole numbers")
    entries = journal.since(since, max(0, limit))
    document: dict[str, object] = {
        "counts": journal.counts(),
        "forbidden": journal.forbidden,
        "next": entries[-1].number + 1 if entries else since,
    }
    return await asyncio.to_thread(lambda: _json({**document, "requests": list(map(asdict, entries))}))


async def _list_faults(request: web.Request) -> web.StreamResponse:
    return _json({"faults": request.app[PARTS].faults.described()})


async def _add_fault(request: web.Request) -> web.StreamResponse:
    try:
        fault = parse(await request.read())
    except ValueError as error:
        return _error(_problems(error))
    return _json({"number": request.app[PARTS].faults.add(fault)})


async def _remove_faults(request: web.Request) -> web.StreamResponse:
    faults = request.app[PARTS].faults
    number = request.query.get("number")
    if number is None:
        faults.clear()
    elif not (number.isdecimal() and faults.remove(int(number))):
        return _error(f"number: there is no fault {number!r}", 404)
    return _json({"faults": faults.described()})


async def _change_world(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    try:
        apply_changes(parts.world, await request.read())
    except ValueError as error:
        return _error(_problems(error))
    return _clock(parts)


async def _restore_world(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    parts.world.overrides.restore()
    return _clock(parts)


def _clock(parts: Parts) -> web.Response:
    clock = parts.world.time
    return _json({"moment": clock.moment(), "frozen": clock.frozen, "speed": clock.speed})


def _problems(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


def _json(document: object, status: int = 200) -> web.Response:
    text = json.dumps(document, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")


def _error(problem: str, status: int = 400) -> web.Response:
    return _json({"error": problem}, status)


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
    "nodes": lambda world, present: world.overrides.set_nodes(present),
    "trunks": lambda world, registered: world.overrides.set_trunks(registered),
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
