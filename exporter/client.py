"""One request to a switch over HTTP, bounded in time and size, and never more than was asked for.

    asked ──► bytes       the body of an HTTP 200, which on this API means nothing yet
          └─► Failure     timeout, connect, tls, http or too_large

The key is in the query string (the API has no other place for it), so no text of an exception is
passed on: such texts hold URLs. What is told of a failure is composed here.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from exporter import __version__
from exporter.config import Proxy, SwitchConfiguration
from exporter.errors import TlsFileError
from exporter.model import Body, Content, Failure, Reason
from exporter.net import connections
from exporter.net.bodies import Bodies, Room, coding, unpack
from exporter.net.connections import (
    HEADER_LIMIT,
    HEADERS_LIMIT,
    Connector,
    NoAnswer,
    UnusableAnswer,
    retry_on_new_connection,
)
from exporter.net.errors import (
    connection_detail,
    http_detail,
    is_encrypted,
    proxy_failure,
    retry_after,
    status_failure,
    through,
)
from exporter.net.resolver import Resolver
from exporter.net.tls import ClientTls
from exporter.request import Operation, Request
from exporter.threads import ThreadLimit

# Read from top to bottom: the first class that fits names the reason.
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (TimeoutError, Reason.TIMEOUT),
    (aiohttp.ClientSSLError, Reason.TLS),
    (aiohttp.ServerFingerprintMismatch, Reason.TLS),
    (ssl.SSLError, Reason.TLS),
    (aiohttp.ClientHttpProxyError, Reason.CONNECT),
    (aiohttp.ClientResponseError, Reason.HTTP),
    (UnusableAnswer, Reason.HTTP),
    (aiohttp.ClientError, Reason.CONNECT),
    (OSError, Reason.CONNECT),
)


@dataclass(slots=True)
class Client:
    """Asks one switch. ``timeout`` is in seconds and covers everything from connecting to the last byte."""

    session: aiohttp.ClientSession
    url: URL
    timeout: float
    proxy: Proxy | None
    server_name: str | None
    tls: ClientTls | None
    bodies: Bodies = field(init=False, repr=False)
    _large: asyncio.Semaphore = field(init=False, repr=False)
    _unpacking: ThreadLimit = field(init=False, repr=False)
    _urls: dict[Operation, URL] = field(init=False, repr=False)
    _through: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.bodies = Bodies()
        self._large = asyncio.Semaphore(1)
        self._unpacking = ThreadLimit("unpack", 1)
        self._urls = {operation: self.url.with_query(operation.parameters) for operation in Operation}
        self._through = through(self.proxy, self.url.scheme)

    @contextlib.asynccontextmanager
    async def ask(self, request: Request, key: str, *, max_bytes: int) -> AsyncIterator[Content | Failure]:
        """Send one request and yield the body of its answer, within the timeout and so many bytes.

        It is decoded inside the ``async with``: what comes after may take its room in memory. Cancelling
        closes the connection. No exception of the network leaves this function.
        """
        with Room(self.bodies, self._large) as room:
            yield await self._answer(request, key, max_bytes, room)

    async def _answer(self, request: Request, key: str, limit: int, room: Room) -> Content | Failure:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._fetch(self._url(request, key), limit, room)
        except TlsFileError as error:
            return Failure(Reason.TLS, str(error))
        except (aiohttp.ClientError, OSError) as error:
            return self._failure(error)

    def _url(self, request: Request, key: str) -> URL:
        return self._urls[request.operation].extend_query({**request.free_parameters(), "key": key})

    async def _fetch(self, url: URL, limit: int, room: Room) -> Body | Failure:
        async with self.session.get(
            url,
            allow_redirects=False,
            ssl=await self.tls.context() if self.tls else True,
            server_hostname=self.server_name,
            **self._through,
        ) as response:
            if detail := status_failure(response.status, self.proxy):
                return Failure(Reason.CONNECT, detail)
            if response.status != HTTPStatus.OK:
                return _not_an_answer(response)
            codings = response.headers.getall("Content-Encoding", ())
            named = coding(",".join(codings)) if codings else ""
            if isinstance(named, Failure):
                return named
            body = await _body(response, limit, room)
        if named and not isinstance(body, Failure):
            unpacked = await unpack(body, named, limit, self._unpacking, room)
            body = unpacked if isinstance(unpacked, Failure) else Body(unpacked)
        if isinstance(body, Failure):
            return body
        if not body.isascii():
            body.charset = (response.charset or "").strip()
        return body

    @property
    def peer(self) -> str:
        """Who may have ended a connection, for the text of a failure."""
        return f"the switch, or the proxy in {self.proxy.source}," if self.proxy else "the switch"

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, NoAnswer) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        # In TLS 1.3 a server refuses the client's certificate after the handshake, when the answer is read:
        # then aiohttp 3.14 raises a ClientOSError (seen 2026-11).
        if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error, aiohttp.ClientSSLError):
            error = error.__cause__
        reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
        return Failure(reason, proxy_failure(error, self.proxy) or _DETAILS[reason](self, error))


async def _body(response: aiohttp.ClientResponse, limit: int, room: Room) -> Body | Failure:
    body = Body()
    while not response.content.at_eof():
        body += await response.content.readany()
        if len(body) > limit:
            # Leaving without having read it all closes the connection, so nothing more arrives.
            return Failure(Reason.TOO_LARGE, f"the answer is larger than {limit // 2**20} MiB")
        await room.grow(len(body))
    return body


def _not_an_answer(response: aiohttp.ClientResponse) -> Failure:
    # Where it leads to is not told: a redirect may repeat the query string, and the key with it.
    status, headers = response.status, response.headers
    meaning = _MEANINGS.get(status, "")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        meaning = ", a redirect, which is not followed; put the final address into `url`"
    wait = None
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = retry_after(headers.get("Retry-After"), date=headers.get("Date"), now=time.time())
    return Failure(Reason.HTTP, f"HTTP {status}{meaning}", status=status, retry_after=wait)


_REFUSED = ": the key, or this machine, is refused by the switch or a proxy before it"
_MEANINGS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _REFUSED,
    HTTPStatus.FORBIDDEN: _REFUSED,
    HTTPStatus.TOO_MANY_REQUESTS: ": too many requests; lower `max_requests_per_second` or poll less often",
}


def _tls_detail(error: Exception) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the switch was not accepted: {cause.verify_message}"
    inner = getattr(cause, "os_error", cause)
    return f"TLS failed: {getattr(inner, 'reason', None) or type(inner).__name__}"


_DETAILS: dict[Reason, Callable[[Client, Exception], str]] = {
    Reason.TIMEOUT: lambda client, _: (
        f"no complete answer within {client.timeout:g} s"
        + (f", through the proxy in {client.proxy.source}" if client.proxy else "")
    ),
    Reason.TLS: lambda _, error: _tls_detail(error),
    Reason.CONNECT: lambda client, error: connection_detail(error, client.peer),
    Reason.HTTP: lambda _, error: http_detail(error),
}


def open_client(
    configuration: SwitchConfiguration,
    traces: Sequence[aiohttp.TraceConfig] = (),
    resolver: Resolver | None = None,
    bodies: Bodies | None = None,
) -> Client:
    """Open a client for one switch; close its ``session`` when done. ``traces`` are told of what it does.

    With a ``resolver`` that outlives the client, addresses that are known stay known. ``bodies`` is shared by
    all clients. Its ``tls`` loads the
    certificate files with the first request, or earlier with ``load``.
    """
    has_tls = is_encrypted(configuration.url, configuration.proxy)
    connector = Connector(resolver or Resolver(), limit=configuration.max_concurrency)
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=connections.Request,
        middlewares=(retry_on_new_connection,),
        trace_configs=list(traces),
        # The time limit stands in `ask`, once, and covers connecting as well as the last byte.
        timeout=aiohttp.ClientTimeout(total=None),
        # Compressed answers are not asked for; what is compressed all the same is unpacked within a limit.
        auto_decompress=False,
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,
        max_headers=HEADERS_LIMIT,
        headers={
            "User-Agent": f"softswitch-exporter/{__version__}",
            "Accept-Encoding": "identity",
            "Accept": "*/*",
        },
        # A switch has no business to keep state here: its cookies are dropped.
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    client = Client(
        session=session,
        url=URL(configuration.url),
        timeout=configuration.timeout,
        proxy=configuration.proxy,
        server_name=configuration.tls.server_name,
        tls=ClientTls(configuration.tls, f"switch {configuration.name}") if has_tls else None,
    )
    client.bodies = bodies or client.bodies
    return client
