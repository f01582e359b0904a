import json

from exporter.simulator.notation import as_json, as_list, as_pairs, as_table, with_positions


def test_json_is_compact_and_ascii() -> None:
    """No spaces, and letters beyond ASCII as escapes."""
    assert as_json({"name": "é", "n": 1}) == '{"name":"\\u00e9","n":1}'


def test_an_empty_list_loses_its_first_bracket() -> None:
    """An empty JSON list is the single byte that was seen (wire notes 2026-10); a full one is whole."""
    assert as_list([]) == "]"
    assert json.loads(as_list(["1", '{"a":2}'])) == [1, {"a": 2}]


def test_pairs_end_with_a_bar() -> None:
    """Each pair is followed by a bar, the last one too."""
    assert as_pairs({"pbx1": 3, "Total": 3}) == "pbx1:3|Total:3|"


def test_tables_have_a_header() -> None:
    """The first line names the columns, and each line ends with a newline."""
    assert as_table(("a", "b"), [(1, "x")]) == "a|b\n1|x\n"


def test_positions_double_every_value() -> None:
    """Every value is there twice, under its position and its name."""
    assert with_positions({"a": "x", "b": None}) == {"0": "x", "a": "x", "1": None, "b": None}
