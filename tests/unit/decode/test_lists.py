import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.documents import parse, record_decoder
from exporter.decode.labels import label
from exporter.decode.lists import decode_extensions, decode_peers, decode_tenants
from exporter.decode.options import Options
from exporter.model import Extension, Extensions, Failure, Peers, Registration, Tenants

_cells = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="|"), min_size=1, max_size=20
)


@given(st.dictionaries(_cells, st.sampled_from(["INUSE", "UNAVAILABLE", "MARTIAN", ""])))
def test_a_list_says_the_same_in_every_form(states: dict[str, str]) -> None:
    """A list of records, an object of records and a table give the same extensions, in the same order."""
    records = [
        {"ex_number": number, "x": "MUST-NOT-SHOW", "st_state": word} for number, word in states.items()
    ]
    table = "State|Password|Number|\n" + "".join(
        f"{word}|MUST-NOT-SHOW|{number}|\r\n" for number, word in states.items()
    )
    outcomes = [
        decode_extensions(text, Options())
        for text in (
            json.dumps(records),
            json.dumps({f"k{i}": row for i, row in enumerate(records)}),
            table.strip(),
        )
    ]
    assert isinstance(outcomes[0], Extensions)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [(row.number, row.word) for row in outcomes[0].rows] == list(states.items())


def test_configured_words_hold_for_lists() -> None:
    """A word of the configuration gives the rows of a list their state."""
    options = Options(words={Registration.REGISTERED: ("Martian",)})
    text = '[{"ex_number": "1", "st_state": "MARTIAN"}]'
    assert decode_extensions(text, options) == Extensions(
        (Extension("1", Registration.REGISTERED, "MARTIAN"),)
    )


@pytest.mark.parametrize(
    ("name", "user"), [("100-A/100-A", "100-A"), ("trunk", "trunk"), (" 7-A / x/y ", "7-A"), (7, "7")]
)
def test_a_peer_is_named_before_the_slash(name: object, user: str) -> None:
    """The user is what stands before the first slash, or the whole name."""
    outcome = decode_peers(json.dumps([{"node": "pbx1", "Name": name, "Status": "OK (1 ms)"}]), Options())
    assert isinstance(outcome, Peers)
    assert outcome.rows[0].user == user


@pytest.mark.parametrize(
    ("cell", "disabled"),
    [
        *[("1", True), (1, True), (True, True), (" ON ", True), ("yes", True), ("TRUE", True)],
        *[("0", False), (0, False), (False, False), ("", False), (None, False), ("off", False)],
    ],
)
def test_ways_of_being_disabled(cell: object, disabled: bool) -> None:  # noqa: FBT001 -- the expectation of a case
    """Each known way of saying yes or no is understood."""
    outcome = decode_tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]), Options())
    assert isinstance(outcome, Tenants)
    assert outcome.rows[0].disabled is disabled


@pytest.mark.parametrize("cell", ["2", "perhaps", 2, 1.0, [1]])
def test_no_tenant_is_guessed_to_be_disabled(cell: object) -> None:
    """Any other word fails the list, which changes nothing."""
    assert isinstance(decode_tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]), Options()), Failure)


@pytest.mark.parametrize("cell", [None, True, 1.5, "", "  ", "x" * 1001, 10**1000, "\ud800", "a\0", []])
def test_no_labels(cell: object) -> None:
    """What cannot be served as a label, or can only be a mistake, is none."""
    assert label(cell) is None


def test_the_longest_label() -> None:
    """A thousand characters are served, and blanks around them do not count."""
    assert label(f" {'x' * 1000} ") == "x" * 1000


@pytest.mark.parametrize(("text", "read"), [('[{"a": ', 7), ('["a" "b"]', 5)])
def test_where_json_breaks_off(text: str, read: int) -> None:
    """It is told how far the answer could be read: nothing of a list may be quoted."""
    outcome = parse(text)
    assert isinstance(outcome, Failure)
    assert f"after character {read} of {len(text)}" in outcome.detail


def test_other_columns_are_dropped_while_reading() -> None:
    """A record keeps nothing beyond its columns from the moment it is read."""
    text = '[{"a": 1, "b": 2, "c": 3, "d": {"a": 4}}, {"a": 1, "c": 3}]'
    assert parse(text, record_decoder(["a"], ["b"])) == [{"a": 1, "b": 2}, {"a": 1}]
