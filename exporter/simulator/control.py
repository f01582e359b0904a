"""The control interface under ``/simulator/``: the truth, the requests, the faults, the world."""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from exporter.simulator import changes, rules
from exporter.simulator.page import page
from exporter.simulator.parts import PARTS, Parts
from exporter.simulator.truth import truth

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ALL = 1_000_000_000


def routes() -> list[web.RouteDef]:
    """Return what the control interface answers to."""
    return [
        web.get("/", _guarded(_page)),
        web.get("/simulator/truth", _guarded(_truth)),
        web.get("/simulator/requests", _guarded(_requests)),
        web.get("/simulator/faults", _guarded(_list_faults)),
        web.post("/simulator/faults", _guarded(_add_fault)),
        web.delete("/simulator/faults", _guarded(_remove_faults)),
        web.post("/simulator/world", _guarded(_change_world)),
        web.delete("/simulator/world", _guarded(_restore_world)),
    ]


def _guarded(handler: _Handler) -> _Handler:
    """Let only clients of this machine through, unless remote control is allowed."""

    async def guard(request: web.Request) -> web.StreamResponse:
        if request.app[PARTS].allow_remote_control or _is_loopback(request.remote):
            return await handler(request)
        return _wrong("the control interface answers this machine only", status=403)

    return guard


def _is_loopback(address: str | None) -> bool:
    if address is None:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


async def _page(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    return web.Response(
        text=page(str(request.url.origin()), parts.keys, parts.world), content_type="text/html"
    )


async def _truth(request: web.Request) -> web.StreamResponse:
    world = request.app[PARTS].world
    code = request.query.get("tenant", "")
    extensions = request.query.get("extensions", "yes") != "no"
    try:
        return _written(
            await asyncio.to_thread(lambda: _dumped(truth(world, code=code, extensions=extensions)))
        )
    except KeyError:
        return _wrong(f"there is no tenant {code!r}", status=404)


async def _requests(request: web.Request) -> web.StreamResponse:
    journal = request.app[PARTS].journal
    try:
        since, limit = int(request.query.get("since", "0")), int(request.query.get("limit", str(_ALL)))
    except ValueError:
        return _wrong("since and limit are whole numbers")
    entries = journal.since(since, max(0, limit))
    document = {
        "counts": journal.counts(),
        "forbidden": journal.forbidden,
        "next": entries[-1].number + 1 if entries else since,
        "requests": [entry.as_record() for entry in entries],
    }
    return _written(await asyncio.to_thread(_dumped, document))


async def _list_faults(request: web.Request) -> web.StreamResponse:
    return _written(_dumped({"faults": rules.described(request.app[PARTS].faults)}))


async def _add_fault(request: web.Request) -> web.StreamResponse:
    try:
        fault = rules.parse(await _document(request))
    except ValueError as problem:
        return _wrong(str(problem))
    return _written(_dumped({"number": request.app[PARTS].faults.add(fault)}))


async def _remove_faults(request: web.Request) -> web.StreamResponse:
    faults = request.app[PARTS].faults
    number = request.query.get("number")
    if number is None:
        faults.clear()
    elif not (number.isdecimal() and faults.remove(int(number))):
        return _wrong(f"there is no fault {number!r}", status=404)
    return _written(_dumped({"faults": rules.described(faults)}))


async def _change_world(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    try:
        changes.apply(parts.world, await _document(request))
    except ValueError as problem:
        return _wrong(str(problem))
    return _clock(parts)


async def _restore_world(request: web.Request) -> web.StreamResponse:
    parts = request.app[PARTS]
    parts.world.overrides.restore()
    return _clock(parts)


def _clock(parts: Parts) -> web.Response:
    world_clock = parts.world.time
    return _written(
        _dumped({"moment": world_clock.moment(), "frozen": world_clock.frozen, "speed": world_clock.speed})
    )


async def _document(request: web.Request) -> object:
    """Return the JSON of a request. Raises ValueError where it is none."""
    try:
        document: object = json.loads(await request.read())
    except ValueError:
        raise ValueError("the body is not JSON") from None
    return document


def _dumped(document: object) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def _written(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")


def _wrong(why: str, status: int = 400) -> web.Response:
    return web.Response(text=_dumped({"error": why}), status=status, content_type="application/json")
