"""Answers ``proxyapi.php``: the truth, a refusal, or what a fault makes of it."""

import asyncio
import logging

from aiohttp import web

from exporter.simulator import answers
from exporter.simulator.asked import Asked, Forbidden, read, showable
from exporter.simulator.journal import ANSWERED, REFUSED, Entry
from exporter.simulator.misbehaviour import Occasion, misbehave, reply
from exporter.simulator.parts import PARTS, Parts

_LOGGER = logging.getLogger(__name__)

# These take no time whatever the size of the installation. The other answers for the whole of it are made in
# a thread: those for 250,000 phones take up to a second, in which nobody else would be heard.
_SMALL = {"LICENSEDAYS", "HELP"}


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer one request and write it down."""
    parts = request.app[PARTS]
    pairs = list(request.query.items())
    key = request.query.get("key", "")
    entry = parts.journal.arrive(showable(pairs), parts.keys.kind(key))
    try:
        asked = read(request.method, pairs)
        return await _answer(request, asked, key, entry)
    except Forbidden as forbidden:
        return _forbid(parts, entry, str(forbidden))
    finally:
        parts.journal.leave(entry)


async def _answer(request: web.Request, asked: Asked, key: str, entry: Entry) -> web.StreamResponse:
    parts = request.app[PARTS]
    await _take_time(parts, asked)
    refusal = parts.keys.refusal(key, asked, tenant_known=parts.world.tenant(asked.tenant) is not None)

    async def truth() -> bytes:
        return (refusal if refusal is not None else await _body(parts, asked)).encode()

    content_type = answers.content_type(json=asked.json)
    fault = parts.faults.pick(asked, parts.keys.kind(key))
    if fault is not None:
        entry.outcome = f"fault {fault.kind}"
        return await misbehave(Occasion(request, fault, content_type, truth, parts.faults.random))
    response = reply(await truth(), content_type)
    entry.outcome = ANSWERED if refusal is None else REFUSED
    return response


async def _take_time(parts: Parts, asked: Asked) -> None:
    delay = parts.options.latency
    if asked.operation == "COUNTPEERS":
        delay += parts.options.peers_delay
    if delay:
        await asyncio.sleep(delay)


async def _body(parts: Parts, asked: Asked) -> str:
    if asked.tenant or asked.operation in _SMALL:
        return answers.body(parts.world, parts.options, asked)
    return await asyncio.to_thread(answers.body, parts.world, parts.options, asked)


def _forbid(parts: Parts, entry: Entry, why: str) -> web.Response:
    parts.journal.forbid(entry, why)
    _LOGGER.error("forbidden request: %s; parameters: %r", why, entry.parameters)
    parts.announce(f"FORBIDDEN REQUEST: {why}; parameters: {entry.parameters!r}")
    return web.Response(status=403, text=f"The simulator refuses this request: {why}\n")
