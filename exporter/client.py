"""One HTTP request to a switch, bounded in time and size.

    request ──► bytes       the body of an HTTP 200, which on this API may still be an error
            └─► Failure     timeout, connect, tls, http or too_large

The key is in the query string, because the API has no other place for it. So the text of an exception, which
may contain the URL, is never used in a failure.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from exporter import __version__
from exporter.config import Proxy, SwitchConfiguration
from exporter.errors import TlsFileError
from exporter.model import Body, Content, Failure, Reason
from exporter.net import connections
from exporter.net.bodies import BodyBudget, Reservation, coding, unpack
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
from exporter.net.time_limit import TimedRequest, TimeLimit
from exporter.net.tls import ClientTls
from exporter.request import Operation, Request
from exporter.threads import ThreadLimit

_OK = int(HTTPStatus.OK)

# The first class that matches determines the reason.
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
    """Sends requests to one switch. ``timeout``: seconds from connecting to the last byte."""

    session: aiohttp.ClientSession
    url: URL
    timeout: float
    proxy: Proxy | None
    server_name: str | None
    tls: ClientTls | None
    budget: BodyBudget = field(init=False, repr=False)
    _large: asyncio.Semaphore = field(init=False, repr=False)
    _unpacking: ThreadLimit = field(init=False, repr=False)
    _urls: dict[Operation, URL] = field(init=False, repr=False)
    _through: Mapping[str, Any] = field(init=False, repr=False)
    _time_limit: TimeLimit = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.budget = BodyBudget()
        self._large = asyncio.Semaphore(1)
        self._unpacking = ThreadLimit("unpack", 1)
        self._urls = {operation: self.url.with_query(operation.parameters) for operation in Operation}
        self._through = through(self.proxy, self.url.scheme)
        self._time_limit = TimeLimit(self.timeout)

    def send(
        self, request: Request, key: str, *, max_bytes: int
    ) -> AbstractAsyncContextManager[Content | Failure]:
        """Send a request and yield the body of its response, or a Failure. Network errors are not raised.

        Decode the body inside the ``async with``: the memory that it takes is reserved until then. Cancelling
        closes the connection.
        """
        url = self._urls[request.operation].extend_query({**request.free_parameters(), "key": key})
        return _Exchange(self, url, max_bytes, Reservation(self.budget, self._large))

    async def receive(self, url: URL, limit: int, reservation: Reservation) -> Body | Failure:
        """Send a GET request, and return the body of its response. For what ``send`` returns."""
        try:
            with TimedRequest(self._time_limit):
                return await self._fetch(url, limit, reservation)
        except TlsFileError as error:
            return Failure(Reason.TLS, str(error))
        except (aiohttp.ClientError, OSError) as error:
            return self._failure(error)

    async def _fetch(self, url: URL, limit: int, reservation: Reservation) -> Body | Failure:
        async with self.session.get(
            url,
            allow_redirects=False,
            ssl=await self.tls.context() if self.tls else True,
            server_hostname=self.server_name,
            **self._through,
        ) as response:
            if detail := status_failure(response.status, self.proxy):
                return Failure(Reason.CONNECT, detail)
            if response.status != _OK:
                return _status_failure(response)
            codings = response.headers.getall("Content-Encoding", ())
            named = coding(",".join(codings)) if codings else ""
            if isinstance(named, Failure):
                return named
            body = await _body(response, limit, reservation)
        if named and not isinstance(body, Failure):
            unpacked = await unpack(body, named, limit, self._unpacking, reservation)
            body = unpacked if isinstance(unpacked, Failure) else Body(unpacked)
        if isinstance(body, Failure):
            return body
        if not body.isascii():
            body.charset = (response.charset or "").strip()
        return body

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, NoAnswer) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        # In TLS 1.3 a server rejects the client certificate after the handshake, when the response is read:
        # aiohttp 3.14 raises a ClientOSError then (seen 2026-11).
        if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error, aiohttp.ClientSSLError):
            error = error.__cause__
        reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
        return Failure(reason, proxy_failure(error, self.proxy) or self._detail(reason, error))

    def _detail(self, reason: Reason, error: Exception) -> str:
        match reason:
            case Reason.TIMEOUT:
                through_proxy = f", through the proxy in {self.proxy.source}" if self.proxy else ""
                return f"no complete response within {self.timeout:g} s{through_proxy}"
            case Reason.TLS:
                return _tls_detail(error)
            case Reason.CONNECT:
                proxied = f"the switch, or the proxy in {self.proxy.source}," if self.proxy else ""
                return connection_detail(error, proxied or "the switch")
            case _:
                return http_detail(error)


class _Exchange:
    """One request; a generator as context manager would take a twentieth of the CPU time of polling."""

    __slots__ = ("_client", "_limit", "_reservation", "_url")

    def __init__(self, client: Client, url: URL, limit: int, reservation: Reservation) -> None:
        self._client = client
        self._url = url
        self._limit = limit
        self._reservation = reservation

    async def __aenter__(self) -> Content | Failure:
        try:
            return await self._client.receive(self._url, self._limit, self._reservation)
        except BaseException:
            self._reservation.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reservation.release()


async def _body(response: aiohttp.ClientResponse, limit: int, reservation: Reservation) -> Body | Failure:
    body = Body()
    while not response.content.at_eof():
        body += await response.content.readany()
        if len(body) > limit:
            # Returning before the end closes the connection.
            return Failure(Reason.TOO_LARGE, f"the response is larger than {limit // 2**20} MiB")
        await reservation.grow(len(body))
    return body


def _status_failure(response: aiohttp.ClientResponse) -> Failure:
    # The location of a redirect is left out: it may repeat the query string, and so the key.
    status, headers = response.status, response.headers
    meaning = _MEANINGS.get(status, "")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        meaning = ", a redirect, which is not followed; set `url` to the final address"
    wait = None
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = retry_after(headers.get("Retry-After"), date=headers.get("Date"), now=time.time())
    return Failure(Reason.HTTP, f"HTTP {status}{meaning}", status=status, retry_after=wait)


_REFUSED = ": the switch, or a proxy before it, refuses the key or this machine"
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


def open_client(
    configuration: SwitchConfiguration,
    traces: Sequence[aiohttp.TraceConfig] = (),
    resolver: Resolver | None = None,
    budget: BodyBudget | None = None,
) -> Client:
    """Open a client for one switch; close its ``session`` when done.

    ``traces`` observe its requests. A ``resolver`` that outlives the client keeps known addresses. ``budget``
    is shared by all clients. The certificate files are loaded with the first request, or by ``tls.load``.
    """
    has_tls = is_encrypted(configuration.url, configuration.proxy)
    connector = Connector(resolver or Resolver(), limit=configuration.max_concurrency)
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=connections.Request,
        middlewares=(retry_on_new_connection,),
        trace_configs=list(traces),
        # `send` has the only time limit, from connecting to the last byte.
        timeout=aiohttp.ClientTimeout(total=None),
        # Compression is not requested; a compressed response is unpacked within a limit.
        auto_decompress=False,
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,
        max_headers=HEADERS_LIMIT,
        headers={
            "User-Agent": f"softswitch-exporter/{__version__}",
            "Accept-Encoding": "identity",
        },
        # Cookies of a switch are dropped.
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
    client.budget = budget or client.budget
    return client
