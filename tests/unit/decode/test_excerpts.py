import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import excerpt, is_list
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
        (b" " * 123_456, "list of 123,456 bytes, empty"),
        (b" " * 2000 + b"[", "list of 2,001 bytes, text"),
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


@given(st.sampled_from(Operation), st.binary(max_size=200), st.integers(0, 50))
def test_an_excerpt_is_one_short_line(operation: Operation, body: bytes, limit: int) -> None:
    """Any body gives one printable line, no longer than asked for unless it is of a list."""
    shown = excerpt(operation, body, limit)
    assert shown.isprintable()
    assert is_list(operation) or len(shown) <= limit
