"""One request to a switch over HTTP, bounded in time and size, and never more than was asked for.

    asked ──► bytes       the body of an HTTP 200, which on this API means nothing yet
          └─► Failure     timeout, connect, tls, http or too_large

The key is in the query string (the API has no other place for it), so no text of an exception is
passed on: such texts hold URLs. What is told of a failure is composed here.
"""

import errno
import os
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from exporter import __version__
from exporter.config import Proxy, SwitchConfiguration
from exporter.deadlines import Deadlines
from exporter.errors import TlsFileError
from exporter.model import Failure, Reason
from exporter.proxy import proxy_failure, status_failure, through
from exporter.request import Operation, Request
from exporter.tls import ClientTls

ANSWER_LIMIT = 8 * 1024 * 1024
LIST_LIMIT = 64 * 1024 * 1024
"""Bytes. An extension list was seen at 3.4 kB a record (wire notes 2026-10)."""

_LISTS = frozenset({Operation.EXTENSIONS, Operation.TENANTS, Operation.PEERS})

# Read from top to bottom: the first class that fits names the reason.
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (TimeoutError, Reason.TIMEOUT),
    (aiohttp.ClientSSLError, Reason.TLS),
    (aiohttp.ServerFingerprintMismatch, Reason.TLS),
    (ssl.SSLError, Reason.TLS),
    (aiohttp.ClientHttpProxyError, Reason.CONNECT),
    (aiohttp.ClientResponseError, Reason.HTTP),
    (aiohttp.ClientError, Reason.CONNECT),
    (OSError, Reason.CONNECT),
    (UnicodeError, Reason.CONNECT),  # of the name of a host, where it breaks the rules for names
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
    _deadlines: Deadlines = field(init=False, repr=False)
    _urls: dict[Operation, URL] = field(init=False, repr=False)
    _through: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._deadlines = Deadlines(self.timeout)
        self._urls = {operation: self.url.with_query(operation.parameters) for operation in Operation}
        self._through = through(self.proxy, self.url.scheme)

    async def ask(self, request: Request, key: str) -> bytes | Failure:
        """Send one request and return the body of its answer, within the timeout and the size limit.

        Cancelling closes the connection. No exception of the network leaves this function.
        """
        limit = LIST_LIMIT if request.operation in _LISTS else ANSWER_LIMIT
        try:
            return await self._deadlines.keep(self._fetch(self._url(request, key), limit))
        except TlsFileError as error:
            return Failure(Reason.TLS, str(error))
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return self._failure(error)

    def _url(self, request: Request, key: str) -> URL:
        return self._urls[request.operation].extend_query({**request.free_parameters(), "key": key})

    async def _fetch(self, url: URL, limit: int) -> bytes | Failure:
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
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                return Failure(Reason.DECODE, "the answer has a Content-Encoding, which was not asked for")
            chunks = []
            size = 0
            while not response.content.at_eof():
                chunk = await response.content.readany()
                size += len(chunk)
                if size > limit:
                    # Leaving without having read it all closes the connection, so nothing more arrives.
                    return Failure(Reason.TOO_LARGE, f"the answer is larger than {limit // 2**20} MiB")
                chunks.append(chunk)
            return b"".join(chunks)

    def _failure(self, error: Exception) -> Failure:
        # In TLS 1.3 a server refuses the client's certificate after the handshake, when the answer is read:
        # then aiohttp 3.14 raises a ClientOSError (seen 2026-11).
        if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error, aiohttp.ClientSSLError):
            error = error.__cause__
        reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
        return Failure(reason, proxy_failure(error, self.proxy) or _DETAILS[reason](self, error))


def _not_an_answer(response: aiohttp.ClientResponse) -> Failure:
    # Where it leads to is not told: a redirect may repeat the query string, and the key with it.
    redirect = ", a redirect, which is not followed; put the final address into `url`"
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST
    return Failure(Reason.HTTP, f"HTTP {response.status}{redirect if is_redirect else ''}")


def _tls_detail(error: Exception) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the switch was not accepted: {cause.verify_message}"
    inner = getattr(cause, "os_error", cause)
    return f"TLS failed: {getattr(inner, 'reason', None) or type(inner).__name__}"


def _connect_detail(client: Client, error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        who = f"the switch, or the proxy in {client.proxy.source}," if client.proxy else "the switch"
        return f"{who} closed the connection before its answer was complete"
    if isinstance(error, UnicodeError):
        return "no connection: no host can have the name that stands in `url`"
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno in errno.errorcode:
        return f"no connection: {os.strerror(inner.errno)}"  # asyncio's own sentence repeats the address
    return f"no connection: {getattr(inner, 'strerror', None) or type(inner).__name__}"


_DETAILS: dict[Reason, Callable[[Client, Exception], str]] = {
    Reason.TIMEOUT: lambda client, _: (
        f"no complete answer within {client.timeout:g} s"
        + (f", through the proxy in {client.proxy.source}" if client.proxy else "")
    ),
    Reason.TLS: lambda _, error: _tls_detail(error),
    Reason.CONNECT: _connect_detail,
    Reason.HTTP: lambda _, error: f"not an HTTP answer ({type(error).__name__})",
}


class _UnspoiltRequest(aiohttp.ClientRequest):
    """Is sent on no connection on which something came unasked since the answer before.

    It would be taken for the answer, and one tenant's figure be served as another's (seen, aiohttp 3.14.5,
    2026-11). Proxies do send such things: a 408 before they close an idle connection. aiohttp asks a second
    time, on another connection.
    """

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Send it, unless the connection is spoilt."""
        if conn.protocol is None or conn.protocol.should_close:
            raise aiohttp.ServerDisconnectedError
        return super().send(conn)


def open_client(configuration: SwitchConfiguration, traces: Sequence[aiohttp.TraceConfig] = ()) -> Client:
    """Open a client for one switch; close its ``session`` when done. ``traces`` are told of what it does.

    Its ``tls`` loads the certificate files with the first request, or earlier with ``load``.
    """
    addresses = (configuration.url, configuration.proxy.url if configuration.proxy else "")
    is_encrypted = any(address.startswith("https:") for address in addresses)
    connector = aiohttp.TCPConnector(limit=configuration.max_concurrency, ttl_dns_cache=60)
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=_UnspoiltRequest,
        trace_configs=list(traces),
        # The time limit stands in `ask`, once, and covers connecting as well as the last byte.
        timeout=aiohttp.ClientTimeout(total=None),
        # Compressed answers could grow a thousandfold while they are unpacked: they are not asked for.
        auto_decompress=False,
        headers={
            "User-Agent": f"softswitch-exporter/{__version__}",
            "Accept-Encoding": "identity",
            "Accept": "*/*",
        },
        # A switch has no business to keep state here: its cookies are dropped.
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return Client(
        session=session,
        url=URL(configuration.url),
        timeout=configuration.timeout,
        proxy=configuration.proxy,
        server_name=configuration.tls.server_name,
        tls=ClientTls(configuration.tls, f"switch {configuration.name}") if is_encrypted else None,
    )
