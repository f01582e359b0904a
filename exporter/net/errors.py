"""What an error of the network is called, in words for a person.

No text of an exception is repeated: such texts hold URLs, and with them keys, or bytes that a server sent.
"""

import errno
import os
import re
from collections.abc import Sequence

import aiohttp
from aiohttp import http_exceptions

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
