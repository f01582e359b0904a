import pytest

from exporter.model import Registration
from exporter.queries.extensions import WORDS, lookup


@pytest.mark.parametrize(("word", "state", "source"), WORDS)
def test_every_word_of_the_table(word: str, state: Registration, source: str) -> None:
    """Each word has a state, in any case and spelling, and a source."""
    known = lookup({})
    for written in (word, word.upper(), word.lower(), f" {word} (12 ms)", word.replace(" ", "_")):
        assert known(written) is state
    assert source in {"seen", "documented", "inferred"}


def test_words_are_unique() -> None:
    """The state of a duplicate would depend on the order of rows."""
    plain = [word.casefold().replace("_", " ") for word, _, _ in WORDS]
    assert len(plain) == len(set(plain))


def test_configured_words_override_the_table() -> None:
    """They also extend it, in any case."""
    known = lookup({Registration.UNREGISTERED: ("busy", "Weg (5 ms)"), Registration.UNKNOWN: ("NA",)})
    assert known("BUSY") is known("weg") is Registration.UNREGISTERED
    assert known("na") is Registration.UNKNOWN
    assert known("OK") is Registration.REGISTERED


@pytest.mark.parametrize("word", ["", "KO", "1", "0", "yes", "MARTIAN", "OK (ms)", "OK (10 ms) x"])
def test_an_unknown_word_has_no_state(word: str) -> None:
    """A word that is not in the table has no state."""
    assert lookup({})(word) is None
