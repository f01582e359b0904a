import math

import pytest

from exporter.alerting import written
from exporter.model import Query, Scope, Target


@pytest.mark.parametrize("value", [True, math.nan, math.inf, 10**400, "1", None, [1]])
def test_what_is_no_number_is_none(value: object) -> None:
    """Nor are numbers that JSON of others may hold."""
    with pytest.raises(ValueError, match="expected a"):
        written.number(value)


@pytest.mark.parametrize("value", [1, None, ["a"]])
def test_what_is_no_text_is_none(value: object) -> None:
    """A key that is a number would be another one than it was."""
    with pytest.raises(TypeError, match="expected a text"):
        written.text(value)


def test_keys_are_read_back() -> None:
    """As they were before they were lists of texts."""
    assert written.pair(["ACME", "100"]) == ("ACME", "100")
    assert written.pace(["calls", "tenant"]) == (Query.CALLS, Scope.TENANT)
    assert written.target(["calls", "tenant", "ACME"]) == Target(Query.CALLS, Scope.TENANT, "ACME")


def test_a_state_that_is_missing_is_refused() -> None:
    """How many extensions are in each state is known of all three, or not at all."""
    states = {"registered": 3.0, "unregistered": 1.0, "unknown": 0.0}
    assert written.states(states) == states
    with pytest.raises(KeyError):
        written.states({"registered": 3.0})


def test_times_are_within_a_century() -> None:
    """Beyond it a minute is lost in rounding; a little younger than 0 is 0."""
    assert (written.moment(0), written.age(-0.5), written.wall(1e9)) == (0, 0, 1e9)
    for read, value in (
        (written.moment, -1),
        (written.moment, 1e17),
        (written.age, -1e17),
        (written.age, 4e9),
        (written.wall, -1),
        (written.wall, 1e300),
    ):
        with pytest.raises(ValueError, match="expected seconds from"):
            read(value)
