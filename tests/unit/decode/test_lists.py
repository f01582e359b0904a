import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.documents import parse, record_decoder
from exporter.decode.labels import label
from exporter.decode.lists import MOST_TENANTS, decode_extensions, decode_peers, decode_tenants
from exporter.decode.options import Options
from exporter.decode.windows import Windows
from exporter.model import Extension, Extensions, Failure, Peers, Reason, Registration, Tenants


def _extensions(text: str, options: Options) -> Extensions | Failure:
    return decode_extensions(Windows(text.encode()), options)


def _peers(text: str, options: Options) -> Peers | Failure:
    return decode_peers(Windows(text.encode()), options)


def _tenants(text: str, options: Options) -> Tenants | Failure:
    return decode_tenants(Windows(text.encode()), options)


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
        _extensions(text, Options())
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
    assert _extensions(text, options) == Extensions((Extension("1", Registration.REGISTERED, "MARTIAN"),))


@pytest.mark.parametrize(
    ("name", "user"), [("100-A/100-A", "100-A"), ("trunk", "trunk"), (" 7-A / x/y ", "7-A"), (7, "7")]
)
def test_a_peer_is_named_before_the_slash(name: object, user: str) -> None:
    """The user is what stands before the first slash, or the whole name."""
    outcome = _peers(json.dumps([{"node": "pbx1", "Name": name, "Status": "OK (1 ms)"}]), Options())
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
    outcome = _tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]), Options())
    assert isinstance(outcome, Tenants)
    assert outcome.rows[0].disabled is disabled


@pytest.mark.parametrize("cell", ["2", "perhaps", 2, 1.0, [1]])
def test_no_tenant_is_guessed_to_be_disabled(cell: object) -> None:
    """Any other word is no answer to that; a list of nothing else is a failure."""
    assert isinstance(_tenants(json.dumps([{"te_code": "A", "te_disabled": cell}]), Options()), Failure)


@pytest.mark.parametrize("cell", [None, True, 1.5, "", "  ", "x" * 256, 10**1000, "\ud800", "a\0", []])
def test_no_labels(cell: object) -> None:
    """What cannot be served as a label, or can only be a mistake, is none."""
    assert label(cell) is None


def test_the_longest_label() -> None:
    """A label has up to 255 characters, and blanks around them do not count."""
    assert label(f" {'x' * 255} ") == "x" * 255


@pytest.mark.parametrize(("text", "read"), [('[{"a": ', 7), ('["a" "b"]', 5)])
def test_where_json_breaks_off(text: str, read: int) -> None:
    """It is told how far the answer could be read: nothing of a list may be quoted."""
    outcome = parse(text)
    assert isinstance(outcome, Failure)
    assert f"after character {read} of {len(text)}" in outcome.detail


def test_other_columns_are_dropped_while_reading() -> None:
    """A record keeps nothing beyond its columns from the moment it is read."""
    text = '[{"a": 1, "b": 2, "c": 3, "d": {"a": 4}}, {"a": 1, "c": 3}, {"c": 3}]'
    assert parse(text, record_decoder(["a"], ["b"])) == [{"a": 1, "b": 2}, {"a": 1}, {}]


def _records(count: int) -> list[dict[str, object]]:
    return [{"ex_number": str(100 + place), "st_state": "INUSE"} for place in range(count)]


@pytest.mark.parametrize(
    ("bad", "nameless"),
    [
        ('{"st_state": "INUSE"}', 1),
        ('{"ex_number": "10\\u0000", "st_state": "INUSE"}', 1),
        ('{"ex_number": true, "st_state": "INUSE"}', 1),
        ('{"ex_number": "7", "ex_name": "Bob "the" Builder", "st_state": "INUSE"}', 1),
        ('{"ex_number": "7", "ex_name": "\\x", "st_state": "INUSE"}', 1),
        ('{"ex_number": "7", "n": 1' + "0" * 5000 + ', "st_state": "INUSE"}', 1),
        ('{"ex_number": "7" "st_state": "INUSE"}', 1),
        ("null", 1),
        ('"text"', 1),
        ('{"ex_number": "101", "st_state": "INUSE"}', 0),
    ],
)
@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("is_object", [False, True])
def test_one_bad_row_costs_that_row(bad: str, nameless: int, place: int, *, is_object: bool) -> None:
    """Wherever it stands, and whatever is wrong with it: all others are read."""
    records = [json.dumps(record) for record in _records(4)]
    records.insert(place, bad)
    text = "[" + ", ".join(records) + "]"
    if is_object:
        text = "{" + ",\n ".join(f'"k{at}": {record}' for at, record in enumerate(records)) + "}"

    outcome = _extensions(text, Options())

    assert isinstance(outcome, Extensions), outcome
    assert {row.number for row in outcome.rows} == {"100", "101", "102", "103"}
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (1, nameless)


