import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.values import (
    MOST_NODES,
    TOTAL_NAMES,
    count_of,
    label,
    number_of,
    read_counts,
    read_number,
    whole_of,
)
from exporter.model import Counts, Failure, Number, Reason
from exporter.patterns import Pattern


def _days(text: str, pattern: str) -> Number | Failure:
    return read_number(text, whole_of, "days", pattern=Pattern(pattern), key="key")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read(value: float) -> None:
    """A finite float is the same number as JSON value, as text and as bare response."""
    assert number_of(value) == number_of(f" {value!r} ") == number_of(json.loads(json.dumps(value))) == value
    assert read_number(repr(value), number_of, "credit", pattern=None, key="key") == Number(value)


@given(st.integers())
def test_whole_numbers_are_exact_or_rejected(value: int) -> None:
    """A whole number is read exactly, or rejected if a float cannot represent it."""
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
def test_not_a_number(value: object) -> None:
    """Formats that only some languages accept are rejected."""
    assert number_of(value) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1" * 401, 1e308 * 10])
def test_not_a_finite_number(value: object) -> None:
    """NaN, infinities and very long numbers are rejected."""
    assert number_of(value) is None
    assert whole_of(value) is None


def test_the_longest_number() -> None:
    """A number has at most 400 characters."""
    assert number_of(f"0.{'1' * 398}") == pytest.approx(1 / 9)
    assert number_of(f"0.{'1' * 399}") is None


@given(st.integers(-(2**53), 2**53), st.text("abc xyz.:", max_size=20), st.text(" abcxyz.:", max_size=20))
def test_a_pattern_finds_the_number(days: int, before: str, after: str) -> None:
    """The group of the pattern is the value, whatever surrounds it."""
    outcome = _days(f"{before}[{days}]{after}", r"\[(-?\d+)\]")
    assert outcome == Number(float(days))


@pytest.mark.parametrize("pattern", [r"\d+", r"(\d+)( days)?", r"(?:in )(\d+)"])
def test_the_number_is_the_first_group_or_the_match(pattern: str) -> None:
    """A pattern without a group is used whole; further groups are ignored."""
    assert _days("ends in 30 days", pattern) == Number(30.0)


def test_a_pattern_is_not_tried_on_long_texts() -> None:
    """A text of more than 10,000 characters is not searched."""
    assert _days("x" * 9998 + "30", r"(\d+)") == Number(30.0)
    assert isinstance(_days("x" * 9999 + "30", r"(\d+)"), Failure)


def test_a_pattern_takes_linear_time() -> None:
    """A pattern with exponential backtracking in Python's engine ends within a second."""
    days = r"expires in ((?:\d+,?)+) days"
    began = time.perf_counter()
    outcome = _days(f"expires in {'1' * 9000} hours", days)
    assert isinstance(outcome, Failure)
    assert time.perf_counter() - began < 1
    assert _days("expires in 30 days", days) == Number(30.0)


def test_a_pattern_accepts_half_a_surrogate_pair() -> None:
    """JSON can contain one, although UTF-8 cannot."""
    assert _days("\ud800 30", r"(\d+)") == Number(30.0)


@pytest.mark.parametrize("name", sorted(TOTAL_NAMES))
def test_every_name_of_the_total(name: str) -> None:
    """Case and the separator of words make no difference."""
    for written in (name, name.upper(), name.title().replace(" ", "_"), name.replace(" ", "-")):
        assert read_counts(json.dumps({"pbx1": 1, written: 5})) == Counts(5, {"pbx1": 1})


def test_a_configured_total_is_exact() -> None:
    """It replaces the table, so that `Total` and other cases of the name are nodes."""
    text = '{"Summe": 5, "summe": 1, "Total": 4}'
    assert read_counts(text, "Summe") == Counts(5, {"summe": 1, "Total": 4})


@given(st.dictionaries(st.from_regex(r"pbx[a-z0-9]{1,8}", fullmatch=True), st.integers(0, 9), min_size=1))
def test_positional_duplicates_are_dropped(nodes: dict[str, int]) -> None:
    """PHP's duplicate of each node under its position is not a node."""
    twins: dict[str, int] = {}
    for position, (name, count) in enumerate(nodes.items()):
        twins |= {str(position): count, name: count}
    assert read_counts(json.dumps(twins)) == Counts(None, nodes)


def test_a_number_without_duplicate_is_a_node() -> None:
    """A numbered entry without its exact duplicate is a node of that name."""
    assert read_counts('{"0": 1, "pbx1": 2}') == Counts(None, {"0": 1, "pbx1": 2})
    assert read_counts('{"0": 1, "1": 2}') == Counts(None, {"0": 1, "1": 2})
    assert read_counts('{"0": 1, "2": 3, "a": 1, "b": 3}') == Counts(None, {"0": 1, "2": 3, "a": 1, "b": 3})


