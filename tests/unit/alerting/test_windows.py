from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting.windows import LastOverTime, RangeVector, rounded


def test_a_value_that_went_counts_for_its_window() -> None:
    """With the value it had, and to the last second of the window, which begins when it was seen."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.update({"a": 1.0, "b": 2.0}, 0)
    held.update({"b": 3.0}, 60)

    assert held.known == {"b": 3.0, "a": 1.0}
    held.update({"b": 3.0}, 300)
    assert held.known["a"] == 1.0
    held.update({"b": 3.0}, 301)
    assert held.known == {"b": 3.0}


def test_a_value_that_is_back_is_the_new_one() -> None:
    """What was held is forgotten as soon as there is a newer value, and is held anew when that goes."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.update({"a": 1.0}, 0)
    held.update({}, 60)
    held.update({"a": 5.0}, 120)
    held.update({}, 180)

    assert held.known["a"] == 5.0
    assert list(held.gone()) == [("a", 5.0, 120)]


def test_what_is_taken_back_is_gone_until_it_is_seen_again() -> None:
    """After a restart a value counts for what is left of its window."""
    held: LastOverTime[str, float] = LastOverTime(300)
    held.restore("a", 1.0, 100)
    held.update({}, 400)
    assert "a" in held.known
    held.update({}, 401)
    assert "a" not in held.known


MINUTE = 60.0


def average(values: list[float], limit: float) -> dict[str, float]:
    """Return what is above a limit after these values, one a minute."""
    history = RangeVector(5 * MINUTE)
    for minute, value in enumerate(values):
        history.update({"node": value}, minute * MINUTE)
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
