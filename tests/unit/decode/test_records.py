import json
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.columns import KEY, VALUE, Column, Layout
from exporter.decode.records import display_of, fields_of, name_of, read_rows
from exporter.decode.text import Windows
from exporter.model import Extensions, Failure, Reason, Registration, Skipped, Tenants
from exporter.queries.extensions import read_extensions
from exporter.queries.tenants import MOST_TENANTS, TenantsQuery, read_tenants


def _extensions(text: str) -> Extensions | Failure:
    return read_extensions(Windows(text.encode()), {})


def _tenants(body: bytes | str) -> Tenants | Failure:
    return read_tenants(Windows(body.encode() if isinstance(body, str) else body), TenantsQuery())


_cells = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="|"), min_size=1, max_size=20
)


@given(st.dictionaries(_cells, st.sampled_from(["INUSE", "UNAVAILABLE", "MARTIAN", ""])))
def test_every_form_of_a_list_gives_the_same_rows(states: dict[str, str]) -> None:
    """A list of records, an object of records and a table give the same extensions in the same order."""
    records = [
        {"ex_number": number, "x": "MUST-NOT-SHOW", "st_state": word} for number, word in states.items()
    ]
    table = "State|Password|Number|\n" + "".join(
        f"{word}|MUST-NOT-SHOW|{number}|\r\n" for number, word in states.items()
    )
    outcomes = [
        _extensions(text)
        for text in (
            json.dumps(records),
            json.dumps({f"k{i}": row for i, row in enumerate(records)}),
            table.strip(),
        )
    ]
    assert isinstance(outcomes[0], Extensions)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [(row.number, row.word) for row in outcomes[0].rows] == list(states.items())


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
        ("", 1),
        ('["7", "INUSE"]', 1),
        ('{"ex_number": {"a": "7"}, "st_state": "INUSE"}', 1),
        ('{"ex_number": "7", "ex_number": "8", "st_state": "INUSE"}', 1),
        ('{"ex_number": "101", "st_state": "INUSE"}', 0),
    ],
)
@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("is_object", [False, True])
def test_one_bad_row_costs_that_row(bad: str, nameless: int, place: int, *, is_object: bool) -> None:
    """One unreadable row is skipped and all others are read."""
    records = [json.dumps(record) for record in _records(4)]
    records.insert(place, bad)
    text = "[" + ", ".join(records) + "]"
    if is_object:
        text = "{" + ",\n ".join(f'"k{at}": {record}' for at, record in enumerate(records)) + "}"

    outcome = _extensions(text)

    assert isinstance(outcome, Extensions), outcome
    assert {row.number for row in outcome.rows} == {"100", "101", "102", "103"}
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (1, nameless)


@pytest.mark.parametrize("next_one", ["null", "", "  ", '{"ex_name": "x"}'])
@pytest.mark.parametrize("is_last", [False, True])
def test_a_malformed_row_does_not_cost_the_rows_after_it(next_one: str, *, is_last: bool) -> None:
    """Even if the next one is unreadable too."""
    rows = [json.dumps(record) for record in _records(4)]
    at = 4 if is_last else 1
    rows[at:at] = ['{"ex_number": "9", "ex_name": "The "Other"", "x": {"y": 1}}', next_one]
    outcome = _extensions(f"[{', '.join(rows)}]")
    assert isinstance(outcome, Extensions)
    assert [row.number for row in outcome.rows] == ["100", "101", "102", "103"]
    assert outcome.skipped is not None
    assert outcome.skipped.rows == 2


def test_an_unreadable_state_is_unknown() -> None:
    """The name of the row is readable, so nothing is missing from the list."""
    text = json.dumps([*_records(2), {"ex_number": "7", "st_state": ["INUSE"]}, *_records(1)])
    outcome = _extensions(text)
    assert isinstance(outcome, Extensions)
    assert [(row.number, row.state) for row in outcome.rows] == [
        ("100", Registration.REGISTERED),
        ("101", Registration.REGISTERED),
        ("7", Registration.UNKNOWN),
    ]
    assert outcome.skipped is not None
    assert (outcome.skipped.rows, outcome.skipped.nameless) == (2, 0)
    assert outcome.skipped.first == "the list of extensions: row 3 has an unreadable st_state"
    assert outcome.skipped.more == ("row 4 has the ex_number of an earlier row",)


