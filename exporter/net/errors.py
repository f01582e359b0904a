"""What an error of the network is called, in words for a person.

No text of an exception is repeated: such texts hold URLs, and with them keys, or bytes that a server sent.
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
    """Return why there was no connection, or why it ended, in words."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} cannot be resolved: {error.os_error.strerror}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"no connection: the proxy answered HTTP {error.status}"
    if isinstance(error, aiohttp.InvalidURL):
        return "no connection: an IPv4 address has four numbers; write the whole address"
    if isinstance(error, NoAnswer) and isinstance(error.__cause__, Exception):
        return connection_detail(error.__cause__, server)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return f"{server} closed the connection before its answer was complete"
    return f"no connection: {_system_words(getattr(error, 'os_error', error))}"


def _system_words(error: Exception) -> str:
    """Return the system's words for an error; aiohttp may have put several, one an address, into its text."""
    number = getattr(error, "errno", None)
    numbers = [int(each) for each in _ERRNO.findall(str(error))] if number is None else [number]
    words = dict.fromkeys(os.strerror(each) for each in numbers if each in errno.errorcode)
    return ", ".join(words) or "it was closed while it was being made"


_BAD_LINE = "has a line that does not end as HTTP requires"

# Read from top to bottom: the first row whose class and words fit what aiohttp 3.14 says (2026-11).
_HTTP_ERRORS: Sequence[tuple[type[Exception], str, str]] = (
    (http_exceptions.LineTooLong, "", f"has a line of more than {HEADER_LIMIT // 1024} KiB in its head"),
    (http_exceptions.BadStatusLine, r"(?s).*b'\\x1[56]\\x03", "is TLS; write https:// in `url`"),
    (
        http_exceptions.BadStatusLine,
        "",
        "is not HTTP, or is longer than its Content-Length: there is no status line where one was expected",
    ),
    (http_exceptions.InvalidHeader, "", "has a header with a character that HTTP does not allow"),
    (http_exceptions.BadHttpMessage, "Too many headers", f"has more than {HEADERS_LIMIT} headers"),
    (http_exceptions.BadHttpMessage, "Invalid header token", "has a header whose name HTTP does not allow"),
    (http_exceptions.BadHttpMessage, "Duplicate Content-Length", "has two Content-Length headers"),
    (http_exceptions.BadHttpMessage, ".*with Transfer-Enc", "has Content-Length and Transfer-Encoding"),
    (http_exceptions.BadHttpMessage, ".*Content-Length", "has a Content-Length that is not a number"),
    (http_exceptions.BadHttpMessage, ".*chunk", "has a chunk that does not follow the rules of HTTP"),
    (http_exceptions.BadHttpMessage, "Missing expected", _BAD_LINE),
    (http_exceptions.BadHttpMessage, "Expected LF", _BAD_LINE),
)


def http_detail(error: Exception) -> str:
    """Return why an answer cannot be read as HTTP, in words."""
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, UnusableAnswer):
        return f"the answer {cause}"
    said = str(getattr(cause, "message", cause))
    for kind, phrase, words in _HTTP_ERRORS:
        if isinstance(cause, kind) and re.match(phrase, said):
            return f"the answer {words}"
    return "the answer does not follow the rules of HTTP"


def through(proxy: Proxy | None, scheme: str) -> Mapping[str, Any]:
    """Return the arguments for aiohttp that send a request to a URL of this scheme through the proxy."""
    if proxy is None:
        return {}
    arguments: dict[str, Any] = {"proxy": URL(proxy.url)}
    if proxy.authorization:
        # Only the proxy is to see it: an https request goes to the proxy as CONNECT, with headers of its own.
        where = "proxy_headers" if scheme == "https" else "headers"
        arguments[where] = {"Proxy-Authorization": proxy.authorization}
    return arguments


def is_encrypted(url: str, proxy: Proxy | None) -> bool:
    """Tell whether there is TLS on the way to a URL: to the server, or to the proxy."""
    return any(address.startswith("https:") for address in (url, proxy.url if proxy else ""))


def status_failure(status: int, proxy: Proxy | None) -> str | None:
    """Return what a status says about the proxy, or None where it is not the proxy that answered."""
    if proxy is None or status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return None
    if proxy.authorization:
        return f"the proxy in {proxy.source} refuses its user and password (HTTP {status})"
    return (
        f"the proxy in {proxy.source} wants a user and password (HTTP {status}); "
        "write them as http://USER:PASSWORD@HOST:PORT"
    )


def proxy_failure(error: Exception, proxy: Proxy | None) -> str | None:
    """Return what the proxy did wrong, or None where the error is not the proxy's.

    No text of the error itself is used: it may hold the URL, and the key with it.
    """
    if proxy is None:
        return None
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return status_failure(error.status, proxy) or (
            f"the proxy in {proxy.source} answered HTTP {error.status} instead of connecting"
        )
    if isinstance(error, UnicodeError):
        return f"no connection to the proxy: no host can have the name in {proxy.source}"
    if not isinstance(error, aiohttp.ClientConnectorError) or not _was_to(proxy, error):
        return None
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of the proxy in {proxy.source} cannot be resolved: {cause.strerror}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the proxy in {proxy.source} was not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS to the proxy in {proxy.source} failed: {cause.reason or type(cause).__name__}"
    return f"no connection to the proxy in {proxy.source}: {_words(cause)}"


def _was_to(proxy: Proxy, error: aiohttp.ClientConnectorError) -> bool:
    """Tell whether the connection to the proxy failed, and not the one through it to the server."""
    url = URL(proxy.url)
    return (error.host, error.port) == (url.raw_host, url.port)


def _words(error: OSError) -> str:
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)  # asyncio's own sentence repeats the address
    return error.strerror or type(error).__name__


_MOST_DIGITS = 9
_VERY_LONG = 10.0**_MOST_DIGITS


def retry_after(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, or None where there is none that can be read.

    It is a number of seconds or a point in time. Such a point is compared with ``date``, the ``Date`` of the
    same answer, since the clock of the server may be wrong; without it with ``now``, seconds since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MOST_DIGITS else _VERY_LONG
    until = _seconds(text)
    if until is None:
        return None
    sent = _seconds(date or "")
    return max(0.0, until - (now if sent is None else sent))


def _seconds(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
        # A date with "-0000" has no zone: that is UTC as well (RFC 5322, section 3.3).
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
