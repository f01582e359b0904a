import pytest

from exporter.decode.columns import ABSENT, KEY, VALUE, Column, cells_of
from exporter.decode.text import UNREADABLE

_STATE = Column("status", "state")


@pytest.mark.parametrize(
    ("record", "cell"),
    [
        ({"state": "a"}, "a"),
        ({"state": "a", "status": "b"}, "b"),
        ({"state": "a", "STATUS": "b"}, "b"),
        ({"State": "a"}, "a"),
        ({"state": "a", "State": "b"}, "a"),
        ({"status": None, "state": "a"}, None),
        ({"STATE": "a", "State": "b"}, UNREADABLE),
        ({"states": "a"}, ABSENT),
        ({}, ABSENT),
    ],
)
def test_the_first_name_that_is_present_wins(record: dict[str, object], cell: object) -> None:
    """The order of the names decides, then the exact spelling; two inexact ones are ambiguous."""
    assert cells_of(list(record.items()), [_STATE]) == (cell,)


def test_every_column_has_a_cell() -> None:
    """The cells are in the order of the columns; other members are dropped."""
    pairs: list[tuple[str, object]] = [("password", "x"), (VALUE, "Sales"), (KEY, "7")]
    assert cells_of(pairs, [Column(KEY), _STATE, Column("name", VALUE)]) == ("7", ABSENT, "Sales")
