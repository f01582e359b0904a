import asyncio
import contextlib
import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from exporter import __version__
from exporter.client import Client, open_client
from exporter.config import SwitchConfiguration
from exporter.model import Content, Failure, Reason
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
    async with opened.ask(request, key, max_bytes=endpoint_of(request.operation).max_bytes) as body:
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
async def test_the_body_comes_as_it_is(body: bytes, configured: Configured) -> None:
    """An HTTP 200 is passed on to the last byte; what it means is for others to say."""
    async with _asking(_plain(body), configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == body


async def test_what_is_sent(configured: Configured) -> None:
    """One GET on the configured path, with who asks, the request and the key, and nothing else."""
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


@pytest.mark.parametrize(
    "tenant",
    [
        "A B",
        "A+B",
        "A&action=delete",
        "A%26key=x",
        "A#B",
        "Ä=ö;ü",
        "A\r\nHost: x",
        "../..",
        "\N{EARTH GLOBE EUROPE-AFRICA}",
    ],
)
async def test_a_tenant_code_cannot_become_a_parameter(tenant: str, configured: Configured) -> None:
    """Whatever a code is, it arrives as one value, and nothing is added to the request."""
    async with _asking(_plain(b"1"), configured) as (opened, switch):
        await _ask(opened, Request(Operation.COUNT_CALLS, tenant=tenant), _KEY)

        assert switch.parameters() == {"reqtype": "COUNTCALLS", "tenant": tenant, "key": _KEY}


@pytest.mark.parametrize(
    "status",
    [
        "201 Created",
        "204 No Content",
        "206 Partial",
        "401 No",
        "403 No",
        "404 No",
        "429 Slow",
        "500 Oops",
        "503 x",
    ],
)
async def test_any_other_status_is_a_failure(status: str, configured: Configured) -> None:
    """Only a 200 can hold an answer; the detail tells the status."""
    body = b"" if status.startswith("204") else b"5"
    async with _asking(_plain(body, status), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert (failure.reason, failure.status, failure.retry_after) == (Reason.HTTP, int(status[:3]), None)
    assert failure.detail.startswith(f"HTTP {status[:3]}")


@pytest.mark.parametrize(
    ("status", "more", "seconds"),
    [
        ("429 Slow", "Retry-After: 120", 120),
        ("503 x", "Date: Fri, 27 Nov 2026 10:00:00 -0000\r\nRetry-After: Fri, 27 Nov 2026 10:02:00 GMT", 120),
        ("503 x", "Retry-After: soon", None),
        ("404 No", "Retry-After: 120", None),
    ],
)
async def test_how_long_an_answer_asks_to_wait(
    status: str, more: str, seconds: float | None, configured: Configured
) -> None:
    """In seconds or as a date, with a status that tells of too much to do."""
    async with _asking(_plain(b"", f"{status}\r\n{more}"), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_nor_shown(status: int, configured: Configured) -> None:
    """The key does not travel to another place, and where it would have gone is not told."""
    more = "Location: /elsewhere?key=s3cr3t+key%2F\r\n"
    async with _asking(_plain(b"", f"{status} Moved", more), configured) as (opened, switch):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

        assert len(switch.asked) == 1
    assert failure.reason is Reason.HTTP
    assert failure.detail.startswith(f"HTTP {status}, a redirect")
    assert "elsewhere" not in failure.detail


async def test_a_switch_that_hangs(configured: Configured) -> None:
    """After the timeout the request is over, and its connection closed."""

    async def answer(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)

    async with _asking(answer, configured, timeout="200ms") as (opened, switch):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

        assert failure == Failure(Reason.TIMEOUT, "no complete response within 0.2 s")
        async with asyncio.timeout(1):
            await switch.closed.wait()


async def test_a_switch_that_trickles(configured: Configured) -> None:
    """The timeout counts to the last byte: one byte now and then does not keep a request alive."""

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
    """A request that is not wanted any more does not go on in the background."""
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
    "contradiction": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Reason.HTTP),
}


@pytest.mark.parametrize("name", _ODD_ANSWERS)
async def test_answers_that_break(name: str, configured: Configured) -> None:
    """Whatever comes is a failure with a reason, never an exception, and never half an answer."""
    content, reason = _ODD_ANSWERS[name]
    async with _asking(_raw(content), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.reason is reason or (reason is None and failure.reason in {Reason.CONNECT, Reason.HTTP})
    assert failure.detail


async def test_tls_where_http_was_expected(configured: Configured) -> None:
    """A server that answers in TLS is named as such: `url` begins with http:// by mistake."""
    async with _asking(_raw(b"\x15\x03\x01\x00\x02\x02\x46"), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure == Failure(Reason.HTTP, "the response is TLS; write https:// in `url`")


async def test_a_connection_that_is_reset(configured: Configured) -> None:
    """A reset in mid-answer is a failure to connect."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12")
        await writer.drain()
        writer.transport.abort()

    async with _asking(answer, configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.reason is Reason.CONNECT


async def test_nobody_listens(configured: Configured) -> None:
    """A refused connection says so, in the system's words."""
    async with _asking(_plain(b"1"), configured) as (opened, _):
        pass
    again = open_client(configured(url=str(opened.url), timeout="5s"))

    failure = _assert_no_key(await _ask(again, _PEERS, _KEY))

    await again.session.close()
    assert failure.reason is Reason.CONNECT
    assert failure.detail == "no connection: Connection refused"


@pytest.mark.parametrize("name", ["pbx.invalid", "pbx..invalid", f"{'p' * 64}.invalid"])
async def test_a_name_that_does_not_exist(name: str, configured: Configured) -> None:
    """A host name that cannot be found, or cannot be a name at all, is named with the reason."""
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
    """An answer that never ends is left when it exceeds the limit; lists may be longer."""
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


async def test_just_not_too_large(configured: Configured) -> None:
    """8 MiB to the byte are still an answer."""
    async with _asking(_plain(b"1" * ANSWER_LIMIT), configured) as (opened, _):
        body = await _ask(opened, _PEERS, _KEY)

    assert not isinstance(body, Failure)
    assert len(body) == ANSWER_LIMIT


@pytest.mark.parametrize(
    "header", ["identity", "IDENTITY", "Identity ", "none", "", "identity, none", "UTF-8"]
)
async def test_a_content_encoding_that_means_none(header: str, configured: Configured) -> None:
    """Servers name the absence of compression in several ways; all are read, as curl reads them."""
    async with _asking(_plain(b"5", more=f"Content-Encoding: {header}\r\n"), configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == b"5"


async def test_a_compressed_body_is_unpacked(configured: Configured) -> None:
    """A proxy that compresses without being asked to does no harm."""
    packed = _plain(gzip.compress(b"pbx1:3|"), more="Content-Encoding: GZip\r\n")
    async with _asking(packed, configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == b"pbx1:3|"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x-" + "y" * 100])
async def test_a_coding_that_cannot_be_undone(encoding: str, configured: Configured) -> None:
    """The failure says what is wrong, and does not repeat what it does not know."""
    async with _asking(_plain(b"5", more=f"Content-Encoding: {encoding}\r\n"), configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure.reason is Reason.DECODE
    assert "was not requested" in failure.detail
    assert "yyy" not in failure.detail


async def test_a_bomb(configured: Configured) -> None:
    """A small body that unpacks to more than an answer may have is refused; no more than that is unpacked."""
    bomb = _plain(gzip.compress(bytes(ANSWER_LIMIT + 1)), more="Content-Encoding: gzip\r\n")
    async with _asking(bomb, configured) as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure == Failure(Reason.TOO_LARGE, "the response is larger than 8 MiB when unpacked")


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
    """Long heads, and headers that mean nothing here, do not cost the answer."""
    async with _asking(_plain(b"5", more=head), configured) as (opened, _):
        assert await _ask(opened, _PEERS, _KEY) == b"5"


async def test_a_bad_chunk_in_a_later_packet(configured: Configured) -> None:
    """A body that breaks half-way fails at once and says why; aiohttp would wait for more of it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"nonsense\r\n")

    async with _asking(answer, configured, timeout="60s") as (opened, _):
        failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    assert failure == Failure(Reason.HTTP, "the response has an invalid chunk")


async def test_what_came_unasked_is_no_answer(configured: Configured) -> None:
    """A second answer, sent after the first one was read, is not taken for that to the next request."""
    idle = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        number = len(switch.asked)
        body = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
        writer.write(body + b"%d" % number)
        await writer.drain()
        if number == 1:
            await idle.wait()
            writer.write(body + b"9")

    async with _asking(answer, configured) as (opened, switch):
        assert await _ask(opened, _PEERS, _KEY) == b"1"
        idle.set()
        connector = opened.session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        ((idle_connection, _),) = next(iter(connector._conns.values()))
        async with asyncio.timeout(5):
            while not idle_connection.should_close:  # noqa: ASYNC110 -- a pool tells nobody what came
                await asyncio.sleep(0.001)

        assert await _ask(opened, _PEERS, _KEY) == b"2"


async def test_cookies_are_not_kept(configured: Configured) -> None:
    """A session that the switch begins is not gone on with."""
    async with _asking(_plain(b"1", more="Set-Cookie: PHPSESSID=abc; Path=/\r\n"), configured) as (
        opened,
        switch,
    ):
        await _ask(opened, _PEERS, _KEY)
        await _ask(opened, _PEERS, _KEY)

        assert len(switch.asked) == 2
        assert "cookie" not in switch.headers()


async def test_a_connection_is_used_again(configured: Configured) -> None:
    """A switch that keeps connections open is not made to accept a new one for each request."""
    async with _asking(_plain(b"1"), configured) as (opened, switch):
        for _ in range(5):
            await _ask(opened, _PEERS, _KEY)

        assert switch.open == 1


async def test_no_secret_in_the_repr_of_a_client(configured: Configured) -> None:
    """A client that ends up in a traceback shows neither the proxy's password nor that of the URL."""
    opened = open_client(configured(proxy_url="http://user:pr0xy-s3cr3t@127.0.0.1:9"))
    await opened.session.close()

    assert "pr0xy-s3cr3t" not in repr(opened)


async def test_a_proxy_that_refuses(configured: Configured) -> None:
    """Without its proxy there is no connection; its password is not told."""
    opened = open_client(
        configured(
            url="http://pbx.invalid/api", proxy_url="http://user:pr0xy-s3cr3t@127.0.0.1:9", timeout="5s"
        )
    )

    failure = _assert_no_key(await _ask(opened, _PEERS, _KEY))

    await opened.session.close()
    assert failure.reason is Reason.CONNECT
    assert "pr0xy" not in failure.detail


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]) -> Path:
    """Make a self-signed certificate for `switch.test`, with its private key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "switch.pem"
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=switch.test"
    )
    subprocess.run(
        [
            require_program("openssl", "openssl"),
            *command.split(),
            *("-addext", "subjectAltName=DNS:switch.test"),
            *("-keyout", str(path.with_suffix(".key"))),
            *("-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".key").read_text())
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


@pytest.mark.parametrize(
    ("tls", "answered"),
    [
        ({}, False),
        ({"ca_file": "CERTIFICATE"}, False),
        ({"ca_file": "CERTIFICATE", "server_name": "switch.test"}, True),
        ({"ca_file": "CERTIFICATE", "server_name": "other.test"}, False),
        ({"insecure_skip_verify": True}, True),
    ],
    ids=["unknown authority", "wrong address", "right name", "wrong name", "unchecked"],
)
async def test_certificates(
    tls: dict[str, object],
    answered: bool,  # noqa: FBT001 -- a table
    certificate: Path,
    context: ssl.SSLContext,
    configured: Configured,
) -> None:
    """Without the right certificate nothing is sent, and so no key."""
    tls = {name: str(certificate) if value == "CERTIFICATE" else value for name, value in tls.items()}
    async with _asking(_plain(b"5"), configured, context, tls=tls) as (opened, switch):
        outcome = await _ask(opened, _PEERS, _KEY)

        assert len(switch.asked) == int(answered)
    if answered:
        assert outcome == b"5"
    else:
        assert _assert_no_key(outcome).reason is Reason.TLS
        assert "certificate" in _assert_no_key(outcome).detail


async def test_a_client_certificate_that_changes(
    authority: Authority, tmp_path: Path, configured: Configured
) -> None:
    """The next request shows the new certificate; the one in flight ends as it began."""
    old, new = (authority.issue(name) for name in ("old", "new"))
    shown, release = [], asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        subject = dict(name for (name,) in writer.get_extra_info("peercert")["subject"])
        shown.append(subject["commonName"])
        if len(shown) == 1:
            await release.wait()
        await _plain(b"5")(writer)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(old.certificate, old.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    file = tmp_path / "client.pem"
    file.write_bytes(old.certificate.read_bytes() + old.key.read_bytes())
    tls = {"ca_file": str(authority.certificate), "cert_file": str(file)}
    async with _asking(answer, configured, context, tls=tls) as (opened, switch):
        in_flight = asyncio.create_task(_ask(opened, _PEERS, _KEY))
        while not switch.asked:  # noqa: ASYNC110 -- a fake switch tells nobody what came
            await asyncio.sleep(0.001)
        file.write_bytes(new.certificate.read_bytes() + new.key.read_bytes())
        while set(shown) == {"old"}:
            assert await _ask(opened, _PEERS, _KEY) == b"5"
        release.set()

        assert await in_flight == b"5"
        assert shown[-1] == "new"


@pytest.mark.parametrize(
    "reply",
    [b"\x15\x03\x03\x00\x02\x02\x46", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ids=["too old a version", "a server without TLS"],
)
async def test_tls_that_cannot_be(reply: bytes, configured: Configured) -> None:
    """Where no TLS comes about, that is the reason that is told, and no key was sent."""
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


async def test_an_alert_of_tls_that_comes_late(configured: Configured) -> None:
    """What TLS 1.3 says after the handshake comes wrapped as a network error, and is told as what it is."""
    opened = open_client(configured(url="https://127.0.0.1:9/api"))
    await opened.session.close()
    wrapped = aiohttp.ClientOSError(1, "tlsv13 alert certificate required")
    wrapped.__cause__ = ssl.SSLError(1, "tlsv13 alert certificate required")
    assert opened._failure(wrapped).reason is Reason.TLS


async def test_tls_version(configured: Configured) -> None:
    """The oldest version of TLS that is spoken is the configured one."""
    for name, version in (("TLS12", ssl.TLSVersion.TLSv1_2), ("TLS13", ssl.TLSVersion.TLSv1_3)):
        opened = open_client(configured(url="https://127.0.0.1:9/api", tls={"min_version": name}))
        await opened.session.close()

        assert opened.tls is not None
        assert (await opened.tls.context()).minimum_version is version