def test_a_state_that_cannot_be_read_is_unknown() -> None:
    """Whose row it is can be read, so nobody is missing from the list."""
    text = json.dumps([*_records(2), {"ex_number": "7", "st_state": ["INUSE"]}, *_records(1)])
    outcome = _extensions(text, Options())
    assert isinstance(outcome, Extensions)
    assert [(row.number, row.state) for row in outcome.rows] == [
        ("100", Registration.REGISTERED),
        ("101", Registration.REGISTERED),
        ("7", Registration.UNKNOWN),
    ]
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (2, 0)


def test_one_bad_byte_costs_that_row_at_most() -> None:
    """In a name it is replaced; in what a row is known by it costs the row; a control character nothing."""
    rows = (
        b'{"te_code": "A", "te_name": "M\xfcller"}, {"te_code": "B\xff"}, {"te_code": "C", "te_name": "a\tb"}'
    )
    outcome = decode_tenants(Windows(b"[" + rows + b"]"), Options())
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.name) for row in outcome.rows] == [("A", "M\ufffdller"), ("C", "a\tb")]
    table = b"te_code|te_name\nA|M\xfcller\nB\xff|b\nC|c\n"
    outcome = decode_tenants(Windows(table), Options())
    assert isinstance(outcome, Tenants)
    assert [row.code for row in outcome.rows] == ["A", "C"]


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_a_list_of_mostly_bad_rows_is_a_failure(good: int) -> None:
    """It is another list, or another format. Half of the rows are enough."""
    text = json.dumps([*_records(good), {"x": 1}, {"x": 2}])
    outcome = _extensions(text, Options())
    assert isinstance(outcome, Failure if good < 2 else Extensions)


@pytest.mark.parametrize("end", [1, 20, 40, 50])
def test_a_list_that_breaks_off_is_a_failure(end: int) -> None:
    """Nobody knows what is missing, so nothing of it is believed."""
    text = json.dumps(_records(4))
    table = "Number|State\n" + "".join(f"{number}|INUSE\n" for number in range(100, 110))
    for broken in (text[:-end], json.dumps(dict(enumerate(_records(4))))[:-end], table[:-7]):
        outcome = _extensions(broken, Options())
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.DECODE


def test_a_tenant_that_is_not_known_to_be_disabled() -> None:
    """It is in the list, so it has not left, and nobody guesses."""
    outcome = _tenants('[{"te_code": "A", "te_disabled": "perhaps"}, {"te_code": "B"}]', Options())
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.disabled) for row in outcome.rows] == [("A", None), ("B", False)]


@pytest.mark.parametrize("form", ["array", "object", "table", "bad rows"])
def test_more_rows_than_any_installation_has(form: str) -> None:
    """A list is read up to that many rows, and no further."""
    codes = [f"T{number}" for number in range(MOST_TENANTS)]
    for listed in (codes, [*codes, "MORE"]):
        match form:
            case "array":
                text = json.dumps([{"te_code": code} for code in listed])
            case "object":
                text = json.dumps({code: {"te_code": code} for code in listed})
            case "bad rows":
                text = json.dumps([{"te_code": code} for code in listed[:5001]] + [{}] * (len(listed) - 5001))
            case _:
                text = "te_code|te_name\n" + "".join(f"{code}|\n" for code in listed)
        outcome = _tenants(text, Options())
        if listed is codes:
            assert isinstance(outcome, Tenants)
        else:
            assert isinstance(outcome, Failure)
            assert outcome.reason is Reason.TOO_LARGE


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=400), st.sampled_from(["é", "€", "😀", "x"]))
def test_windows_make_no_difference(sizes: list[int], letter: str) -> None:
    """Wherever a window of the text ends, in a record, a character or a line, all rows are read."""
    records = [
        {"ex_number": str(at), "ex_name": letter * size, "st_state": "INUSE"} for at, size in enumerate(sizes)
    ]
    forms = (
        json.dumps(records, ensure_ascii=False),
        json.dumps({f"k{at}": record for at, record in enumerate(records)}, ensure_ascii=False),
        "Number|Name|State\n" + "".join(f"{at}|{letter * size}|INUSE\n" for at, size in enumerate(sizes)),
    )
    for text in forms:
        outcome = _extensions(text, Options())
        assert isinstance(outcome, Extensions)
        assert (len(outcome.rows), outcome.skipped) == (len(sizes), None)


@pytest.mark.parametrize(
    "filling",
    [b'{"te_code":"A"},', b"[", b'{"a":', b"[],", b"1,", b'{"te_code":"A', b" ", b'{"a":[{},{"b":', b"\\"],
)
def test_megabytes_of_nonsense_take_little_memory(filling: bytes) -> None:
    """However a list of 4 MiB is made, reading it takes a few windows of memory beside its body."""
    body = b"[" + filling * (4 * 2**20 // len(filling))
    tracemalloc.start()
    try:
        outcome = decode_tenants(Windows(body), Options())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, Failure)
    assert peak < 24 * 2**20
