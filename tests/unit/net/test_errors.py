import errno
import math
import socket
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import http_exceptions
from hypothesis import given
from hypothesis import strategies as st

from exporter.net import errors
from exporter.net.connections import NoAnswer, UnusableAnswer
from exporter.net.errors import connection_detail, http_detail, retry_after

_KEY = Mock(host="pbx.test", port=443, ssl=True, is_ssl=True)
_REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9093)")
_SEVERAL = OSError(
    "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9093, 0, 0), "
    "[Errno 101] Connect call failed ('127.0.0.1', 9093)"
)


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (aiohttp.ClientConnectorError(_KEY, _REFUSED), "no connection: Connection refused"),
        (
            aiohttp.ClientConnectorError(_KEY, _SEVERAL),
            "no connection: Connection refused, Network is unreachable",
        ),
        (
            aiohttp.ClientConnectorError(_KEY, OSError("Failed to start TLS (possibly ...)")),
            "no connection: closed before it was established",
        ),
        (
            aiohttp.ClientConnectorDNSError(_KEY, socket.gaierror(socket.EAI_AGAIN, "Temporary failure")),
            "the name pbx.test cannot be resolved: Temporary failure",
        ),
        (
            aiohttp.ClientConnectorDNSError(_KEY, OSError(errno.ETIMEDOUT, "no answer within 8 s")),
            "the name pbx.test cannot be resolved: no answer within 8 s",
        ),
        (aiohttp.InvalidUrlClientError("127.1", "is not"), "no connection: expected a complete IPv4 address"),
        (
            aiohttp.ServerDisconnectedError(),
            "the switch closed the connection before the response was complete",
        ),
        (
            _caused(NoAnswer(), aiohttp.ServerDisconnectedError()),
            "the switch closed the connection before the response was complete",
        ),
        (
            _caused(NoAnswer(), aiohttp.ClientOSError(errno.ECONNRESET, "x")),
            "no connection: Connection reset by peer",
        ),
    ],
)
def test_connection_detail(error: Exception, detail: str) -> None:
    """Each failure has the text of the system or ours, and not that of Python."""
    assert connection_detail(error).startswith(detail)
    assert not {"Errno", "Error", "Connect call", "("} & set(connection_detail(error).split())


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        (http_exceptions.BadStatusLine(r"Bad status line:\n\n  b'SSH-2.0'"), "is not HTTP, or is longer"),
        (
            http_exceptions.BadStatusLine("", "Bad status line:\n\n  b'\\x15\\x03\\x01'"),
            "is TLS; write https://",
        ),
        (http_exceptions.LineTooLong(b"X", 65536), "has a line of more than 64 KiB"),
        (http_exceptions.InvalidHeader(b"X"), "has a header with a character"),
        (http_exceptions.BadHttpMessage("Too many headers received"), "has more than 300 headers"),
        (http_exceptions.BadHttpMessage("Duplicate Content-Length:\n\n x"), "has two Content-Length"),
        (
            http_exceptions.BadHttpMessage("Content-Length can't be present with Transfer-Encoding:\n\n x"),
            "has Content-Length and Transfer-Encoding",
        ),
        (http_exceptions.BadHttpMessage("Empty Content-Length:\n\n x"), "has a Content-Length that is not"),
        (http_exceptions.BadHttpMessage("Invalid character in chunk size"), "has an invalid chunk"),
        (http_exceptions.TransferEncodingError("something new"), "is not valid HTTP"),
    ],
)
def test_http_detail(cause: Exception, detail: str) -> None:
    """The reason of the parser is found however deep it is wrapped."""
    wrapped = _caused(
        aiohttp.ClientResponseError(Mock(), ()), _caused(http_exceptions.HttpProcessingError(), cause)
    )

    assert http_detail(wrapped).startswith(f"the response {detail}")


def test_rejected_by_our_own_limits() -> None:
    """The failure has the text of the limit."""
    assert http_detail(UnusableAnswer("has a head of 1 GB")) == "the response has a head of 1 GB"


@given(text=st.text(min_size=1))
def test_nothing_of_an_error_is_repeated(text: str) -> None:
    """A text that the parser or the system quotes is not in the failure."""
    ours = {f"the response {words}" for _, _, words in errors._HTTP_ERRORS}
    for kind in (http_exceptions.BadHttpMessage, http_exceptions.BadStatusLine, ValueError):
        assert http_detail(kind(text)) in {*ours, "the response is not valid HTTP"}
    assert connection_detail(OSError(f"[Errno {errno.EPIPE}] {text} s3cr3t")).startswith(
        "no connection: Broken pipe"
    )
    assert "s3cr3t" not in connection_detail(OSError(f"{text} s3cr3t"))


_NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, 1e9),
        ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
        ("Sunday, 06-Nov-94 08:51:37 GMT", 120),
        ("Sun Nov  6 08:51:37 1994", 120),
        ("Sun, 06 Nov 1994 08:51:37 -0000", 120),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    """All date formats of HTTP are supported; a past date is 0."""
    assert retry_after(value, date=None, now=_NOW) == seconds


def test_the_clock_of_the_server_may_be_wrong() -> None:
    """A date is compared with the Date of the same response, if that is valid."""
    until = "Sun, 06 Nov 1994 08:51:37 GMT"

    assert retry_after(until, date="Sun, 06 Nov 1994 08:50:37 GMT", now=0) == 60
    assert retry_after(until, date="yesterday", now=_NOW) == 120


@given(st.text(), st.text())
def test_nothing_is_raised(value: str, date: str) -> None:
    """Any header is accepted."""
    seconds = retry_after(value, date=date, now=_NOW)

    assert seconds is None or 0 <= seconds < math.inf
