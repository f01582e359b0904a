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
    """Any finite float is the same number as JSON value, as text and as bare answer."""
    assert number_of(value) == number_of(f" {value!r} ") == number_of(json.loads(json.dumps(value))) == value
    assert read_number(repr(value), number_of, "credit", pattern=None, key="key") == Number(value)


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
    outcome = _days(f"{before}[{days}]{after}", r"\[(-?\d+)\]")
    assert outcome == Number(float(days))


@pytest.mark.parametrize("pattern", [r"\d+", r"(\d+)( days)?", r"(?:in )(\d+)"])
def test_the_number_is_the_first_group_or_the_match(pattern: str) -> None:
    """A pattern without a group is taken whole; further groups are nobody's."""
    assert _days("ends in 30 days", pattern) == Number(30.0)


def test_a_pattern_does_not_search_pages() -> None:
    """A body too long to wrap one number is not searched."""
    assert _days("x" * 9998 + "30", r"(\d+)") == Number(30.0)
    assert isinstance(_days("x" * 9999 + "30", r"(\d+)"), Failure)


def test_no_pattern_stops_the_daemon() -> None:
    """A pattern for which Python's own engine needs longer than the universe is old ends in milliseconds."""
    days = r"expires in ((?:\d+,?)+) days"
    began = time.perf_counter()
    outcome = _days(f"expires in {'1' * 9000} hours", days)
    assert isinstance(outcome, Failure)
    assert time.perf_counter() - began < 1
    assert _days("expires in 30 days", days) == Number(30.0)


def test_half_a_surrogate_pair_is_searched_as_well() -> None:
    """JSON can hold what no UTF-8 can; it is no reason to fail."""
    assert _days("\ud800 30", r"(\d+)") == Number(30.0)


@pytest.mark.parametrize("name", sorted(TOTAL_NAMES))
def test_every_name_of_the_total_is_known_in_any_case(name: str) -> None:
    """Each name of the table is the total, in whatever case and with whatever between its words."""
    for written in (name, name.upper(), name.title().replace(" ", "_"), name.replace(" ", "-")):
        assert read_counts(json.dumps({"pbx1": 1, written: 5})) == Counts(5, {"pbx1": 1})


def test_a_configured_total_is_exact() -> None:
    """A configured name replaces the table: another case of it is a node, and so is `Total`."""
    text = '{"Summe": 5, "summe": 1, "Total": 4}'
    assert read_counts(text, "Summe") == Counts(5, {"summe": 1, "Total": 4})


@given(st.dictionaries(st.from_regex(r"pbx[a-z0-9]{1,8}", fullmatch=True), st.integers(0, 9), min_size=1))
def test_positional_twins_are_dropped(nodes: dict[str, int]) -> None:
    """However many nodes there are, their twins under a position are not nodes."""
    twins: dict[str, int] = {}
    for position, (name, count) in enumerate(nodes.items()):
        twins |= {str(position): count, name: count}
    assert read_counts(json.dumps(twins)) == Counts(None, nodes)


def test_what_does_not_pair_up_is_kept() -> None:
    """A numbered entry without its exact twin is a node of that name."""
    assert read_counts('{"0": 1, "pbx1": 2}') == Counts(None, {"0": 1, "pbx1": 2})
    assert read_counts('{"0": 1, "1": 2}') == Counts(None, {"0": 1, "1": 2})
    assert read_counts('{"0": 1, "2": 3, "a": 1, "b": 3}') == Counts(None, {"0": 1, "2": 3, "a": 1, "b": 3})


@pytest.mark.parametrize("name", ["error", "Error", "code", "STATUS", "message"])
def test_no_word_about_the_request_is_a_node(name: str) -> None:
    """Neither alone nor among nodes, in either form, is such a name taken for a node."""
    for text in (
        f"{name}:403",
        f"pbx1:1|{name}:0|",
        json.dumps({name: 403}),
        json.dumps({"pbx1": 1, name: 0}),
    ):
        assert isinstance(read_counts(text), Failure)


