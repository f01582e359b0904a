import pytest
from pydantic import TypeAdapter

from exporter.model import Registration
from exporter.queries.words import TRUNK_WORDS, WORDS, StateWords, Table, lookup


@pytest.mark.parametrize(
    ("word", "state", "source", "more"),
    [*((*row, ()) for row in WORDS), *((*row, TRUNK_WORDS) for row in TRUNK_WORDS)],
)
def test_every_word_of_the_tables(word: str, state: Registration, source: str, more: Table) -> None:
    """Each word has a state, in any case and spelling, and a source."""
    known = lookup({}, more)
    for written in (word, word.upper(), word.lower(), f" {word} (12 ms)", word.replace(" ", "_")):
        assert known(written) is state
    assert source in {"seen", "documented", "documented (Asterisk)", "inferred"}


@pytest.mark.parametrize("table", [WORDS, TRUNK_WORDS])
def test_words_are_unique(table: Table) -> None:
    """The state of a duplicate would depend on the order of rows."""
    plain = [word.casefold().replace("_", " ") for word, _, _ in table]
    assert len(plain) == len(set(plain))


def test_configured_words_override_the_table() -> None:
    """They also extend it, in any case."""
    known = lookup({Registration.UNREGISTERED: ("busy", "Weg (5 ms)"), Registration.UNKNOWN: ("NA",)})
    assert known("BUSY") is known("weg") is Registration.UNREGISTERED
    assert known("na") is Registration.UNKNOWN
    assert known("OK") is Registration.REGISTERED


def test_states_of_trunks_are_no_states_of_phones() -> None:
    """`Timeout` about a phone may be the failure of the request. Configured words override the table."""
    assert lookup({})("Timeout") is None
    assert lookup({}, TRUNK_WORDS)("Timeout") is Registration.UNREGISTERED
    assert lookup({}, TRUNK_WORDS)("NOT_INUSE") is Registration.REGISTERED
    own = lookup({Registration.UNKNOWN: ("timeout",)}, TRUNK_WORDS)
    assert own("Timeout") is Registration.UNKNOWN


@pytest.mark.parametrize("word", ["", "KO", "1", "0", "yes", "MARTIAN", "OK (ms)", "OK (10 ms) x"])
def test_an_unknown_word_has_no_state(word: str) -> None:
    """A word that is not in the table has no state."""
    assert lookup({})(word) is None


def test_a_word_has_one_state() -> None:
    """The same word for two states is an error, in any case."""
    words: TypeAdapter[object] = TypeAdapter(StateWords)
    valid = {Registration.REGISTERED: ("up",), Registration.UNREGISTERED: ("down",)}
    assert words.validate_python(valid) == valid
    with pytest.raises(ValueError, match='duplicate word "up"; list each word under one state'):
        words.validate_python({**valid, Registration.UNKNOWN: ("Up",)})
