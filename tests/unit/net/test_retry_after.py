import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.net.errors import retry_after

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
