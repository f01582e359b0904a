import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import column_names, holds_records

_RECORD = {"ex_number": "100", "ex_name": "Some Body", "password": "x"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (json.dumps([_RECORD]), ("ex_number", "ex_name", "password")),
        (json.dumps({"100": _RECORD}), ("ex_number", "ex_name", "password")),
        (json.dumps([_RECORD, _RECORD])[:-4], ("ex_number", "ex_name", "password")),
        (json.dumps([{"0": "A", "te_code": "A"}]), ("te_code",)),  # positions are no names
        (json.dumps(_RECORD), ()),  # may be a map of data
        ("Number|Name|Tech|State|\n100|Some Body|SIP|OK|\n", ("Number", "Name", "Tech", "State")),
        ("100|Some Body|SIP|OK|\n", ()),
        ("Some Body|Other Body|\n", ()),
        ("Some Body is not here", ()),
        ("Number|State|", ("Number", "State")),
        ("State|", ()),  # a word of an answer, for all one knows
        (json.dumps([{"te_code": "A", "of": {"a": 1}}]), ()),
        ("[]", ()),
        ("", ()),
    ],
)
def test_the_names_of_columns(body: str, names: tuple[str, ...]) -> None:
    """They are told of records and of headers, and nothing is that may be data."""
    assert column_names(body.encode()) == names


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        ('{"pbx1": 3, "Total": 3}', False),
        ("pbx1:3|pbx2:4|pbx3:5|Total:12|", False),
        ("5|-1|10|-1|5|-1|0|", False),
        ('{"extension": "100", "state": "Registered"}', False),
        ("No id specified", False),
        ('{"nodes": {"pbx1": 3, "pbx2": 4}}', False),  # a shape worth seeing
        ("rome: north:3|rome: south:4|a:1|b:2|", False),
        ("", False),
        (json.dumps(_RECORD), True),
        (json.dumps([{"a": "x"}, {"a": "y"}]), True),
        (json.dumps([{"phone": 39055}]), True),
        ('["a", "b"]', True),
        ("Number|Name|\n100|Some Body|\n", True),
        ("100|Some Body|SIP|OK|", True),
        ("100|Some Body|SIP|", False),  # three cells may be an answer in words
        ("a\nb\nc\nd\n100|OK\n101|OK\n", True),
        ("[" + " " * 65_534 + '"', True),
        ("[" + " " * 65_535 + '"', False),  # how far is looked
    ],
)
def test_what_is_like_a_list(body: str, is_one: bool) -> None:  # noqa: FBT001 -- a table
    """Records and tables are; values, counts by node and sentences are not."""
    assert holds_records(body.encode()) is is_one


@given(st.binary(max_size=300))
def test_any_bytes_will_do(body: bytes) -> None:
    """Nothing is raised."""
    assert isinstance(column_names(body), tuple)
    assert holds_records(body) in {True, False}
