import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.numbers import count_of, decode_balance, decode_license_days, number_of, whole_of
from exporter.decode.options import Options
from exporter.model import Failure, Number
from exporter.patterns import Pattern


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read(value: float) -> None:
    """Any finite float is the same number as JSON value, as text and as bare answer."""
    assert number_of(value) == number_of(f" {value!r} ") == number_of(json.loads(json.dumps(value))) == value
    assert decode_balance(repr(value), Options()) == Number(value)


@given(st.integers())
def test_wholes_are_exact_or_nothing(value: int) -> None:
    """A whole number is read to the last digit, or refused beyond what a float can tell apart."""
    expected = value if abs(value) <= 2**53 else None
    assert whole_of(value) == whole_of(str(value)) == expected
    assert count_of(value) == (expected if value >= 0 else None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "",
        "-",
        ".",
        "1.",
        "+1",
        "1_0",
        "0x1",
        "1,5",
        "NaN",
        "inf",
        "1e999",
        "\N{ARABIC-INDIC DIGIT ONE}",
        [1],
        {},
    ],
)
def test_no_numbers(value: object) -> None:
    """What only some language takes for a number is none."""
    assert number_of(value) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1" * 401, 1e308 * 10])
def test_no_finite_numbers(value: object) -> None:
    """Nothing that is not finite, or too long to be meant, is a number."""
    assert number_of(value) is None
    assert whole_of(value) is None


def test_the_longest_number() -> None:
    """Four hundred characters are read; what is longer is no figure anybody meant."""
    assert number_of(f"0.{'1' * 398}") == pytest.approx(1 / 9)
    assert number_of(f"0.{'1' * 399}") is None


@given(st.integers(-(2**53), 2**53), st.text("abc xyz.:", max_size=20), st.text(" abcxyz.:", max_size=20))
def test_a_pattern_finds_the_number_in_its_wrapping(days: int, before: str, after: str) -> None:
    """Wrapped in any letters, the number that the pattern marks is the value."""
    outcome = decode_license_days(f"{before}[{days}]{after}", Options(pattern=Pattern(r"\[(-?\d+)\]")))
    assert outcome == Number(float(days))


@pytest.mark.parametrize("pattern", [r"\d+", r"(\d+)( days)?", r"(?:in )(\d+)"])
def test_the_number_is_the_first_group_or_the_match(pattern: str) -> None:
    """A pattern without a group is taken whole; further groups are nobody's."""
    assert decode_license_days("ends in 30 days", Options(pattern=Pattern(pattern))) == Number(30.0)


def test_a_pattern_does_not_search_pages() -> None:
    """A body too long to wrap one number is not searched."""
    days = Options(pattern=Pattern(r"(\d+)"))
    assert decode_license_days("x" * 9998 + "30", days) == Number(30.0)
    assert isinstance(decode_license_days("x" * 9999 + "30", days), Failure)


def test_no_pattern_stops_the_daemon() -> None:
    """A pattern for which Python's own engine needs longer than the universe is old ends in milliseconds."""
    days = Options(pattern=Pattern(r"expires in ((?:\d+,?)+) days"))
    began = time.perf_counter()
    outcome = decode_license_days(f"expires in {'1' * 9000} hours", days)
    assert isinstance(outcome, Failure)
    assert time.perf_counter() - began < 1
    assert decode_license_days("expires in 30 days", days) == Number(30.0)


def test_half_a_surrogate_pair_is_searched_as_well() -> None:
    """JSON can hold what no UTF-8 can; it is no reason to fail."""
    assert decode_balance("\ud800 30", Options(pattern=Pattern(r"(\d+)"))) == Number(30.0)
