"""Carries out a fault on the wire: one function for each kind."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from aiohttp import web

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.keys import REFUSAL

ENDLESS_BYTES = 200 * 1024 * 1024
_CHUNK = b"pbx1:1|" * 9362  # about 64 KiB

_LOGIN_PAGE = """<!DOCTYPE html>
<html><head><title>Login</title></head><body>
<form method="post" action="/pbx/login.php">
<input name="username"><input name="password" type="password">
</form>
</body></html>
"""
_PHP_WARNING = """<br />
<b>Warning</b>:  Undefined array key "nodes" in <b>/var/www/pbx/proxyapi.php</b> on line <b>1042</b><br />
"""
_RESET_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST instead of FIN


@dataclass(frozen=True, slots=True)
class Occasion:
    """A request that something befalls. ``truth`` makes the body that it would have got."""

    request: web.Request
    fault: Fault
    content_type: str
    truth: Callable[[], Awaitable[bytes]]
    random: Random


async def misbehave(occasion: Occasion) -> web.StreamResponse:
    """Answer a request in the way of its fault."""
    return await _KINDS[occasion.fault.kind](occasion)


def reply(body: bytes, content_type: str, status: int = 200) -> web.Response:
    """Return a whole answer."""
    return web.Response(body=body, status=status, headers={"Content-Type": content_type})


async def _hang(_occasion: Occasion) -> web.StreamResponse:
    await asyncio.Event().wait()  # until the client goes or the server stops: both cancel this
    raise AssertionError("nobody sets this event")


async def _reset(occasion: Occasion) -> web.StreamResponse:
    _reset_connection(occasion.request)
    return web.Response()


async def _reset_midway(occasion: Occasion) -> web.StreamResponse:
    body = await occasion.truth() or b"0"
    response = await _begun(occasion, len(body) + 1)
    await response.write(body[: len(body) // 2])
    _reset_connection(occasion.request)
    return response


async def _slow(occasion: Occasion) -> web.StreamResponse:
    await asyncio.sleep(occasion.fault.seconds)
    return await _true(occasion)


async def _true(occasion: Occasion) -> web.StreamResponse:
    return reply(await occasion.truth(), occasion.content_type)


async def _refuse_key(occasion: Occasion) -> web.StreamResponse:
    return reply(REFUSAL.encode(), occasion.content_type)


async def _text(occasion: Occasion) -> web.StreamResponse:
    return reply(occasion.fault.text.encode(), occasion.content_type)


async def _garbage(occasion: Occasion) -> web.StreamResponse:
    return reply(occasion.random.randbytes(occasion.fault.size), occasion.content_type)


async def _empty(occasion: Occasion) -> web.StreamResponse:
    return reply(b"", occasion.content_type)


async def _html(_occasion: Occasion) -> web.StreamResponse:
    return reply(_LOGIN_PAGE.encode(), "text/html; charset=UTF-8")


async def _php_warning(occasion: Occasion) -> web.StreamResponse:
    return reply(_PHP_WARNING.encode() + await occasion.truth(), occasion.content_type)


async def _truncate(occasion: Occasion) -> web.StreamResponse:
    body = await occasion.truth()
    return reply(body[: len(body) // 2], occasion.content_type)


async def _status(occasion: Occasion) -> web.StreamResponse:
    status = occasion.fault.status
    return reply(f"<h1>{status}</h1>\n".encode(), "text/html; charset=UTF-8", status)


async def _redirect(occasion: Occasion) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": occasion.fault.location})


async def _endless(occasion: Occasion) -> web.StreamResponse:
    response = await _begun(occasion, None)
    for _ in range(ENDLESS_BYTES // len(_CHUNK)):
        await response.write(_CHUNK)
        await asyncio.sleep(0)  # a client on this machine reads so fast that nobody else would get a turn
    return response


async def _drip(occasion: Occasion) -> web.StreamResponse:
    body = await occasion.truth()
    response = await _begun(occasion, len(body))
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(occasion.fault.seconds)
    return response


async def _begun(occasion: Occasion, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": occasion.content_type})
    if length is not None:
        response.content_length = length
    await response.prepare(occasion.request)
    return response


def _reset_connection(request: web.Request) -> None:
    transport = request.transport
    if transport is None:  # the client has gone already
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    transport.abort()


_KINDS: dict[FaultKind, Callable[[Occasion], Awaitable[web.StreamResponse]]] = {
    FaultKind.HANG: _hang,
    FaultKind.RESET: _reset,
    FaultKind.RESET_MIDWAY: _reset_midway,
    FaultKind.SLOW: _slow,
    FaultKind.REFUSE_KEY: _refuse_key,
    FaultKind.SENTENCE: _text,
    FaultKind.GARBAGE: _garbage,
    FaultKind.BODY: _text,
    FaultKind.EMPTY: _empty,
    FaultKind.HTML: _html,
    FaultKind.PHP_WARNING: _php_warning,
    FaultKind.TRUNCATE: _truncate,
    FaultKind.STATUS: _status,
    FaultKind.REDIRECT: _redirect,
    FaultKind.ENDLESS: _endless,
    FaultKind.DRIP: _drip,
}
