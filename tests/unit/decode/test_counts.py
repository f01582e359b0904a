import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.counts import MOST_NODES, TOTAL_NAMES, decode_counts
from exporter.decode.options import Options
from exporter.model import Counts, Failure, Reason


@pytest.mark.parametrize("name", sorted(TOTAL_NAMES))
def test_every_name_of_the_total_is_known_in_any_case(name: str) -> None:
    """Each name of the table is the total, in whatever case and with whatever between its words."""
    for written in (name, name.upper(), name.title().replace(" ", "_"), name.replace(" ", "-")):
        assert decode_counts(json.dumps({"pbx1": 1, written: 5}), Options()) == Counts(5, {"pbx1": 1})


def test_a_configured_total_is_exact() -> None:
    """A configured name replaces the table: another case of it is a node, and so is `Total`."""
    text = '{"Summe": 5, "summe": 1, "Total": 4}'
    assert decode_counts(text, Options(total_name="Summe")) == Counts(5, {"summe": 1, "Total": 4})


@given(st.dictionaries(st.from_regex(r"pbx[a-z0-9]{1,8}", fullmatch=True), st.integers(0, 9), min_size=1))
def test_positional_twins_are_dropped(nodes: dict[str, int]) -> None:
    """However many nodes there are, their twins under a position are not nodes."""
    twins: dict[str, int] = {}
    for position, (name, count) in enumerate(nodes.items()):
        twins |= {str(position): count, name: count}
    assert decode_counts(json.dumps(twins), Options()) == Counts(None, nodes)


def test_what_does_not_pair_up_is_kept() -> None:
    """A numbered entry without its exact twin is a node of that name."""
    assert decode_counts('{"0": 1, "pbx1": 2}', Options()) == Counts(None, {"0": 1, "pbx1": 2})
    assert decode_counts('{"0": 1, "1": 2}', Options()) == Counts(None, {"0": 1, "1": 2})
    assert decode_counts('{"0": 1, "2": 3, "a": 1, "b": 3}', Options()) == Counts(
        None, {"0": 1, "2": 3, "a": 1, "b": 3}
    )


@pytest.mark.parametrize("name", ["error", "Error", "code", "STATUS", "message"])
def test_no_word_about_the_request_is_a_node(name: str) -> None:
    """Neither alone nor among nodes, in either form, is such a name taken for a node."""
    for text in (
        f"{name}:403",
        f"pbx1:1|{name}:0|",
        json.dumps({name: 403}),
        json.dumps({"pbx1": 1, name: 0}),
    ):
        assert isinstance(decode_counts(text, Options()), Failure)


@pytest.mark.parametrize("text", ["pbx1:5", "pbx1:5|", "pbx1 : 5\r\n"])
def test_one_node_alone(text: str) -> None:
    """An installation of one node has one pair."""
    assert decode_counts(text, Options()) == Counts(None, {"pbx1": 5})


def test_a_sentence_that_ends_with_a_number() -> None:
    """One pair whose name has blanks is what a switch says to people; a total may have them."""
    outcome = decode_counts("until 12:30", Options())
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.REJECTED
    assert decode_counts("Grand total:30", Options()) == Counts(30, {})


def test_which_entry_is_wrong() -> None:
    """It is told with what came for it, unless that is a whole structure."""
    for value, shown in (("many", '"pbx2: many"'), ({"in": 3}, '"pbx2: …"'), ([3], '"pbx2: …"')):
        outcome = decode_counts(json.dumps({"pbx2": value}), Options())
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
    outcome = decode_counts(text.replace("|a:1", ""), Options())
    assert isinstance(outcome, Counts)
    assert outcome.nodes == {"pbx1": 1, "pbx3": 3}
    assert outcome.uncounted == {"pbx2"}
    assert outcome.whole is None
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (1, 0)


def test_a_stated_total_holds_whatever_its_nodes_say() -> None:
    """It is the switch's own word, and no sum."""
    outcome = decode_counts('{"pbx1": "x", "pbx2": 2, "Total": 5}', Options())
    assert isinstance(outcome, Counts)
    assert outcome.whole == 5
    outcome = decode_counts('{"pbx1": 1, "pbx2": 2, "Total": "x"}', Options())
    assert isinstance(outcome, Counts)
    assert (outcome.whole, outcome.nodes, outcome.uncounted) == (None, {"pbx1": 1, "pbx2": 2}, frozenset())


def test_a_name_that_cannot_be_read_costs_that_node() -> None:
    """Nobody knows which node it is, so it may be any that is not in the answer."""
    for text in (
        '{"": 1, "pbx2": 2, "pbx3": 3}',
        "a<b>:1|pbx2:2|pbx3:3|",
        f'{{"{"x" * 256}": 1, "pbx2": 2, "pbx3": 3}}',
    ):
        outcome = decode_counts(text, Options())
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
    outcome = decode_counts(text, Options())
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DECODE


def test_no_installation_has_so_many_nodes() -> None:
    """The work for an answer is bounded before it is done."""
    nodes = {f"n{number}": 1 for number in range(MOST_NODES)}
    assert decode_counts(json.dumps(nodes), Options()) == Counts(None, nodes)
    for text in (json.dumps({**nodes, "more": 1}), "|".join(f"{name}:1" for name in [*nodes, "more"])):
        outcome = decode_counts(text, Options())
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.TOO_LARGE
