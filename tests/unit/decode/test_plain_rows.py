import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.columns import KEY, VALUE, Column, Layout
from exporter.decode.records import name_of, read_rows, text_of
from exporter.decode.text import Windows
from exporter.model import Failure, Reason, Skipped

_NUMBER, _STATE = Column("st_extension"), Column("st_state")
_BLFS = Layout(
    "the list of states",
    (_NUMBER, _STATE),
    key=_NUMBER,
    most=1000,
    twice=("st_extension", "st_state", "st_timestamp"),
)
_ID, _NAME = Column(KEY), Column(VALUE, required=False)
_QUEUES = Layout("the list of queues", (_ID, _NAME), key=_ID, most=1000)

_Outcome = tuple[dict[str, str | None], Skipped | Failure | None]


def _read(text: str, layout: Layout) -> _Outcome:
    rows: dict[str, str | None] = {}

    def take(cells: object) -> Column | None:
        assert isinstance(cells, list)
        name = name_of(cells[0])
        if name is None:
            return layout.key
        rows[name] = text_of(cells[1])
        return None

    return rows, read_rows(Windows(text.encode()), layout, take)


_texts = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="|:\u2028"), max_size=20
).map(str.strip)
_numbers = st.text("0123456789", min_size=1, max_size=5)
_states = st.dictionaries(
    _numbers, st.sampled_from(["NOT_INUSE", "UNAVAILABLE", ""]), min_size=1, max_size=20
)


@given(_states, st.sampled_from(["\n", "\r\n", ""]), st.booleans(), st.booleans())
def test_records_with_every_value_twice(
    states: dict[str, str],
    end: str,
    are_named: bool,  # noqa: FBT001 -- drawn
    has_header: bool,  # noqa: FBT001 -- drawn
) -> None:
    """They are read with or without line ends, names before the values, and a header."""
    records: list[tuple[str, ...]] = [(number, word, "1790000000") for number, word in states.items()]
    if has_header:
        records.insert(0, _BLFS.twice)
    text = ""
    for record in records:
        for at, (name, value) in enumerate(zip(_BLFS.twice, record, strict=True)):
            text += f"{at}:{value}|{name}:{value}|" if are_named else f"{value}|{value}|"
        text += end
    assert _read(text, _BLFS) == (states, None)


@pytest.mark.parametrize(
    ("bad", "wrong"),
    [
        ("101|101|INUSE|BUSY|1|1|", "6 cells, expected 3 values, each twice"),
        ("INUSE|101|101|INUSE|1|1|", "6 cells, expected 3 values, each twice"),
        ("101|101|INUSE|INUSE|", "5 cells, expected 3 values, each twice"),
        ("|||", "4 cells, expected 3 values, each twice"),
        ("||INUSE|INUSE|1|1|", "no st_extension"),
    ],
)
def test_a_record_that_is_not_twice_costs_that_record(bad: str, wrong: str) -> None:
    """Its columns are in doubt, so nothing in it is used."""
    text = f"100|100|INUSE|INUSE|1|1|\n{bad}\n102|102|BUSY|BUSY|1|1|\n"
    rows, skipped = _read(text, _BLFS)
    assert rows == {"100": "INUSE", "102": "BUSY"}
    assert skipped == Skipped(1, 1, f"the list of states: row 2 has {wrong}")


def test_a_header_with_names_is_a_table() -> None:
    """The header counts, whatever its order."""
    text = "0|st_state|1|st_extension|\nINUSE|INUSE|100|100|\n"
    assert _read(text, _BLFS) == ({"100": "INUSE"}, None)


@pytest.mark.parametrize("end", ["102|102|RING", "102|102|BUSY|BUSY", "102"])
def test_truncated_records_are_a_failure(end: str) -> None:
    """Nobody knows what is missing."""
    _, failure = _read(f"100|100|INUSE|INUSE|1|1|\n{end}", _BLFS)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.DECODE


_ids = st.text("0123456789", min_size=1, max_size=4)


@given(st.dictionaries(_ids, _texts.map(lambda name: f"{name}, a: b".strip()), min_size=1), st.booleans())
def test_pairs_of_id_and_name(names: dict[str, str], has_end: bool) -> None:  # noqa: FBT001 -- drawn
    """Names may contain commas and colons, and a ``|`` may end the line."""
    text = "|".join(f"{key}: {name}" for key, name in names.items()) + "|" * has_end
    assert _read(text, _QUEUES) == (names, None)


def test_a_bad_pair_costs_that_pair() -> None:
    """A pair without a colon, or with a key that is no id, is skipped."""
    rows, skipped = _read("1: Sales|East|2:|3 4: x|5: Support|6: Y\r\n", _QUEUES)
    assert rows == {"1": "Sales", "2": "", "5": "Support", "6": "Y"}
    assert skipped == Skipped(2, 2, "the list of queues: row 2 has no pair", ("row 4 has no pair",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1: Sales|2", Reason.DECODE),
        ("No id specified", Reason.REJECTED),
        ("Wrong or missing tenant: ACME", Reason.REJECTED),
        ("Error: no such queue", Reason.REJECTED),
        ("Warning: Undefined index in /x.php on line 3|", Reason.DECODE),
        ("Sales|Support|", Reason.DECODE),
    ],
)
def test_a_text_without_pairs_is_a_failure(text: str, reason: Reason) -> None:
    """A truncated list, a sentence and a PHP diagnostic are not lists of one queue."""
    rows, failure = _read(text, _QUEUES)
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert len(rows) <= 1


_SECRET = "must-not-show"
_pieces = st.sampled_from(
    ["|", ":", "\n", ",", " ", '"', "{", "}", "[", "]", "100", "INUSE", "st_extension", "1: Sales|", _SECRET]
)


@given(st.lists(_pieces, max_size=20).map("".join), st.sampled_from([_BLFS, _QUEUES]))
def test_any_text_gives_rows_or_a_failure(text: str, layout: Layout) -> None:
    """Nothing is raised, and what is skipped is described without quoting it."""
    _, outcome = _read(text, layout)
    assert outcome is None or isinstance(outcome, Skipped | Failure)
    assert _SECRET not in repr(outcome)
