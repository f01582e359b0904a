import pytest

from exporter.decode.text import UNREADABLE, one_record, parse, record_decoder
from exporter.model import Failure


@pytest.mark.parametrize(("text", "read"), [('[{"a": ', 7), ('["a" "b"]', 5)])
def test_the_error_has_the_position(text: str, read: int) -> None:
    """It states how far the response was readable, because nothing of a list may be quoted."""
    outcome = parse(text)
    assert isinstance(outcome, Failure)
    assert f"after character {read} of {len(text)}" in outcome.detail


def test_a_hook_replaces_every_object() -> None:
    """What the hook drops is dropped while parsing, in nested objects too."""
    text = '[{"a": 1, "b": {"a": 2, "c": 3}}, {"c": 3}]'
    assert parse(text, record_decoder(lambda pairs: [name for name, _ in pairs])) == [["a", "b"], ["c"]]


def test_a_name_that_occurs_twice_has_no_value() -> None:
    """Nobody knows which of the two values is meant; the other names keep theirs."""
    assert one_record([("a", 1), ("b", 2), ("a", 1)]) == {"a": UNREADABLE, "b": 2}
