"""Reads ``Retry-After``: how long an HTTP server asks to be left alone (RFC 9110, section 10.2.3). Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime

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
