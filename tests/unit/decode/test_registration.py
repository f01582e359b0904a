import json

import pytest

from exporter.decode.options import Options
from exporter.decode.registration import STATE_NAMES, decode_registration
from exporter.decode.words import WORDS, lookup
from exporter.model import Failure, Reason, Registration, RegistrationState


@pytest.mark.parametrize(("word", "state", "source"), WORDS)
def test_every_word_of_the_table(word: str, state: Registration, source: str) -> None:
    """Each word has its state in any case and dress, and a source."""
    known = lookup(Options())
    for written in (word, word.upper(), word.lower(), f" {word} (12 ms)", word.replace(" ", "_")):
        assert known(written) is state
    assert source in {"seen", "documented", "inferred"}


def test_no_word_is_there_twice() -> None:
    """Two rows for one word would leave the choice to their order."""
    plain = [word.casefold().replace("_", " ") for word, _, _ in WORDS]
    assert len(plain) == len(set(plain))


def test_configured_words_go_first() -> None:
    """Configured words extend and override the table, in any case."""
    options = Options(
        words={Registration.UNREGISTERED: ("busy", "Weg (5 ms)"), Registration.UNKNOWN: ("NA",)}
    )
    known = lookup(options)
    assert known("BUSY") is known("weg") is Registration.UNREGISTERED
    assert known("na") is Registration.UNKNOWN
    assert known("OK") is Registration.REGISTERED


@pytest.mark.parametrize("word", ["", "KO", "1", "0", "yes", "MARTIAN", "OK (ms)", "OK (10 ms) x"])
def test_no_word_is_guessed(word: str) -> None:
    """What is not in the table has no state."""
    assert lookup(Options())(word) is None


@pytest.mark.parametrize("name", sorted(STATE_NAMES))
def test_every_name_of_the_state(name: str) -> None:
    """Each name may hold the word, in any case, beside what is no state."""
    text = json.dumps({"number": "100", name.upper(): "INUSE", "0": "INUSE"})
    assert decode_registration(text, Options()) == RegistrationState(Registration.REGISTERED, "INUSE")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MARTIAN", Reason.DECODE),
        ("Tenant is gone", Reason.REJECTED),
        ('{"status": "OK", "message": "No id specified"}', Reason.REJECTED),
        ('{"state": "INUSE", "error": "stale"}', Reason.REJECTED),
        ('{"status": "Too bad... you mistaken the security api key."}', Reason.AUTH),
        ('{"state": ""}', Reason.DECODE),
        ('["INUSE"]', Reason.DECODE),
    ],
)
def test_no_state_is_invented(text: str, reason: Reason) -> None:
    """What is not clearly a state is a failure with its reason."""
    outcome = decode_registration(text, Options())
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason


@pytest.mark.parametrize("value", [None, True, 1.5, "", " ", [], {"status": "INUSE"}])
def test_what_is_no_word_says_nothing(value: object) -> None:
    """It stands in the way of no word beside it, and is none itself."""
    known = Options(words={Registration.REGISTERED: ("7", "True", "None")})
    assert decode_registration(json.dumps({"state": value, "status": 7}), known) == RegistrationState(
        Registration.REGISTERED, "7"
    )
    assert isinstance(decode_registration(json.dumps({"state": value}), known), Failure)


def test_the_longest_word() -> None:
    """A word of 255 characters can be named; what is longer is a page, and is not looked up."""
    options = Options(words={Registration.REGISTERED: ("x" * 255, "x" * 256)})
    assert decode_registration("x" * 255, options) == RegistrationState(Registration.REGISTERED, "x" * 255)
    assert isinstance(decode_registration("x" * 256, options), Failure)


def test_an_unknown_word_says_where_it_belongs() -> None:
    """The detail names the word and the key of the configuration that takes it."""
    outcome = decode_registration("MARTIAN", Options())
    assert isinstance(outcome, Failure)
    assert '"MARTIAN"' in outcome.detail
    assert "queries.registrations.words" in outcome.detail
