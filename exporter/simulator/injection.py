"""The effect of a fault on the wire."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from aiohttp import web

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.request import REFUSAL

_ENDLESS_BYTES = 200 * 1024 * 1024
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
_LINGER_0 = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST instead of FIN


@dataclass(frozen=True, slots=True)
class FaultyRequest:
    """A request and its fault. ``truth`` makes the true body."""

    request: web.Request
    fault: Fault
    content_type: str
    truth: Callable[[], Awaitable[bytes]]
    random: Random


async def inject(faulty: FaultyRequest) -> web.StreamResponse:
    """Respond to a request as its fault says."""
    if misbehave := _MISBEHAVIORS.get(faulty.fault.kind):
        return await misbehave(faulty)
    return reply(await _body(faulty), faulty.content_type)


async def _body(faulty: FaultyRequest) -> bytes:
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
        case FaultKind.PHP_WARNING:
            return _PHP_WARNING.encode() + await faulty.truth()
        case FaultKind.TRUNCATE:
            body = await faulty.truth()
            return body[: len(body) // 2]
        case FaultKind.LATIN1:
            body = await faulty.truth()
            text = re.sub(r"\\u([0-9a-f]{4})", lambda escape: chr(int(escape[1], 16)), body.decode())
            return text.encode("latin-1", "replace")
        case FaultKind.EMPTY:
            return b""
        case _:
            raise LookupError(f"{fault.kind}: add what it sends, here or in _MISBEHAVIORS")


def reply(body: bytes, content_type: str = "text/html; charset=UTF-8", status: int = 200) -> web.Response:
    """Return a complete response."""
    return web.Response(body=body, status=status, headers={"Content-Type": content_type})


async def _hang(_faulty: FaultyRequest) -> web.StreamResponse:
    await asyncio.Event().wait()  # canceled when the client leaves or the server stops
    raise AssertionError("nothing sets this event")


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
    return reply(_LOGIN_PAGE.encode())


async def _status(faulty: FaultyRequest) -> web.StreamResponse:
    status = faulty.fault.status
    return reply(f"<h1>{status}</h1>\n".encode(), status=status)


async def _redirect(faulty: FaultyRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": faulty.fault.location})


async def _endless(faulty: FaultyRequest) -> web.StreamResponse:
    response = await _start(faulty, None)
    for _ in range(_ENDLESS_BYTES // len(_CHUNK)):
        await response.write(_CHUNK)
        await asyncio.sleep(0)  # yields to the event loop: a local client reads as fast as this writes
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
    if request.transport:  # else the client has left
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        request.transport.abort()


_MISBEHAVIORS: dict[FaultKind, Callable[[FaultyRequest], Awaitable[web.StreamResponse]]] = {
    FaultKind.HANG: _hang,
    FaultKind.RESET: _reset,
    FaultKind.RESET_MIDWAY: _reset_midway,
    FaultKind.HTML: _html,
    FaultKind.STATUS: _status,
    FaultKind.REDIRECT: _redirect,
    FaultKind.ENDLESS: _endless,
    FaultKind.DRIP: _drip,
}
