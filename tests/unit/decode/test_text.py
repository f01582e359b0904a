import pytest

from exporter.decode.text import parse, record_decoder
from exporter.model import Failure


@pytest.mark.parametrize(("text", "read"), [('[{"a": ', 7), ('["a" "b"]', 5)])
def test_the_error_has_the_position(text: str, read: int) -> None:
    """It states how far the response was readable, because nothing of a list may be quoted."""
    outcome = parse(text)
    assert isinstance(outcome, Failure)
    assert f"after character {read} of {len(text)}" in outcome.detail


def test_other_columns_are_dropped_while_reading() -> None:
    """A parsed record contains only its columns."""
    text = '[{"a": 1, "b": 2, "c": 3, "d": {"a": 4}}, {"a": 1, "c": 3}, {"c": 3}]'
    assert parse(text, record_decoder(["a", "b"])) == [{"a": 1, "b": 2}, {"a": 1}, {}]