def test_the_first_unreadable_rows_are_described() -> None:
    """``probe`` prints them; more would fill the screen."""
    outcome = _extensions(json.dumps([*_records(20), *[{"ex_number": "", "st_state": "INUSE"}] * 12]))
    assert isinstance(outcome, Extensions)
    assert outcome.skipped is not None
    assert outcome.skipped.rows == 12
    assert outcome.skipped.more == tuple(f"row {row} has no ex_number" for row in range(22, 31))


@pytest.mark.parametrize(
    "charset", ["", "utf-8", "ISO-8859-1", "windows-1252", "iso_8859_15", "gbk", "nonsense"]
)
def test_the_charset_that_fits_most_names_is_used(charset: str) -> None:
    """A name that is cut within a character does not garble the others, whatever the server declares."""
    body = '[{"te_code": "Ä"}, {"te_code": "B", "te_name": "Müller"}, {"te_code": "C", "te_name": "M#"}]'
    outcome = read_tenants(Windows(body.encode().replace(b"#", b"\xc3"), charset), TenantsQuery())
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.name) for row in outcome.rows] == [("Ä", ""), ("B", "Müller"), ("C", "M\ufffd")]
    outcome = read_tenants(Windows(body.replace("#", "ß").encode("latin-1"), charset), TenantsQuery())
    assert isinstance(outcome, Tenants)
    single = "8859" in charset or "1252" in charset
    assert [row.code for row in outcome.rows] == (["Ä", "B", "C"] if single else ["B", "C"])


def test_one_bad_byte_costs_that_row_at_most() -> None:
    """It is replaced in a name, skips the row in its key, and a control character costs nothing."""
    rows = (
        b'{"te_code": "A", "te_name": "M\xfcller"}, {"te_code": "B\xff"}, {"te_code": "C", "te_name": "a\tb"}'
    )
    outcome = _tenants(b"[" + rows + b"]")
    assert isinstance(outcome, Tenants)
    assert [(row.code, row.name) for row in outcome.rows] == [("A", "M\ufffdller"), ("C", "a\tb")]
    table = b"te_code|te_name\nA|M\xfcller\nB\xff|b\nC|c\n"
    outcome = _tenants(table)
    assert isinstance(outcome, Tenants)
    assert [row.code for row in outcome.rows] == ["A", "C"]


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_a_list_of_mostly_bad_rows_is_a_failure(good: int) -> None:
    """It is another list or another format. Half of the rows are still accepted."""
    text = json.dumps([*_records(good), {"x": 1}, {"x": 2}])
    outcome = _extensions(text)
    assert isinstance(outcome, Failure if good < 2 else Extensions)


@pytest.mark.parametrize("end", [1, 20, 40, 50])
def test_a_truncated_list_is_a_failure(end: int) -> None:
    """Nobody knows what is missing, so nothing is used."""
    text = json.dumps(_records(4))
    table = "Number|State\n" + "".join(f"{number}|INUSE\n" for number in range(100, 110))
    for broken in (text[:-end], json.dumps(dict(enumerate(_records(4))))[:-end], table[:-7]):
        outcome = _extensions(broken)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.DECODE


@pytest.mark.parametrize("form", ["array", "object", "table", "bad rows"])
def test_too_many_rows(form: str) -> None:
    """A list is read up to its limit and no further."""
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
        outcome = _tenants(text)
        if listed is codes:
            assert isinstance(outcome, Tenants)
        else:
            assert isinstance(outcome, Failure)
            assert outcome.reason is Reason.TOO_LARGE


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=400), st.sampled_from(["é", "€", "😀", "x"]))
def test_windows_make_no_difference(sizes: list[int], letter: str) -> None:
    """All rows are read even if a window ends within a record, a character or a line."""
    records = [
        {"ex_number": str(at), "ex_name": letter * size, "st_state": "INUSE"} for at, size in enumerate(sizes)
    ]
    forms = (
        json.dumps(records, ensure_ascii=False),
        json.dumps({f"k{at}": record for at, record in enumerate(records)}, ensure_ascii=False),
        "Number|Name|State\n" + "".join(f"{at}|{letter * size}|INUSE\n" for at, size in enumerate(sizes)),
    )
    for text in forms:
        outcome = _extensions(text)
        assert isinstance(outcome, Extensions)
        assert (len(outcome.rows), outcome.skipped) == (len(sizes), None)


