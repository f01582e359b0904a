import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.columns import KEY, Column, Layout
from exporter.decode.fields import fields_of

_ID = Column(KEY)
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
