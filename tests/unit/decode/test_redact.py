import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode.redact import column_names, excerpt, holds_records, outline, quoted

_RECORD = {"ex_number": "100", "ex_name": "Some Body", "password": "x"}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'[{"password": "MUST-NOT-SHOW"}]', "list of 31 bytes, JSON"),
        (b"\xef\xbb\xbf \n{}", "list of 7 bytes, JSON"),
        (b"Number|State\n100|MUST-NOT-SHOW", "list of 30 bytes, table"),
        (b"<p>MUST-NOT-SHOW</p>", "list of 20 bytes, HTML"),
        (b"MUST-NOT-SHOW", "list of 13 bytes, text"),
        (b"MUST-NOT-SHOW\nA|B", "list of 17 bytes, text"),
        (b" " * 123_456, "list of 123,456 bytes, empty"),
        (b" " * 999 + b"[", "list of 1,000 bytes, JSON"),
        (b" " * 1000 + b"[", "list of 1,001 bytes, text"),
    ],
)
def test_outline_shows_only_size_and_type(body: bytes, shown: str) -> None:
    """No byte of a list is shown."""
    assert outline(body, "list") == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"12\r\n", r"12\r\n"),
        ("è\x00\x1b[31m".encode(), r"è\x00\x1b[31m"),
        (b"\xff!", r"\xff!"),
        (b"0123456789abcdefghij", "0123456789abcdefghij"),
        (b"0123456789abcdefghijk", "0123456789abcdefghi…"),
    ],
)
def test_excerpt_shows_the_text(body: bytes, shown: str) -> None:
    """Control characters and undecodable bytes are escaped, and a long text is cut with a mark."""
    assert excerpt(body, 20) == shown


@pytest.mark.parametrize("letter", ["x", "è", "語", "𝄞"])
def test_excerpt_counts_characters(letter: str) -> None:
    """The limit is in characters, not bytes; a longer text is marked as cut."""
    assert excerpt((letter * 20).encode(), 20) == letter * 20
    assert excerpt((letter * 21).encode(), 20) == letter * 19 + "…"


def test_quoted() -> None:
    """A failure quotes 120 characters, and marks a longer text as cut."""
    assert quoted("x" * 120) == f'"{"x" * 120}"'
    assert quoted("x" * 121) == f'"{"x" * 120}…"'


@given(st.binary(max_size=200), st.integers(0, 50))
def test_an_excerpt_is_one_short_line(body: bytes, limit: int) -> None:
    """Any body gives one printable line within the limit."""
    shown = excerpt(body, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


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
def test_column_names(body: str, names: tuple[str, ...]) -> None:
    """They are returned for records and headers, and never for what may be data."""
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
def test_holds_records(body: str, is_one: bool) -> None:  # noqa: FBT001 -- a table
    """Records and tables look like a list; values, counts per node and sentences do not."""
    assert holds_records(body.encode()) is is_one


@given(st.binary(max_size=300))
def test_any_bytes_are_accepted(body: bytes) -> None:
    """Nothing is raised."""
    assert isinstance(column_names(body), tuple)
    assert holds_records(body) in {True, False}