@pytest.mark.parametrize("text", ["pbx1:5", "pbx1:5|", "pbx1 : 5\r\n"])
def test_one_node_alone(text: str) -> None:
    """An installation of one node has one pair."""
    assert read_counts(text) == Counts(None, {"pbx1": 5})


def test_a_sentence_that_ends_with_a_number() -> None:
    """One pair whose name has blanks is what a switch says to people; a total may have them."""
    outcome = read_counts("until 12:30")
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.REJECTED
    assert read_counts("Grand total:30") == Counts(30, {})


def test_which_entry_is_wrong() -> None:
    """It is told with what came for it, unless that is a whole structure."""
    for value, shown in (("many", '"pbx2: many"'), ({"in": 3}, '"pbx2: …"'), ([3], '"pbx2: …"')):
        outcome = read_counts(json.dumps({"pbx2": value}))
        assert isinstance(outcome, Failure)
        assert shown in outcome.detail


@pytest.mark.parametrize(
    "text",
    ["pbx1:1|pbx2:x|pbx3:3", "pbx1:1|pbx2:-2|pbx3:3|", '{"pbx1": 1, "pbx2": "x", "pbx3": 3}']
    + [f'{{"pbx1": 1, "pbx2": {wrong}, "pbx3": 3}}' for wrong in ("-1", "true", "NaN", "1.5", "null", "[]")]
    + ['{"pbx2": 1, "pbx1": 1, "pbx2": 2, "pbx3": 3}', "pbx2:1|pbx1:1|pbx2:2|pbx3:3|a:1"],
)
def test_one_bad_count_costs_that_node(text: str) -> None:
    """The other nodes are read. The sum over them would be an invented total, so there is none."""
    outcome = read_counts(text.replace("|a:1", ""))
    assert isinstance(outcome, Counts)
    assert outcome.nodes == {"pbx1": 1, "pbx3": 3}
    assert outcome.uncounted == {"pbx2"}
    assert outcome.whole is None
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (1, 0)


def test_a_stated_total_holds_whatever_its_nodes_say() -> None:
    """It is the switch's own word, and no sum."""
    outcome = read_counts('{"pbx1": "x", "pbx2": 2, "Total": 5}')
    assert isinstance(outcome, Counts)
    assert outcome.whole == 5
    outcome = read_counts('{"pbx1": 1, "pbx2": 2, "Total": "x"}')
    assert isinstance(outcome, Counts)
    assert (outcome.whole, outcome.nodes, outcome.uncounted) == (None, {"pbx1": 1, "pbx2": 2}, frozenset())


def test_a_name_that_cannot_be_read_costs_that_node() -> None:
    """Nobody knows which node it is, so it may be any that is not in the answer."""
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
def test_when_all_of_it_is_wrong(text: str) -> None:
    """It breaks off, or is mostly something else: then nothing of it is believed."""
    outcome = read_counts(text)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DECODE


def test_no_installation_has_so_many_nodes() -> None:
    """The work for an answer is bounded before it is done."""
    nodes = {f"n{number}": 1 for number in range(MOST_NODES)}
    assert read_counts(json.dumps(nodes)) == Counts(None, nodes)
    for text in (json.dumps({**nodes, "more": 1}), "|".join(f"{name}:1" for name in [*nodes, "more"])):
        outcome = read_counts(text)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("cell", [None, True, 1.5, "", "  ", "x" * 256, 10**1000, "\ud800", "a\0", []])
def test_no_labels(cell: object) -> None:
    """What cannot be served as a label, or can only be a mistake, is none."""
    assert label(cell) is None


def test_the_longest_label() -> None:
    """A label has up to 255 characters, and blanks around them do not count."""
    assert label(f" {'x' * 255} ") == "x" * 255
