"""Averages of what was recorded, rounded as in the rules."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting.history import History, rounded

MINUTE = 60.0


def average(values: list[float], limit: float) -> dict[str, float]:
    """Return what is above a limit after these values, one a minute."""
    history = History(5 * MINUTE)
    for minute, value in enumerate(values):
        history.record({"node": value}, minute * MINUTE)
    return dict(history.averages_above(limit))


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        # Channels of 20, 30 and 40: the exact sum of these floats is above the limit.
        ([11 / 20, 22 / 20, 11 / 20, 16 / 20, 20 / 20, 16 / 20], 0.8),
        ([25 / 30, 25 / 30, 31 / 30, 31 / 30, 17 / 30, 15 / 30], 0.8),
        ([38 / 40, 46 / 40, 37 / 40, 45 / 40, 39 / 40, 23 / 40], 0.95),
        ([0.80000001, 0.79999999] * 3, 0.8),
    ],
)
def test_an_average_on_the_limit_is_not_above_it(values: list[float], limit: float) -> None:
    """The last digit of a sum decides nothing."""
    assert average(values, limit) == {}


def test_an_average_above_the_limit_is_found() -> None:
    """A channel more than 80 % of a thousand is more than 80 %."""
    assert average([0.801] * 6, 0.8) == {"node": 0.801}


def test_the_average_is_of_the_window() -> None:
    """Five minutes are six values: both ends count, as in ``[5m1s]``."""
    assert average([1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.8) == {"node": 0.833333}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.8000000000000002, 0.8), (0.0000005, 0.000001), (-0.0000015, -0.000001), (1e308, 1e308), (0.0, 0.0)],
)
def test_rounding(value: float, expected: float) -> None:
    """Six digits, a half upwards, and what is too large for it is left alone."""
    assert rounded(value) == expected


@given(st.lists(st.floats(0, 2), min_size=2, max_size=20))
def test_rounding_keeps_the_order(values: list[float]) -> None:
    """It never moves a value by more than half of the last digit, nor past another one."""
    assert all(abs(rounded(value) - value) <= 0.0000005000001 for value in values)
    assert all(rounded(one) <= rounded(other) for one, other in pairwise(sorted(values)))