@pytest.mark.parametrize(
    "filling",
    [b'{"te_code":"A"},', b"[", b'{"a":', b"[],", b"1,", b'{"te_code":"A', b" ", b'{"a":[{},{"b":', b"\\"],
)
def test_megabytes_of_nonsense_take_little_memory(filling: bytes) -> None:
    """Reading any list of 4 MiB takes a few windows of memory beside its body."""
    body = b"[" + filling * (4 * 2**20 // len(filling))
    tracemalloc.start()
    try:
        outcome = _tenants(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, Failure)
    assert peak < 24 * 2**20


_ID, _NAME = Column(KEY), Column(VALUE, "qu_name", required=False)
_QUEUES = Layout("the list of queues", (_ID, _NAME), key=_ID, most=100)


def _queues(text: str) -> tuple[dict[object, object], Skipped | Failure | None]:
    rows: dict[object, object] = {}

    def take(cells: Sequence[object]) -> Column | None:
        key = name_of(cells[0])
        rows[key] = display_of(cells[1])
        return None if key else _ID

    skipped = read_rows(Windows(text.encode()), _QUEUES, take)
    return rows, skipped


def test_an_object_of_values() -> None:
    """Key and value are cells, and so is the name of a record in an object of records."""
    names: dict[str, object] = {"7": "Sales, East", "8": 9, "9": {"QU_Name": "Support"}, "10": {}}
    assert _queues(json.dumps(names)) == ({"7": "Sales, East", "8": "9", "9": "Support", "10": ""}, None)


@pytest.mark.parametrize("text", ["[]", "]", "{}", " [ ] |"])
def test_an_empty_list_of_values(text: str) -> None:
    """It is valid."""
    assert _queues(text) == ({}, None)


def test_values_without_a_key() -> None:
    """An array states no ids, and its positions are not used for them."""
    rows, failure = _queues('["Sales", "Support"]')
    assert rows == {}
    assert isinstance(failure, Failure)


@pytest.mark.parametrize("bad", ["", '"Sal"es, "x"', "Sales", '"\\x"', "NaN", '["Sales"]', "1" * 5000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_broken_value_costs_that_value(bad: str, place: int) -> None:
    """The names of all other ids are read; this one has none, or is not in the list."""
    values = ['"7": "A, B"', '"8": "C"']
    values.insert(place, f'"9": {bad}')
    rows, _ = _queues("{" + ", ".join(values) + "}")
    assert rows | {"9": ""} == {"7": "A, B", "8": "C", "9": ""}


@pytest.mark.parametrize("text", ['{"error": "No id specified"}', '{"message": "gone", "7": "Sales"}'])
def test_an_error_is_no_value(text: str) -> None:
    """The names that report errors are never ids."""
    assert isinstance(_queues(text)[1], Failure)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (" Acme ", "Acme"),
        (7, "7"),
        (None, ""),
        (True, ""),
        (["Acme"], ""),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_display_name_is_never_an_error(cell: object, shown: str) -> None:
    """What a label cannot contain is replaced, cut off or left out."""
    assert display_of(cell) == shown


_CODE, _STATE = Column("te_code", KEY), Column("status", "state")
_LAYOUT = Layout("the list", (_ID, _CODE, _STATE), key=_CODE, most=10)
_RECORD = {"te_code": "A", "State": "x", "password": "y"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (json.dumps([_RECORD]), ("te_code", "State")),
        (json.dumps({"7": _RECORD}), ("te_code", "State")),
        (json.dumps([_RECORD, _RECORD])[:-4], ("te_code", "State")),
        (json.dumps([{"te_code": "A"}, None, {"STATUS": "x"}]), ("te_code", "STATUS")),
        (json.dumps([{"te_id": "1"}]), ("", "")),
        (json.dumps(_RECORD), ()),
        ("Password|STATE|\nx|y|\n", ("", "STATE")),
        ("x|y|\n", ()),
        ("[]", ()),
        ("", ()),
    ],
)
def test_the_columns_of_a_response(body: str, names: tuple[str, ...]) -> None:
    """Each column of the layout has its name in the response, or none; other names are not returned."""
    assert tuple(fields_of(body.encode(), _LAYOUT).values()) == names


@given(st.binary(max_size=200) | st.text('[]{},:|"ate_cod\n', max_size=60).map(str.encode))
def test_only_names_of_the_layout_are_returned(body: bytes) -> None:
    """Whatever the body: it may contain data where names belong."""
    for column, name in fields_of(body, _LAYOUT).items():
        assert not name or name.casefold() in column.names
