"""The control interface under ``/simulator/``: the truth, the requests, the faults, the world."""

import asyncio
import ipaddress
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web
from pydantic import ValidationError

from exporter.simulator.api import PARTS, Parts
from exporter.simulator.call_history import totals
from exporter.simulator.changes import apply_changes
from exporter.simulator.faults import parse
from exporter.simulator.page import page
from exporter.simulator.truth import truth

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
