import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.probe.totals import total_advice
from exporter.decode import Options
from exporter.model import Counts, Query
from tests.unit.cli.probe.answers import answered


def names(body: str, options: Options = Options()) -> list[str]:  # noqa: B008 -- frozen
    """Return the total names that are suggested."""
    found: list[Any] = [each.settings for each in total_advice(answered(Query.PEERS, body, options), options)]
    return [settings["queries"]["peers"]["total_name"] for settings in found]


@pytest.mark.parametrize(
    ("body", "suggested"),
    [
        ('{"pbx1": 3, "pbx2": 5, "Insgesamt": 8}', ["Insgesamt"]),
        ("pbx1:3|pbx2:5|cluster:8|", ["cluster"]),
        ('{"pbx1": 3, "pbx2": 5, "pbx3": 8}', []),  # called like a node: a coincidence
        ('{"pbx1": 3, "pbx2": 5, "Total": 8}', []),  # known
        ('{"pbx1": 3, "pbx2": 5, "edge": 7}', []),
        ('{"pbx1": 3, "edge": 3}', []),  # each is the sum of the other
        ('{"pbx1": 0, "pbx2": 0, "edge": 0}', []),
        ('{"all": 3, "pbx2": 5, "Total": 8}', ["Total"]),  # two in the table: only one is the sum
        ("8", []),
        ("No such thing", []),
    ],
)
def test_the_sum_of_the_others(body: str, suggested: list[str]) -> None:
    """An entry is suggested that is the sum of all others and not called like one of them."""
    assert names(body) == suggested


def test_a_total_that_is_called_otherwise_than_configured() -> None:
    """``total_name`` that is not in the answer is corrected."""
    assert names('{"a1": 3, "a2": 5, "TOTALE": 8}', Options(total_name="Total")) == ["TOTALE"]


def test_it_says_that_it_is_a_guess() -> None:
    """The sum alone is no proof."""
    (advice,) = total_advice(answered(Query.PEERS, '{"a1": 3, "a2": 5, "cluster": 8}'), Options())
    assert "guess" in advice.text
    assert not advice.sure


@given(st.dictionaries(st.text(max_size=8), st.integers(-1, 9), max_size=5))
def test_a_suggestion_is_the_total(entries: dict[str, int]) -> None:
    """Whatever the entries, what is suggested makes the answer state a total."""
    body = json.dumps(entries)
    for name in names(body):
        verdict = answered(Query.PEERS, body, Options(total_name=name)).verdict
        assert isinstance(verdict, Counts)
        assert verdict.total == sum((verdict.nodes or {}).values())
