"""Faults of one response and the expected outcome for each query, derived from the design.

A cell of the matrix is one fault at one query. There is no cell if a query cannot detect a fault; a comment
says why.
"""

import asyncio
import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from tests.e2e.fake_switch import REFUSAL, Exchange, Fault, Request, head
from tests.e2e.programs import Series

TRUTH = None
ABSENT = math.inf
Outcome = str | float | None
"""The reason of a failure, the value served, TRUTH if nothing changes, or ABSENT if there is no value: the
count of one node is invalid, so the total is unknown."""

MAIN, BY_LISTS, BY_PEERS = "main", "by-lists", "by-peers"


@dataclass(frozen=True)
class Column:
    """A query and the target that gets the fault. ``unit``: factor from response to metric."""

    operation: str
    query: str
    metric: str
    tenant: str = ""
    switch: str = MAIN
    unit: float = 1
    more: tuple[tuple[str, str], ...] = ()

    @property
    def request(self) -> Request:
        """The request of the query."""
        return self.operation, self.tenant

    @property
    def scope(self) -> str:
        """The label `scope` of the query."""
        return "tenant" if self.tenant else "switch"

    @property
    def value(self) -> Series:
        """The series with its value."""
        tenant = [("tenant", self.tenant)] if self.tenant else []
        return self.metric, frozenset([("switch", self.switch), *tenant, *self.more])

    def status(self, name: str, **labels: str) -> Series:
        """Return a status series of the query."""
        of = {
            "switch": self.switch,
            "query": self.query,
            "scope": self.scope,
            "tenant": self.tenant,
            **labels,
        }
        return name, frozenset(of.items())


_PHONE = (("extension", "100"),)
COLUMNS: dict[str, Column] = {
    "peers": Column("COUNTPEERS", "peers", "softswitch_peers"),
    "tenant_peers": Column("COUNTPEERS", "peers", "softswitch_tenant_peers", "T0"),
    "channels": Column("COUNTCHANNELS", "channels", "softswitch_channels"),
    "tenant_channels": Column("COUNTCHANNELS", "channels", "softswitch_tenant_channels", "T1"),
    "calls": Column("COUNTCALLS", "calls", "softswitch_calls"),
    "tenant_calls": Column("COUNTCALLS", "calls", "softswitch_tenant_calls", "T2"),
    "license": Column("LICENSEDAYS", "license", "softswitch_license_remaining_seconds", unit=86400),
    "balance": Column("INFO balance", "balance", "softswitch_tenant_balance", "T3"),
    "limits": Column("INFO config", "limits", "softswitch_tenant_channels_limit", "T4"),
    "registrations": Column(
        "INFO regstate", "registrations", "softswitch_extension_registered", "T5", more=_PHONE
    ),
    "tenants": Column("MANAGEDB", "tenants", "softswitch_tenants"),
    "extensions": Column(
        "INFO extensions", "extensions", "softswitch_extension_registered", "T6", more=_PHONE
    ),
    "registrations_by_lists": Column(
        "INFO extensions", "registrations", "softswitch_extension_registered", "L0", BY_LISTS, more=_PHONE
    ),
    "registrations_by_peers": Column(
        "CHANSIPPEERS",
        "registrations",
        "softswitch_extension_registered",
        switch=BY_PEERS,
        more=(("tenant", "L0"), *_PHONE),
    ),
}
QUERIES = {
    "peers": ("interval", "tenant_interval"),
    "channels": ("interval", "tenant_interval"),
    "calls": ("interval", "tenant_interval"),
    "license": ("interval",),
    "balance": ("tenant_interval",),
    "registrations": ("tenant_interval",),
    "limits": ("tenant_interval",),
    "tenants": ("interval",),
    "extensions": ("tenant_interval",),
}
"""The interval keys of each query in a configuration."""

COUNTS = ("peers", "tenant_peers", "channels", "tenant_channels")
NUMBERS = ("calls", "tenant_calls", "license", "balance")
LISTS = ("tenants", "extensions", "registrations_by_lists", "registrations_by_peers")
TEXTS = ("registrations", "limits")
JSON = (*COUNTS, *TEXTS, *LISTS)

Expected = Mapping[str, Outcome]


def _all(default: Outcome, **others: Outcome) -> Expected:
    """Return an outcome for each column; ``counts``, ``numbers``, ``texts`` and ``lists`` are groups."""
    groups = {"counts": COUNTS, "numbers": NUMBERS, "texts": TEXTS, "lists": LISTS}
    expected: dict[str, Outcome] = dict.fromkeys(COLUMNS, default)
    for name, outcome in others.items():
        expected |= dict.fromkeys(groups.get(name, (name,)), outcome)
    return expected


def _of(columns: tuple[str, ...], outcome: Outcome) -> Expected:
    return dict.fromkeys(columns, outcome)


