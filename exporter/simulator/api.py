"""Answers ``proxyapi.php``: the truth, a refusal, or what a fault makes of it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.simulator import answers
from exporter.simulator.fault_injection import FaultyRequest, inject, reply
from exporter.simulator.faults import Faults
from exporter.simulator.journal import ANSWERED, REFUSED, Entry, Journal
from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest, ForbiddenRequest, for_log, parse
from exporter.simulator.world import World

API_PATH = "/pbx/proxyapi.php"
_LOGGER = logging.getLogger(__name__)

# These take no time whatever the size of the installation. The other answers for the whole of it are made in
# a thread: those for 250,000 phones take up to a second, which would block the event loop.
_SMALL = {"LICENSEDAYS", "HELP"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What one running simulator consists of. ``announce`` gets each line that somebody must see."""

    world: World
    options: Options
    keys: Keys
    faults: Faults
    journal: Journal
    announce: Callable[[str], object]
    allow_remote_control: bool


PARTS = web.AppKey("PARTS", Parts)


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer one request and record it in the journal."""
    parts = request.app[PARTS]
    pairs = list(request.query.items())
    entry = parts.journal.arrive(for_log(pairs), parts.keys.kind(request.query.get("key", "")))
    try:
        return await _answer(request, parse(request.method, pairs), entry)
    except ForbiddenRequest as forbidden:
        return _forbid(parts, entry, str(forbidden))
    finally:
        parts.journal.leave(entry)


async def _answer(request: web.Request, asked: ApiRequest, entry: Entry) -> web.StreamResponse:
    parts, key = request.app[PARTS], request.query.get("key", "")
    if delay := parts.options.latency + (parts.options.peers_delay if asked.operation == "COUNTPEERS" else 0):
        await asyncio.sleep(delay)
    refusal = parts.keys.refusal(key, asked, tenant_known=parts.world.tenant(asked.tenant) is not None)

    async def truth() -> bytes:
        return (refusal if refusal is not None else await _body(parts, asked)).encode()

    content_type = answers.content_type(json=asked.json)
    fault = parts.faults.pick(asked, parts.keys.kind(key))
    if fault is not None:
        entry.outcome = f"fault {fault.kind}"
        return await inject(FaultyRequest(request, fault, content_type, truth, parts.faults.random))
    response = reply(await truth(), content_type)
    entry.outcome = ANSWERED if refusal is None else REFUSED
    return response


async def _body(parts: Parts, asked: ApiRequest) -> str:
    if asked.tenant or asked.operation in _SMALL:
        return answers.body(parts.world, parts.options, asked)
    return await asyncio.to_thread(answers.body, parts.world, parts.options, asked)


def _forbid(parts: Parts, entry: Entry, why: str) -> web.Response:
    parts.journal.forbid(entry, why)
    _LOGGER.error("forbidden request: %s; parameters: %r", why, entry.parameters)
    parts.announce(f"FORBIDDEN REQUEST: {why}; parameters: {entry.parameters!r}")
    return web.Response(status=403, text=f"The simulator refuses this request: {why}\n")
