import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import excerpt, is_list
from exporter.decode.excerpts import quoted
from exporter.request import Operation


@pytest.mark.parametrize("operation", [Operation.EXTENSIONS, Operation.TENANTS, Operation.PEERS])
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
def test_of_a_list_only_size_and_type_are_shown(operation: Operation, body: bytes, shown: str) -> None:
    """No byte of a list is shown, whatever it turned out to be."""
    assert is_list(operation)
    assert excerpt(operation, body, 1000) == shown


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
def test_of_other_answers_the_text_is_shown(body: bytes, shown: str) -> None:
    """Control characters and broken bytes are visible, and what is too long is cut with a mark."""
    assert excerpt(Operation.COUNT_PEERS, body, 20) == shown


@pytest.mark.parametrize("letter", ["x", "è", "語", "𝄞"])
def test_letters_are_counted_and_not_bytes(letter: str) -> None:
    """As many as were asked for are shown, whatever the script; one more, and the end is marked as cut."""
    assert excerpt(Operation.COUNT_PEERS, (letter * 20).encode(), 20) == letter * 20
    assert excerpt(Operation.COUNT_PEERS, (letter * 21).encode(), 20) == letter * 19 + "…"


def test_a_quotation() -> None:
    """A failure quotes 120 characters, and shows where there were more."""
    assert quoted("x" * 120) == f'"{"x" * 120}"'
    assert quoted("x" * 121) == f'"{"x" * 120}…"'


@given(st.sampled_from(Operation), st.binary(max_size=200), st.integers(0, 50))
def test_an_excerpt_is_one_short_line(operation: Operation, body: bytes, limit: int) -> None:
    """Any body gives one printable line, no longer than asked for unless it is of a list."""
    shown = excerpt(operation, body, limit)
    assert shown.isprintable()
    assert is_list(operation) or len(shown) <= limit
