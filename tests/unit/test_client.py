import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from exporter import __version__
from exporter.client import Client, open_client
from exporter.config import SwitchConfiguration
from exporter.model import Content, Failure, Reason
from exporter.net.bodies import HUGE, LARGE, Reservation
from exporter.queries.spec import ANSWER_LIMIT, LIST_LIMIT
from exporter.request import Operation, Request
from tests.certificates import Authority
from tests.reading import endpoint_of

_KEY = "s3cr3t key/+&%ü"
_PARTS_OF_KEY = ("s3cr3t", "key/", "%C3%BC")
_PEERS = Request(Operation.COUNT_PEERS)

Configured = Callable[..., SwitchConfiguration]
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class _Switch:
    """A server that keeps what it was asked and answers with bytes as they are."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[list[str]] = []
        self.open = 0
        self.closed = asyncio.Event()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.asked.append(head.split("\r\n")[:-2])
                await self._answer(writer)
                await writer.drain()
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    def parameters(self) -> dict[str, str]:
        """Return what stood in the query string of the newest request."""
        return dict(parse_qsl(urlsplit(self.asked[-1][0].split()[1]).query))

    def headers(self) -> dict[str, str]:
        """Return the headers of the newest request, names in lower case."""
        pairs = (line.split(": ", 1) for line in self.asked[-1][1:])
        return {name.lower(): value for name, value in pairs}


@contextlib.asynccontextmanager
async def _asking(
    answer: Answer,
    configured: Configured,
    context: ssl.SSLContext | None = None,
    **settings: object,
) -> AsyncIterator[tuple[Client, _Switch]]:
    switch = _Switch(answer)
    server = await asyncio.start_server(switch.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if context else "http"
    opened = open_client(
        configured(**{"url": f"{scheme}://127.0.0.1:{port}/api", "timeout": "5s", **settings})
    )
    async with server:
        try:
            yield opened, switch
        finally:
            await opened.session.close()


async def _ask(opened: Client, request: Request, key: str) -> Content | Failure:
    async with opened.send(request, key, max_bytes=endpoint_of(request.operation).max_bytes) as body:
        return body


def _plain(body: bytes, status: str = "200 OK", more: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)

    return answer


def _raw(content: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return answer


def _assert_no_key(failure: Content | Failure) -> Failure:
    assert isinstance(failure, Failure)
    assert not [part for part in _PARTS_OF_KEY if part in failure.detail or part in repr(failure)]
    return failure


@pytest.mark.parametrize("body", [b"", b"\r\n", b"pbx1:3|pbx2:4|", b"\x00\xff" * 100_000])
async def test_the_body_is_unchanged(body: bytes, configured: Configured) -> None:
    """The body of an HTTP 200 is returned completely."""
    async with _asking(_plain(body), configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == body


async def test_what_is_sent(configured: Configured) -> None:
    """The request is one GET with the user agent, the parameters and the key, and nothing else."""
    async with _asking(_plain(b"1"), configured) as (opened, switch):
        await _ask(opened, Request(Operation.COUNT_CALLS, tenant="ACME"), _KEY)

        method, target, version = switch.asked[0][0].split()
        assert (method, urlsplit(target).path, version) == ("GET", "/api", "HTTP/1.1")
        assert switch.parameters() == {"reqtype": "COUNTCALLS", "tenant": "ACME", "key": _KEY}
        headers = switch.headers()
        assert headers.pop("host").startswith("127.0.0.1:")
        assert headers == {
            "user-agent": f"softswitch-exporter/{__version__}",
            "accept": "*/*",
            "accept-encoding": "identity",
        }


async def test_the_wildcard_for_all_tenants_is_encoded(configured: Configured) -> None:
    """A bare % is no valid query string; the times have a space and colons."""
    request = Request(Operation.CALL_RECORDS, start="2026-11-02 08:00:00", end="2026-11-02 08:05:00")
    async with _asking(_plain(b"]"), configured) as (opened, switch):
        await _ask(opened, request, _KEY)

        assert "&tenant=%25&" in switch.asked[0][0]
        assert switch.parameters() == {**request.parameters(), "key": _KEY}


@pytest.mark.parametrize(
    "tenant",
    ["A B", "A+B", "A&action=delete", "A%26key=x", "A#B", "Ä=ö;ü", "A\r\nHost: x", "../..", "\u2603"],
)
async def test_a_tenant_code_cannot_become_a_parameter(tenant: str, configured: Configured) -> None:
    """Any code arrives as one value, and adds nothing to the request."""
    async with _asking(_plain(b"1"), configured) as (opened, switch):
        await _ask(opened, Request(Operation.COUNT_CALLS, tenant=tenant), _KEY)

        assert switch.parameters() == {"reqtype": "COUNTCALLS", "tenant": tenant, "key": _KEY}


@pytest.mark.parametrize("status", [201, 204, 206, 401, 403, 404, 407, 429, 500, 503])
async def test_any_other_status_is_a_failure(status: int, configured: Configured) -> None:
    """The detail has the status."""
    body = b"" if status == HTTPStatus.NO_CONTENT else b"5"
    async with _asking(_plain(body, f"{status} x"), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert (failure.reason, failure.status, failure.retry_after) == (Reason.HTTP, status, None)
    assert failure.detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("status", "more", "seconds"),
    [
        ("429 Slow", "Retry-After: 120", 120),
        ("503 x", "Date: Fri, 27 Nov 2026 10:00:00 -0000\r\nRetry-After: Fri, 27 Nov 2026 10:02:00 GMT", 120),
        ("503 x", "Retry-After: soon", None),
        ("404 No", "Retry-After: 120", None),
    ],
)
async def test_retry_after(status: str, more: str, seconds: float | None, configured: Configured) -> None:
    """It is read, in seconds or as a date, from a status that reports overload."""
    async with _asking(_plain(b"", f"{status}\r\n{more}"), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_nor_shown(status: int, configured: Configured) -> None:
    """The key is not sent elsewhere, and the location is not shown."""
    more = "Location: /elsewhere?key=s3cr3t+key%2F\r\n"
    async with _asking(_plain(b"", f"{status} Moved", more), configured) as (opened, switch):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

        assert len(switch.asked) == 1
    assert failure.reason is Reason.HTTP
    assert failure.detail.startswith(f"HTTP {status}, a redirect")
    assert "elsewhere" not in failure.detail


async def test_a_switch_that_hangs(configured: Configured) -> None:
    """The request ends after the timeout, and its connection is closed."""

    async def answer(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)

    async with _asking(answer, configured, timeout="200ms") as (opened, switch):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

        assert failure == Failure(Reason.TIMEOUT, "no complete response within 0.2 s")
        async with asyncio.timeout(1):
            await switch.closed.wait()


async def test_a_switch_that_trickles(configured: Configured) -> None:
    """The timeout applies to the last byte, so single bytes do not extend it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"1")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with _asking(answer, configured, timeout="200ms") as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.reason is Reason.TIMEOUT


