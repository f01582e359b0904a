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
class FaultyRequest:
    """A request and the fault that it meets. ``truth`` makes the body that it would have got."""

    request: web.Request
    fault: Fault
    content_type: str
    truth: Callable[[], Awaitable[bytes]]
    random: Random


async def inject(faulty: FaultyRequest) -> web.StreamResponse:
    """Answer a request in the way of its fault."""
    body = await _body(faulty)
    if body is not None:
        return reply(body, faulty.content_type)
    return await _KINDS[faulty.fault.kind](faulty)


async def _body(faulty: FaultyRequest) -> bytes | None:
    """Return the body where the fault is only another body, or the true one late; else None."""
    fault = faulty.fault
    match fault.kind:
        case FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
            return await faulty.truth()
        case FaultKind.REFUSE_KEY:
            return REFUSAL.encode()
        case FaultKind.SENTENCE | FaultKind.BODY:
            return fault.text.encode()
        case FaultKind.GARBAGE:
            return faulty.random.randbytes(fault.size)
        case FaultKind.EMPTY:
            return b""
        case FaultKind.PHP_WARNING:
            return _PHP_WARNING.encode() + await faulty.truth()
        case FaultKind.TRUNCATE:
            body = await faulty.truth()
            return body[: len(body) // 2]
        case _:
            return None


def reply(body: bytes, content_type: str, status: int = 200) -> web.Response:
    """Return a whole answer."""
    return web.Response(body=body, status=status, headers={"Content-Type": content_type})


async def _hang(_faulty: FaultyRequest) -> web.StreamResponse:
    await asyncio.Event().wait()  # until the client goes or the server stops: both cancel this
    raise AssertionError("nobody sets this event")


async def _reset(faulty: FaultyRequest) -> web.StreamResponse:
    _reset_connection(faulty.request)
    return web.Response()


async def _reset_midway(faulty: FaultyRequest) -> web.StreamResponse:
    body = await faulty.truth() or b"0"
    response = await _start(faulty, len(body) + 1)
    await response.write(body[: len(body) // 2])
    _reset_connection(faulty.request)
    return response


async def _html(_faulty: FaultyRequest) -> web.StreamResponse:
    return reply(_LOGIN_PAGE.encode(), "text/html; charset=UTF-8")


async def _status(faulty: FaultyRequest) -> web.StreamResponse:
    status = faulty.fault.status
    return reply(f"<h1>{status}</h1>\n".encode(), "text/html; charset=UTF-8", status)


async def _redirect(faulty: FaultyRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": faulty.fault.location})


async def _endless(faulty: FaultyRequest) -> web.StreamResponse:
    response = await _start(faulty, None)
    for _ in range(ENDLESS_BYTES // len(_CHUNK)):
        await response.write(_CHUNK)
        await asyncio.sleep(
            0
        )  # yields to the event loop: a client on this machine reads as fast as this writes
    return response


async def _drip(faulty: FaultyRequest) -> web.StreamResponse:
    body = await faulty.truth()
    response = await _start(faulty, len(body))
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(faulty.fault.seconds)
    return response


async def _start(faulty: FaultyRequest, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": faulty.content_type})
    if length is not None:
        response.content_length = length
    await response.prepare(faulty.request)
    return response


def _reset_connection(request: web.Request) -> None:
    transport = request.transport
    if transport is None:  # the client has gone already
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    transport.abort()


_KINDS: dict[FaultKind, Callable[[FaultyRequest], Awaitable[web.StreamResponse]]] = {
    FaultKind.HANG: _hang,
    FaultKind.RESET: _reset,
    FaultKind.RESET_MIDWAY: _reset_midway,
    FaultKind.HTML: _html,
    FaultKind.STATUS: _status,
    FaultKind.REDIRECT: _redirect,
    FaultKind.ENDLESS: _endless,
    FaultKind.DRIP: _drip,
}
