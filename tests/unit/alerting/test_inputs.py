from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.alerting.inputs import (
    Input,
    LastOverTime,
    RangeVector,
    SwitchInputs,
    job,
    pair,
    rounded,
    states,
    target_and_reason,
)
from exporter.model import Query, Reason, Scope, Target


def test_a_value_that_is_gone_counts_for_its_window() -> None:
    """It keeps its last value to the last second of the window, which begins when it was last seen."""
    window: LastOverTime[str, float] = LastOverTime(300)
    window.update({"a": 1.0, "b": 2.0}, 0)
    window.update({"b": 3.0}, 60)

    assert window.known == {"b": 3.0, "a": 1.0}
    window.update({"b": 3.0}, 300)
    assert window.known["a"] == 1.0
    window.update({"b": 3.0}, 301)
    assert window.known == {"b": 3.0}


def test_a_value_that_returns_replaces_the_one_before() -> None:
    """When it goes again, its newest value counts."""
    window: LastOverTime[str, float] = LastOverTime(300)
    for minute, values in enumerate([{"a": 1.0}, {}, {"a": 5.0}, {}]):
        window.update(values, 60 * minute)

    assert window.known["a"] == 5.0
    assert list(window.rows()) == [("a", 5.0, 120)]


def test_a_restored_value_counts_for_the_rest_of_its_window() -> None:
    """It is gone until it is seen again."""
    window: LastOverTime[str, float] = LastOverTime(300)
    window.restore("a", 1.0, 100)
    window.update({}, 400)
    assert "a" in window.known
    window.update({}, 401)
    assert "a" not in window.known


def _averages_above(limit: float, values: list[float]) -> dict[str, float]:
    """Return the averages above a limit after these values, one a minute."""
    window = RangeVector(300)
    for minute, value in enumerate(values):
        window.update({"node": value}, minute * 60)
    return dict(window.averages_above(limit))


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
    """The last digit of a sum makes no difference."""
    assert _averages_above(limit, values) == {}


def test_an_average_above_the_limit_is_found() -> None:
    """Five minutes are six values: both ends count, as in ``[5m1s]``."""
    assert _averages_above(0.8, [0.801] * 6) == {"node": 0.801}
    assert _averages_above(0.8, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]) == {"node": 0.833333}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.8000000000000002, 0.8), (0.0000005, 0.000001), (-0.0000015, -0.000001), (1e308, 1e308), (0.0, 0.0)],
)
def test_rounding(value: float, expected: float) -> None:
    """Six digits, a half upwards; numbers too large for that are unchanged."""
    assert rounded(value) == expected


@given(st.lists(st.floats(0, 2), min_size=2, max_size=20))
def test_rounding_keeps_the_order(values: list[float]) -> None:
    """It never moves a value by more than half of the last digit, nor past another one."""
    assert all(abs(rounded(value) - value) <= 0.0000005000001 for value in values)
    assert all(rounded(one) <= rounded(other) for one, other in pairwise(sorted(values)))


def test_keys_and_values_are_read_back() -> None:
    """JSON has lists of texts; counts of extensions are complete or an error."""
    counts = {"registered": 3.0, "unregistered": 1.0, "unknown": 0.0}
    assert pair(["ACME", "100"]) == ("ACME", "100")
    assert job(["calls", "tenant"]) == (Query.CALLS, Scope.TENANT)
    failed = target_and_reason([["calls", "tenant", "ACME"], "auth"])
    assert failed == (Target(Query.CALLS, Scope.TENANT, "ACME"), Reason.AUTH)
    assert states(counts) == counts
    with pytest.raises(KeyError):
        states({"registered": 3.0})


def test_second_evaluation_at_the_same_moment() -> None:
    """Its values replace those of the first one."""
    window = RangeVector(300)
    for now, value in ((0, 1.0), (60, 2.0), (60, 3.0)):
        window.update({"node": value}, now)

    assert list(window.rows()) == [("node", 1.0, 0), ("node", 3.0, 60)]


def test_evaluation_at_the_moment_of_the_newest_restored_values() -> None:
    """It replaces all of them, and none of the earlier ones."""
    window = RangeVector(300)
    for key, value, seen in (("a", 1.0, 0), ("a", 2.0, 60), ("b", 3.0, 60)):
        window.restore(key, value, seen)
    assert list(window.rows()) == [("a", 1.0, 0), ("a", 2.0, 60), ("b", 3.0, 60)]

    window.update({"a": 4.0}, 60)

    assert list(window.rows()) == [("a", 1.0, 0), ("a", 4.0, 60)]


def test_inputs_are_empty_after_the_last_window() -> None:
    """A value that is gone counts to the end of its window."""
    current = {"ACME": 1.0}
    balance: Input[str, float] = Input("balance", 300, lambda _, __: dict(current))
    inputs = SwitchInputs("pbx", [balance], lambda _: ())
    assert inputs.is_empty

    states_of_emptiness = []
    for now in (0, 300, 301):
        list(inputs.observe(None, now, is_missed=False))
        states_of_emptiness.append(inputs.is_empty)
        current.clear()
    assert states_of_emptiness == [False, False, True]
