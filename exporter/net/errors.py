"""Network errors in plain words, requests through an HTTP proxy, and ``Retry-After``.

The text of an exception is never repeated: it may contain the URL, and so a key, or bytes from a server.
"""

import errno
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import http_exceptions
from yarl import URL

from exporter.config import Proxy
from exporter.net.connections import HEADER_LIMIT, HEADERS_LIMIT, NoAnswer, UnusableAnswer

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def connection_detail(error: Exception, server: str = "the switch") -> str:
    """Return why a connection failed or was closed."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} cannot be resolved: {error.os_error.strerror}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"no connection: the proxy returned HTTP {error.status}"
    if isinstance(error, aiohttp.InvalidURL):
        return "no connection: expected a complete IPv4 address of four numbers"
    if isinstance(error, NoAnswer) and isinstance(error.__cause__, Exception):
        return connection_detail(error.__cause__, server)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return f"{server} closed the connection before the response was complete"
    return f"no connection: {_system_text(getattr(error, 'os_error', error))}"


def _system_text(error: Exception) -> str:
    """Return the text of the system. aiohttp may put several errors, one per address, into one text."""
    number = getattr(error, "errno", None)
    numbers = [int(each) for each in _ERRNO.findall(str(error))] if number is None else [number]
    texts = dict.fromkeys(os.strerror(each) for each in numbers if each in errno.errorcode)
    return ", ".join(texts) or "closed before it was established"


_BAD_LINE = "has a line that does not end as HTTP requires"

# The first row whose class and text match the error of aiohttp 3.14 (2026-11).
_HTTP_ERRORS: Sequence[tuple[type[Exception], str, str]] = (
    (http_exceptions.LineTooLong, "", f"has a line of more than {HEADER_LIMIT // 1024} KiB in its head"),
    (http_exceptions.BadStatusLine, r"(?s).*b'\\x1[56]\\x03", "is TLS; write https:// in `url`"),
    (
        http_exceptions.BadStatusLine,
        "",
        "is not HTTP, or is longer than its Content-Length: expected a status line, got something else",
    ),
    (http_exceptions.InvalidHeader, "", "has a header with a character that HTTP does not allow"),
    (http_exceptions.BadHttpMessage, "Too many headers", f"has more than {HEADERS_LIMIT} headers"),
    (http_exceptions.BadHttpMessage, "Invalid header token", "has a header whose name HTTP does not allow"),
    (http_exceptions.BadHttpMessage, "Duplicate Content-Length", "has two Content-Length headers"),
    (http_exceptions.BadHttpMessage, ".*with Transfer-Enc", "has Content-Length and Transfer-Encoding"),
    (http_exceptions.BadHttpMessage, ".*Content-Length", "has a Content-Length that is not a number"),
    (http_exceptions.BadHttpMessage, ".*chunk", "has an invalid chunk"),
    (http_exceptions.BadHttpMessage, "Missing expected", _BAD_LINE),
    (http_exceptions.BadHttpMessage, "Expected LF", _BAD_LINE),
)


def http_detail(error: Exception) -> str:
    """Return why a response is not valid HTTP."""
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, UnusableAnswer):
        return f"the response {cause}"
    message = str(getattr(cause, "message", cause))
    for kind, phrase, text in _HTTP_ERRORS:
        if isinstance(cause, kind) and re.match(phrase, message):
            return f"the response {text}"
    return "the response is not valid HTTP"


def through(proxy: Proxy | None, scheme: str) -> Mapping[str, Any]:
    """Return the arguments for aiohttp that send a request to a URL of this scheme through the proxy."""
    if proxy is None:
        return {}
    arguments: dict[str, Any] = {"proxy": URL(proxy.url)}
    if proxy.authorization:
        # Only for the proxy: an https request reaches it as CONNECT, with separate headers.
        where = "proxy_headers" if scheme == "https" else "headers"
        arguments[where] = {"Proxy-Authorization": proxy.authorization}
    return arguments


def is_encrypted(url: str, proxy: Proxy | None) -> bool:
    """Return whether a request to a URL uses TLS, to the server or to the proxy."""
    return any(address.startswith("https:") for address in (url, proxy.url if proxy else ""))


def status_failure(status: int, proxy: Proxy | None) -> str | None:
    """Return what a status says about the proxy; None if it is not from the proxy."""
    if proxy is None or status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return None
    if proxy.authorization:
        return f"the proxy in {proxy.source} rejects its user and password (HTTP {status})"
    return (
        f"the proxy in {proxy.source} requires a user and password (HTTP {status}); "
        "write them as http://USER:PASSWORD@HOST:PORT"
    )


def proxy_failure(error: Exception, proxy: Proxy | None) -> str | None:
    """Return what failed at the proxy; None if the error is not the proxy's."""
    if proxy is None:
        return None
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return status_failure(error.status, proxy) or (
            f"the proxy in {proxy.source} returned HTTP {error.status} instead of connecting"
        )
    if isinstance(error, UnicodeError):
        return f"no connection to the proxy: {proxy.source} does not contain a valid host name"
    if not isinstance(error, aiohttp.ClientConnectorError) or not _is_to_proxy(proxy, error):
        return None
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of the proxy in {proxy.source} cannot be resolved: {cause.strerror}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the proxy in {proxy.source} was not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS to the proxy in {proxy.source} failed: {cause.reason or type(cause).__name__}"
    # asyncio's own text repeats the address.
    known = cause.errno is not None and cause.errno in errno.errorcode
    text = os.strerror(cause.errno or 0) if known else cause.strerror or type(cause).__name__
    return f"no connection to the proxy in {proxy.source}: {text}"


def _is_to_proxy(proxy: Proxy, error: aiohttp.ClientConnectorError) -> bool:
    url = URL(proxy.url)
    return (error.host, error.port) == (url.raw_host, url.port)


_MOST_DIGITS = 9


def retry_after(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return the seconds in a ``Retry-After`` header; None if there is none, or an invalid one.

    The header has seconds or a time (RFC 9110, section 10.2.3). A time is compared with ``date``, the
    ``Date`` header of the response, because the server's clock may be wrong; without it with ``now``, seconds
    since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MOST_DIGITS else 10.0**_MOST_DIGITS
    until = _timestamp(text)
    if until is None:
        return None
    sent = _timestamp(date or "")
    return max(0.0, until - (now if sent is None else sent))


def _timestamp(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
        # "-0000" is UTC as well (RFC 5322, section 3.3).
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