def body(content: bytes | str, *more: str) -> Fault:
    """Respond with a body and additional headers."""
    data = content.encode() if isinstance(content, str) else content

    async def fault(exchange: Exchange) -> None:
        await exchange.send(head(len(data), "200 OK", *more) + data)

    return fault


def raw(content: bytes, *, closes: bool = True) -> Fault:
    """Respond with raw bytes instead of HTTP."""

    async def fault(exchange: Exchange) -> None:
        await exchange.send(content)
        if closes:
            exchange.writer.close()

    return fault


def status(line: str, *more: str) -> Fault:
    """Respond with a status; ``{sent}`` in headers becomes the query string."""

    async def fault(exchange: Exchange) -> None:
        await exchange.send(
            head(0, line, *(header.replace("{sent}", exchange.query_string) for header in more))
        )

    return fault


def around(before: bytes, after: bytes = b"") -> Fault:
    """Respond with bytes around the correct body."""

    async def fault(exchange: Exchange) -> None:
        content = before + exchange.truth + after
        await exchange.send(head(len(content)) + content)

    return fault


async def _reset(exchange: Exchange) -> None:
    exchange.reset()


async def _reset_after_headers(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)))
    await asyncio.sleep(0.1)
    exchange.reset()


async def _half_and_close(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth[:-1])
    exchange.writer.close()


async def _hang(exchange: Exchange) -> None:
    await exchange.wait()


async def _hang_in_head(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth))[:-2])
    await exchange.wait()


async def _hang_in_body(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth[:-1])
    await exchange.wait()


async def _a_byte_a_second(exchange: Exchange) -> None:
    for byte in head(len(exchange.truth)) + exchange.truth:
        await exchange.send(bytes([byte]))
        await asyncio.sleep(1)


async def _late(exchange: Exchange) -> None:
    await asyncio.sleep(5)
    await exchange.send(head(len(exchange.truth)) + exchange.truth)


async def _extra_byte(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth + b"9")


async def _extra_byte_later(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth)
    await asyncio.sleep(_LATER)
    await exchange.send(b"9")


async def _extra_response(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth + head(len(_WRONG_BODY)) + _WRONG_BODY)


async def _extra_response_later(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth)) + exchange.truth)
    await asyncio.sleep(_LATER)
    await exchange.send(head(len(_WRONG_BODY)) + _WRONG_BODY)


async def _length_too_short(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth) - 2) + exchange.truth)


async def _length_too_short_and_the_rest_later(exchange: Exchange) -> None:
    await exchange.send(head(len(exchange.truth) - 2) + exchange.truth[:-2])
    await asyncio.sleep(_LATER)
    await exchange.send(exchange.truth[-2:])


async def _chunked(exchange: Exchange) -> None:
    pieces = [b"%x\r\n%c\r\n" % (1, byte) for byte in exchange.truth]
    await exchange.send(head(None, "200 OK", "Transfer-Encoding: chunked"), *pieces, b"0\r\n\r\n")


async def _chunks_without_end(exchange: Exchange) -> None:
    piece = b"%x\r\n%b\r\n" % (len(exchange.truth), exchange.truth)
    await exchange.send(head(None, "200 OK", "Transfer-Encoding: chunked"), piece)
    exchange.writer.close()


async def _compressed(exchange: Exchange) -> None:
    packed = gzip.compress(exchange.truth)
    await exchange.send(head(len(packed), "200 OK", "Content-Encoding: GZIP") + packed)


async def _endless_continue(exchange: Exchange) -> None:
    while True:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