async def test_cancelling_closes_the_connection(configured: Configured) -> None:
    """A cancelled request does not continue in the background."""
    arrived = asyncio.Event()

    async def answer(_: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.sleep(0)

    async with _asking(answer, configured) as (opened, switch):
        task = asyncio.create_task(_ask(opened, _PEERS, _KEY))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with asyncio.timeout(1):
            await switch.closed.wait()


_ODD_ANSWERS = {
    "nothing at all": (b"", Reason.CONNECT),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12", Reason.CONNECT),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n12", Reason.CONNECT),
    "half a header": (b"HTTP/1.1 200 OK\r\nContent-", Reason.CONNECT),
    "no chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", None),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Reason.HTTP),
    "a bare sentence": (b"Too bad... you mistaken the security api key.\r\n\r\n", Reason.HTTP),
    "an endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Reason.HTTP),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", Reason.HTTP),
    "contradiction": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Reason.HTTP),
}


@pytest.mark.parametrize("name", _ODD_ANSWERS)
async def test_broken_responses(name: str, configured: Configured) -> None:
    """Each is a failure with a reason, and never a partial body."""
    content, reason = _ODD_ANSWERS[name]
    async with _asking(_raw(content), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.reason is reason or (reason is None and failure.reason in {Reason.CONNECT, Reason.HTTP})
    assert failure.detail


async def test_nobody_listens(configured: Configured) -> None:
    """A refused connection is reported in the words of the system."""
    async with _asking(_plain(b"1"), configured) as (opened, _):
        pass
    again = open_client(configured(url=str(opened.url), timeout="5s"))

    failure = _assert_no_key(await _ask(again, _PEERS, _KEY))

    await again.session.close()
    assert failure.reason is Reason.CONNECT
    assert failure.detail == "no connection: Connection refused"


@pytest.mark.parametrize("name", ["pbx.invalid", "pbx..invalid", f"{'p' * 64}.invalid"])
async def test_a_name_that_does_not_exist(name: str, configured: Configured) -> None:
    """A host name that is unknown or invalid is reported with the reason."""
    opened = open_client(configured(url=f"http://{name}/api", timeout="5s"))

    failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    await opened.session.close()
    assert failure.reason is Reason.CONNECT
    assert failure.detail.startswith(f"the name {name} cannot be resolved: ")
    assert failure.detail.endswith("not a valid host name") or name == "pbx.invalid"


@pytest.mark.parametrize(
    ("operation", "limit"),
    [(Operation.COUNT_PEERS, ANSWER_LIMIT), (Operation.PEERS, LIST_LIMIT)],
)
async def test_too_large(operation: Operation, limit: int, configured: Configured) -> None:
    """An endless response is stopped at its limit, which is higher for lists."""
    sent = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"40000\r\n" + b"1" * 0x40000 + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()
            sent += 0x40000

    async with _asking(answer, configured) as (opened, switch):
        failure = _assert_no_key(await _ask(opened, Request(operation), _KEY))

        assert failure == Failure(Reason.TOO_LARGE, f"the response is larger than {limit // 2**20} MiB")
        async with asyncio.timeout(2):
            await switch.closed.wait()
    assert limit < sent < limit + 16 * 2**20


async def test_a_compressed_body_is_unpacked(configured: Configured) -> None:
    """A proxy that compresses without being asked to does no harm."""
    packed = _plain(gzip.compress(b"pbx1:3|"), more="Content-Encoding: GZip\r\n")
    async with _asking(packed, configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == b"pbx1:3|"


@pytest.mark.parametrize(
    "head",
    [
        "X: " + "x" * (64 * 1024 - 1) + "\r\n",
        "".join(f"X-{number}: {'y' * 900}\r\n" for number in range(299)),
        "Date: Wed, 11 Nov 2026 10:00:00 -0000\r\n",
        "Date: yesterday\r\nContent-Type: ;;;charset=\r\nKeep-Alive: ,\r\nSet-Cookie: ;=\xff\r\n",
    ],
    ids=["64 KiB", "300 headers", "a date without a zone", "nonsense"],
)
async def test_a_head_that_curl_reads(head: str, configured: Configured) -> None:
    """Long heads and meaningless headers are accepted."""
    async with _asking(_plain(b"5", more=head), configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == b"5"


async def test_a_bad_chunk_in_a_later_packet(configured: Configured) -> None:
    """The request fails at once with the reason; aiohttp would wait for more."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"nonsense\r\n")

    async with _asking(answer, configured, timeout="60s") as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure == Failure(Reason.HTTP, "the response has an invalid chunk")


_SMALL_UNPACKED = gzip.compress(b"5") + bytes(400_000)
_GZIP = "Content-Encoding: gzip\r\n"
_LIMIT = HUGE + 2**20
_HUGE_BODY = b"5" * (HUGE + 1)


async def _ask_for_huge(opened: Client) -> Reason | None:
    async with opened.send(_PEERS, _KEY, max_bytes=_LIMIT) as body:
        return body.reason if isinstance(body, Failure) else None


@pytest.mark.parametrize(
    ("body", "more", "reason"),
    [
        (_SMALL_UNPACKED, _GZIP, None),
        (gzip.compress(b"5" * (LARGE + 1)), _GZIP, None),
        (gzip.compress(bytes(_LIMIT + 1)), _GZIP, Reason.TOO_LARGE),
        (b"nonsense" * 100_000, _GZIP, Reason.DECODE),
        (gzip.compress(b"5") + bytes(HUGE), _GZIP, None),
        (_HUGE_BODY, "", None),
        (b"5" * (_LIMIT + 1), "", Reason.TOO_LARGE),
    ],
    ids=["small unpacked", "large unpacked", "bomb", "bad gzip", "huge padded gzip", "plain", "too large"],
)
async def test_every_outcome_frees_the_body_budget(
    body: bytes, more: str, reason: Reason | None, configured: Configured
) -> None:
    """Two huge bodies fit at a time, so a leak would make the third request time out."""
    async with _asking(_plain(body, more=more), configured) as (opened, _):
        assert [await _ask_for_huge(opened) for _ in range(3)] == [reason] * 3


@pytest.mark.parametrize("end", ["error", "timeout", "cancelled"])
async def test_a_request_that_ends_early_frees_the_body_budget(end: str, configured: Configured) -> None:
    """An error while the body is decoded, and the end of a request that waits for the budget."""
    async with _asking(_plain(_HUGE_BODY), configured, timeout="2s") as (opened, _):
        for _ in range(3):
            if end == "error":
                with pytest.raises(KeyError):
                    async with opened.send(_PEERS, _KEY, max_bytes=_LIMIT):
                        raise KeyError
                continue
            with contextlib.ExitStack() as stack:
                for _ in range(2):
                    other = Reservation(opened.budget, asyncio.Semaphore(1))
                    stack.callback(other.release)
                    await other.grow(HUGE + 1)
                task = asyncio.create_task(_ask_for_huge(opened))
                if end == "timeout":
                    assert await task is Reason.TIMEOUT
                else:
                    await asyncio.sleep(0.2)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
        assert await _ask_for_huge(opened) is None


async def test_cookies_are_not_kept(configured: Configured) -> None:
    """Cookies of the switch are not sent back."""
    async with _asking(_plain(b"1", more="Set-Cookie: PHPSESSID=abc; Path=/\r\n"), configured) as (
        opened,
        switch,
    ):
        await _ask(opened, _PEERS, _KEY)
        await _ask(opened, _PEERS, _KEY)

        assert len(switch.asked) == 2
        assert "cookie" not in switch.headers()


async def test_no_secret_in_the_repr_of_a_client(configured: Configured) -> None:
    """A client in a traceback shows no password of the proxy or of the URL."""
    opened = open_client(configured(proxy_url="http://user:pr0xy-s3cr3t@127.0.0.1:9"))
    await opened.session.close()

    assert "pr0xy-s3cr3t" not in repr(opened)


@pytest.mark.parametrize(
    ("tls", "answered"),
    [
        ({}, False),
        ({"ca_file": "AUTHORITY"}, False),
        ({"ca_file": "AUTHORITY", "server_name": "switch.test"}, True),
        ({"ca_file": "AUTHORITY", "server_name": "other.test"}, False),
        ({"insecure_skip_verify": True}, True),
    ],
    ids=["unknown authority", "wrong address", "right name", "wrong name", "unchecked"],
)
async def test_certificates(
    tls: dict[str, object],
    answered: bool,  # noqa: FBT001 -- a table
    authority: Authority,
    configured: Configured,
) -> None:
    """Without the right certificate no request is sent, and so no key."""
    pair = authority.issue("switch", "DNS:switch.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    trusted = str(authority.certificate)
    tls = {name: trusted if value == "AUTHORITY" else value for name, value in tls.items()}
    async with _asking(_plain(b"5"), configured, context, tls=tls) as (opened, switch):
        outcome = await _ask(opened, _PEERS, _KEY)

        assert len(switch.asked) == int(answered)
    if answered:
        assert outcome == b"5"
    else:
        assert _assert_no_key(outcome).reason is Reason.TLS
        assert "certificate" in _assert_no_key(outcome).detail


@pytest.mark.parametrize(
    "reply",
    [b"\x15\x03\x03\x00\x02\x02\x46", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ids=["too old a version", "a server without TLS"],
)
async def test_a_failed_handshake(reply: bytes, configured: Configured) -> None:
    """The reason is `tls`, and no key was sent."""
    greetings = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.read(4096))
        writer.write(reply)
        writer.write_eof()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        opened = open_client(configured(url=f"https://127.0.0.1:{port}/api", timeout="5s"))
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))
        await opened.session.close()

    assert failure.reason is Reason.TLS
    assert not [greeting for greeting in greetings if b"s3cr3t" in greeting]


async def test_a_late_tls_alert(configured: Configured) -> None:
    """An alert after the handshake of TLS 1.3 is wrapped as a network error, but has the reason `tls`."""
    opened = open_client(configured(url="https://127.0.0.1:9/api"))
    await opened.session.close()
    wrapped = aiohttp.ClientOSError(1, "tlsv13 alert certificate required")
    wrapped.__cause__ = ssl.SSLError(1, "tlsv13 alert certificate required")
    assert opened._failure(wrapped).reason is Reason.TLS
