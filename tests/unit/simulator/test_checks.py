import math

import pytest

from exporter.simulator.checks import Check, boolean, number, one_of, or_null, problems, text, whole


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (boolean(), [True, False], [0, 1, None, "true"]),
        (text(), ["", "a"], [1, None, ["a"]]),
        (one_of(["a", "b"]), ["a"], ["c", None, [], {}]),
        (number(0, 1), [0, 0.5, 1], [-0.1, 1.1, True, math.nan, "0"]),
        (whole(-1, 5), [-1, 5], [-2, 6, 1.0, True, "1"]),
        (or_null(whole(1, 2)), [None, 1], [0, "1"]),
    ],
)
def test_what_passes_and_what_does_not(check: Check, good: list[object], bad: list[object]) -> None:
    """Each check passes the values it names and no other; true is not 1."""
    assert all(check.passes(value) for value in good)
    assert not any(check.passes(value) for value in bad)


def test_problems_carry_their_path() -> None:
    """Unknown members and wrong values are named with the place they stand in."""
    assert problems({"a": 1, "b": "x"}, {"b": boolean()}, "nodes.") == [
        "nodes.a: there is no such member",
        "nodes.b: must be true or false",
    ]