async def _continue(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n", head(len(exchange.truth)) + exchange.truth)


async def _until_closed(exchange: Exchange) -> None:
    await exchange.send(head(None, "200 OK", "Connection: close") + exchange.truth)
    exchange.writer.close()


async def _endless(exchange: Exchange) -> None:
    await exchange.send(head(None, "200 OK", "Connection: close"))
    while not exchange.writer.is_closing():
        await exchange.send(b"pbx1:1|" * 2**16)


async def _endless_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
    while not exchange.writer.is_closing():
        await exchange.send(b"a" * 2**16)
        await asyncio.sleep(0)


async def _twice(exchange: Exchange) -> None:
    content = exchange.truth + b"\n" + exchange.truth
    await exchange.send(head(len(content)) + content)


async def _half(exchange: Exchange) -> None:
    content = exchange.truth[: len(exchange.truth) // 2]
    await exchange.send(head(len(content)) + content)


async def _echo(exchange: Exchange) -> None:
    content = f"What is {exchange.query_string} meant to be".encode()
    await exchange.send(head(len(content)) + content)


async def _echo_everywhere(exchange: Exchange) -> None:
    await exchange.send(f"HTTP/1.1 {exchange.query_string}\r\n{exchange.query_string}\r\n\r\n".encode())
    exchange.writer.close()


async def _in_utf_16(exchange: Exchange) -> None:
    content = exchange.truth.decode().encode("utf-16")
    await exchange.send(head(len(content)) + content)


async def _invalid_charset(exchange: Exchange) -> None:
    await exchange.send(
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-7;;"\r\n'
        b"Content-Length: %d\r\n\r\n%b" % (len(exchange.truth), exchange.truth)
    )


_WARNING = (
    b'<br />\n<b>Warning</b>:  Undefined array key "nodes" in <b>/var/www/p.php</b> on line <b>42</b><br />\n'
)
_BOMB = gzip.compress(b"[" * 2**24, 1)
_LATER = 0.001
"""Seconds: before the connection is reused for the next request."""

_WRONG_BODY = b'{"pbx1": 666}'
_NUMBER_42 = _all("decode", counts=42.0, numbers=42.0)
_NODES_3 = _all("decode", counts=3.0)
HOSTILE_NODES = r'{"a\"b\\c\nd": 1, "<script>alert(1)</script>": 2, "été,\u2028": 0}'
_LOGIN = "<!DOCTYPE html>\n<html><head><title>Login 42</title></head><body><form></form></body></html>"

ACCEPTED_AFTER_A_RELOAD = ("a closing bracket", "an empty object")
"""As lists these are empty, and the design accepts any list after a reload by the operator."""

FAULTS: dict[str, tuple[Fault, Expected]] = {
    # The connection
    "closes at once": (raw(b""), _all("connect")),
    "resets": (_reset, _all("connect")),
    "resets after the headers": (_reset_after_headers, _all("connect")),
    "closes a byte before the end": (_half_and_close, _all("connect")),
    "chunks without an end": (_chunks_without_end, _all("connect")),
    # Time
    "hangs before the headers": (_hang, _all("timeout")),
    "hangs in the headers": (_hang_in_head, _all("timeout")),
    "hangs in the body": (_hang_in_body, _all("timeout")),
    "a byte a second": (_a_byte_a_second, _all("timeout")),
    "slow, within the timeout": (_late, _all(TRUTH)),
    # Length
    "an extra byte": (_extra_byte, _all("http")),
    "an extra byte, later": (_extra_byte_later, _all(TRUTH)),
    "an extra response": (_extra_response, _all(TRUTH)),
    "an extra response, later": (_extra_response_later, _all(TRUTH)),
    "a length that is too short": (_length_too_short, _all("http")),
    # Not for bare numbers: a part of a number is a number as well.
    "a length that is too short, the rest later": (
        _length_too_short_and_the_rest_later,
        _of(JSON, "decode"),
    ),
    "a length that is not a number": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n42"), _all("http")),
    "a negative length": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n42"), _all("http")),
    "two lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n42"),
        _all("http"),
    ),
    "a length and chunks": (
        raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n"
        ),
        _all("http"),
    ),
    "a chunk with an invalid size": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n42\r\n0\r\n\r\n"),
        _all("http"),
    ),
    "one byte per chunk": (_chunked, _all(TRUTH)),
    "no length": (_until_closed, _all(TRUTH)),
    "an endless body": (_endless, _all("too_large")),
    "endless interim responses": (_endless_continue, _all("http")),
    "endless headers": (_endless_head, _all("http")),
    "10,000 headers": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"), _all("http")),
    # Compression, which was not requested
    "compressed": (_compressed, _all(TRUTH)),
    "a gzip bomb": (body(_BOMB, "Content-Encoding: gzip"), _all("too_large", lists="decode")),
    "a bomb in a bomb": (body(gzip.compress(_BOMB, 1), "Content-Encoding: gzip, gzip"), _all("decode")),
    "a deflate bomb": (
        body(zlib.compress(b"1" * 2**24, 1), "Content-Encoding: deflate"),
        _all("too_large", lists="decode"),
    ),
    "a bomb without a header": (body(_BOMB), _all("decode")),
    # Status
    "no content": (status("204 No Content"), _all("http")),
    "partial content": (status("206 Partial Content"), _all("http")),
    "a redirect": (status("302 Found", "Location: /pbx/login.php"), _all("http")),
    "a redirect with the key": (status("307 Temporary Redirect", "Location: /x?{sent}"), _all("http")),
    "not modified": (status("304 Not Modified"), _all("http")),
    "unauthorized": (
        status("401 Unauthorized", 'WWW-Authenticate: Basic realm="{sent}"'),
        _all("http"),
    ),
    "forbidden": (status("403 Forbidden"), _all("http")),
    "not found": (status("404 Not Found"), _all("http")),
    "proxy authentication required": (status("407 Proxy Authentication Required"), _all("http")),
    "too many requests": (status("429 Too Many Requests", "Retry-After: 40"), _all("http")),
    "a server error": (status("500 Internal Server Error"), _all("http")),
    "a bad gateway": (status("502 Bad Gateway"), _all("http")),
    "unavailable": (status("503 Service Unavailable"), _all("http")),
    "an unknown status": (status("999 What"), _all("http")),
    "another protocol": (status("101 Switching Protocols", "Upgrade: x"), _all("http")),
    "continue, then the truth": (_continue, _all(TRUTH)),
    # Not HTTP
    "an SSH banner": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), _all("http")),
    "a TLS alert": (raw(b"\x15\x03\x01\x00\x02\x02\x46"), _all("http")),
    "HTTP/0.9": (raw(b"42\n"), _all("http")),
    "an echo everywhere": (_echo_everywhere, _all("http")),
    # No value
    "nothing": (body(""), _all("empty")),
    "whitespace": (body("\r\n"), _all("empty")),
    "null": (body("null"), _all("empty")),
    "a closing bracket": (body("]"), _all("empty")),
    "an empty object": (body("{}"), _all("empty")),
    # Text instead of a value
    "the refusal": (body(REFUSAL), _all("auth")),
    "the refusal after a warning": (body(_WARNING + REFUSAL.encode()), _all("auth")),
    "a login page": (body(_LOGIN), _all("decode")),
    "a login page that calls itself JSON": (body(_LOGIN, "Content-Type: application/json"), _all("decode")),
    "a PHP warning before the truth": (around(_WARNING), _all("decode")),
    "a PHP warning after the truth": (around(b"", b"\n" + _WARNING), _all("decode")),
    "a PHP warning before a number": (
        body("Warning: Undefined key in /var/a.php on line 7\n42"),
        _all("decode"),
    ),
    "a sentence": (body("No id specified"), _all("rejected")),
    "a sentence with a number": (body("Sorry, try again at 12:30"), _all("rejected")),
    "a JSON error": (body('{"error": "no such tenant"}'), _all("rejected")),
    "an echo of the request": (_echo, _all("rejected")),
    # Bytes
    "random bytes": (body(bytes(range(128, 256)) * 3), _all("decode")),
    "only NUL bytes": (body(b"\0" * 1000), _all("decode")),
    "a NUL after the truth": (around(b"", b"\0"), _all("decode")),
    "UTF-16": (_in_utf_16, _all("decode")),
    "an invalid charset": (_invalid_charset, _all(TRUTH)),
    "Latin-1": (body("Käse".encode("latin-1")), _all("decode")),
    "a byte order mark": (around(b"\xef\xbb\xbf"), _all(TRUTH)),
    "a byte order mark, 42, a separator": (body("\ufeff42|\r\n"), _NUMBER_42),
    # JSON
    "the truth twice": (_twice, _all("decode")),
    # Not for bare numbers, as above.
    "half of the truth": (_half, _of(JSON, "decode")),
    "JSON cut short": (body('{"pbx1": 1, "pb'), _all("decode")),
    "a long body": (body("x" * 300_000), _all("decode")),
    "brackets without end": (body("[" * 100_000), _all("decode")),
    "a boolean": (body("true"), _all("decode")),
    "a number as a string": (body('"42"'), _NUMBER_42),
    "every value twice": (body('{"0": 3, "pbx1": 3}'), _NODES_3),
    "a total that differs from the sum": (body('{"pbx1": "1", "Total": "3"}'), _NODES_3),
    "hostile names": (body(HOSTILE_NODES), _NODES_3),
    "a NaN among nodes": (body('{"pbx1": NaN}'), _all("decode")),
    "a negative count": (body('{"pbx1": 1, "pbx2": -1}'), _all("decode", counts=ABSENT)),
    "a fractional count": (body('{"pbx1": 1.5}'), _all("decode")),
    "a node twice": (body("pbx1:1|pbx1:2|"), _all("decode", counts=ABSENT)),
    "a node twice, in JSON": (body('{"pbx1": 1, "pbx1": 2}'), _all("decode")),
    "half a surrogate pair": (body(r'{"\ud800": 3}'), _all("decode")),
    "a node without a name": (body('{"": 3}'), _all("decode")),
    "a name of 5,000 letters": (body('{"%s": 3}' % ("n" * 5000)), _all("decode")),
    # Invalid numbers
    "NaN": (body("NaN"), _all("decode")),
    "an infinity": (body("-Infinity"), _all("decode")),
    "10 to the 400th, in digits": (body("1" + "0" * 400), _all("decode")),
    "10 to the 400th": (body("1e400"), _all("decode")),
    "a thousands separator": (body("1,234"), _all("decode")),
    "an underscore": (body("1_000"), _all("decode")),
    "non-ASCII digits": (body("\u0664\u0662"), _all("decode")),
    "a negative number": (body("-5"), _all("decode", license=-5.0, balance=-5.0)),
    "a fraction": (body("12.5"), _all("decode", balance=12.5)),
}