@pytest.mark.parametrize("name", ["error", "Error", "code", "STATUS", "message"])
def test_no_error_name_is_a_node(name: str) -> None:
    """A name such as `error` is never a node, alone or among others, in either form."""
    for text in (
        f"{name}:403",
        f"pbx1:1|{name}:0|",
        json.dumps({name: 403}),
        json.dumps({"pbx1": 1, name: 0}),
    ):
        assert isinstance(read_counts(text), Failure)


@pytest.mark.parametrize("text", ["pbx1:5", "pbx1:5|", "pbx1 : 5\r\n"])
def test_one_node_alone(text: str) -> None:
    """An installation with one node has one pair."""
    assert read_counts(text) == Counts(None, {"pbx1": 5})


def test_a_sentence_that_ends_with_a_number() -> None:
    """A single pair with spaces in its name is an error message, unless it is a total."""
    outcome = read_counts("until 12:30")
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.REJECTED
    assert read_counts("Grand total:30") == Counts(30, {})


def test_the_failure_names_the_wrong_entry() -> None:
    """It quotes the entry with its value, unless that is a structure."""
    for value, shown in (("many", '"pbx2: many"'), ({"in": 3}, '"pbx2: …"'), ([3], '"pbx2: …"')):
        outcome = read_counts(json.dumps({"pbx2": value}))
        assert isinstance(outcome, Failure)
        assert shown in outcome.detail


@pytest.mark.parametrize(
    "text",
    ["pbx1:1|pbx2:x|pbx3:3", "pbx1:1|pbx2:-2|pbx3:3|", '{"pbx1": 1, "pbx2": "x", "pbx3": 3}']
    + [f'{{"pbx1": 1, "pbx2": {wrong}, "pbx3": 3}}' for wrong in ("-1", "true", "NaN", "1.5", "null", "[]")]
    + [f'{{"pbx1": 1, "pbx2": {wrong}, "pbx3": 3}}' for wrong in ("", '"x"y"', "{", "<br />", "1 2")]
    + ['{"pbx2": 1, "pbx1": 1, "pbx2": 2, "pbx3": 3}', "pbx2:1|pbx1:1|pbx2:2|pbx3:3|a:1"],
)
def test_one_bad_count_costs_that_node(text: str) -> None:
    """The other nodes are read. Their sum would be wrong, so there is no total."""
    outcome = read_counts(text.replace("|a:1", ""))
    assert isinstance(outcome, Counts)
    assert outcome.nodes == {"pbx1": 1, "pbx3": 3}
    assert outcome.uncounted == {"pbx2"}
    assert outcome.whole is None
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (1, 0)


def test_a_stated_total_does_not_depend_on_the_nodes() -> None:
    """It comes from the switch and is not a sum."""
    outcome = read_counts('{"pbx1": "x", "pbx2": 2, "Total": 5}')
    assert isinstance(outcome, Counts)
    assert outcome.whole == 5
    outcome = read_counts('{"pbx1": 1, "pbx2": 2, "Total": "x"}')
    assert isinstance(outcome, Counts)
    assert (outcome.whole, outcome.nodes, outcome.uncounted) == (None, {"pbx1": 1, "pbx2": 2}, frozenset())


def test_an_unreadable_name_costs_that_node() -> None:
    """It may be any node that is not in the response."""
    for text in (
        '{"": 1, "pbx2": 2, "pbx3": 3}',
        "a<b>:1|pbx2:2|pbx3:3|",
        f'{{"{"x" * 256}": 1, "pbx2": 2, "pbx3": 3}}',
    ):
        outcome = read_counts(text)
        assert isinstance(outcome, Counts)
        assert (outcome.nodes, outcome.uncounted) == ({"pbx2": 2, "pbx3": 3}, frozenset())
        assert outcome.skipped is not None
        assert outcome.skipped.nameless == 1


@pytest.mark.parametrize(
    "text",
    [
        *("pbx1:1|pbx2:", "pbx1:1|pbx2:2|pb", "Sorry|12:30", "Sorry, no nodes|try at 12:30"),
        *('{"pbx1": 1, "pbx2": "x", "pbx3": "x"}', '{"pbx1": 1, "pbx2": 2'),
        *('{"id": 1, "node": "pbx1", "count": 5}', '[{"node": "pbx1", "count": 5}]'),
    ],
)
def test_a_mostly_unreadable_count_is_a_failure(text: str) -> None:
    """A response that is truncated or mostly something else is not used."""
    outcome = read_counts(text)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DECODE


def test_too_many_nodes() -> None:
    """The number of nodes is bounded."""
    nodes = {f"n{number}": 1 for number in range(MOST_NODES)}
    assert read_counts(json.dumps(nodes)) == Counts(None, nodes)
    for text in (json.dumps({**nodes, "more": 1}), "|".join(f"{name}:1" for name in [*nodes, "more"])):
        outcome = read_counts(text)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("cell", [None, True, 1.5, "", "  ", "x" * 256, 10**1000, "\ud800", "a\0", []])
def test_not_a_label(cell: object) -> None:
    """Values that cannot be a label value are rejected."""
    assert label(cell) is None


def test_the_longest_label() -> None:
    """A label has up to 255 characters without surrounding spaces."""
    assert label(f" {'x' * 255} ") == "x" * 255
