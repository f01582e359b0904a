"""Faults: rules that say which requests go wrong, and what is sent then."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from random import Random
from typing import Annotated, ClassVar

from aiohttp import web
from pydantic import ConfigDict, Field, TypeAdapter

from exporter.simulator.request import REFUSAL, ApiRequest, KeyKind


class FaultKind(StrEnum):
    """What the client gets instead of the true response."""

    HANG = "hang"  # no response, until the client leaves
    RESET = "reset"  # the connection is reset
    RESET_MIDWAY = "reset_midway"  # headers, half of the body, then a reset
    SLOW = "slow"  # the true response, late
    REFUSE_KEY = "refuse_key"  # the known refusal
    SENTENCE = "sentence"  # any other sentence
    GARBAGE = "garbage"  # random bytes
    BODY = "body"  # any body
    EMPTY = "empty"  # no body
    HTML = "html"  # a login page
    PHP_WARNING = "php_warning"  # a warning of PHP, then the true response
    TRUNCATE = "truncate"  # the first half of the true response, with a matching length
    LATIN1 = "latin1"  # the true response, with names in Latin-1
    STATUS = "status"  # an HTTP status
    REDIRECT = "redirect"  # to another place
    ENDLESS = "endless"  # a body that continues until the client stops, or 200 MiB
    DRIP = "drip"  # the true response, one byte at a time


_CASE_SENSITIVE = ("tenant", "node", "extension", "queue")


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. A request must match every condition that is not ""; the first rule that matches acts.

    ``probability`` (0 to 1) and ``limit`` (number of uses) restrict it further. ``seconds`` is the delay of a
    response or between two bytes, ``size`` the number of random bytes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    kind: FaultKind
    reqtype: str = ""
    info: str = ""
    object: str = ""
    tenant: str = ""
    node: str = ""
    extension: str = ""
    queue: str = ""
    key: Annotated[str, Field(pattern=f"^({'|'.join(KeyKind)}|)$")] = ""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    limit: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=86400)] = 1.0
    text: str = "Something went wrong"
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    status: Annotated[int, Field(ge=200, le=599)] = 500
    location: str = "/pbx/login.php"

    def matches(self, request: ApiRequest, key_kind: KeyKind) -> bool:
        """Return whether a request meets all conditions."""
        return (
            self.reqtype.upper() in {"", request.reqtype}
            and self.info.lower() in {"", request.info}
            and self.object.lower() in {"", request.object}
            and self.key in {"", key_kind}
            and all(getattr(self, name) in {"", getattr(request, name)} for name in _CASE_SENSITIVE)
        )


_FAULT = TypeAdapter(Fault)
_ARGUMENTS: Mapping[FaultKind, str] = {
    FaultKind.SLOW: "seconds",
    FaultKind.DRIP: "seconds",
    FaultKind.SENTENCE: "text",
    FaultKind.BODY: "text",
    FaultKind.GARBAGE: "size",
    FaultKind.STATUS: "status",
    FaultKind.REDIRECT: "location",
}
_CONDITIONS = {one.name for one in fields(Fault)} - {"kind", *_ARGUMENTS.values()}


def parse(document: str | bytes) -> Fault:
    """Return the rule in a JSON document. Raises ValueError (pydantic's for invalid values)."""
    fault = _FAULT.validate_json(document)
    if unused := sorted(json.loads(document).keys() - _parameters(fault.kind)):
        raise ValueError(f"{', '.join(unused)}: not used by a fault of kind {fault.kind}")
    return fault


def _parameters(kind: FaultKind) -> set[str]:
    return {"kind", *_CONDITIONS, _ARGUMENTS.get(kind, "kind")}


@dataclass(slots=True)
class _Rule:
    fault: Fault
    used: int = 0


class Faults:
    """The active rules. ``random`` decides on probabilities and makes the garbage."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a repeatable sequence is the point
        self._rules: dict[int, _Rule] = {}
        self._added = 0

    def add(self, fault: Fault) -> int:
        """Append a rule and return its number."""
        self._added += 1
        self._rules[self._added] = _Rule(fault)
        return self._added

    def remove(self, number: int) -> bool:
        """Remove a rule and return whether it existed."""
        return self._rules.pop(number, None) is not None

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def pick(self, request: ApiRequest, key_kind: KeyKind) -> Fault | None:
        """Return the fault for a request, and count its use; None if no rule acts."""
        for rule in self._rules.values():
            fault = rule.fault
            if fault.limit is not None and rule.used >= fault.limit:
                continue
            if fault.matches(request, key_kind) and self.random.random() < fault.probability:
                rule.used += 1
                return fault
        return None

    def described(self) -> list[dict[str, object]]:
        """Return the rules in order, each with its number, number of uses, conditions and arguments."""
        return [
            {"number": number, "used": rule.used}
            | {
                name: value
                for name, value in asdict(rule.fault).items()
                if name in _parameters(rule.fault.kind) and value not in {"", None}
            }
            for number, rule in self._rules.items()
        ]


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


# What needs more than a body.
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
