import json

import pytest

from exporter.decode.text import Windows
from exporter.model import Extension, Extensions, Failure, Peers, Reason, Registration, RegistrationState
from exporter.queries.extensions import read_extensions
from exporter.queries.registrations import STATE_NAMES, read_peers, read_state


@pytest.mark.parametrize("name", sorted(STATE_NAMES))
def test_every_name_of_the_state(name: str) -> None:
    """Each name may hold the word, in any case, beside other members."""
    text = json.dumps({"number": "100", name.upper(): "INUSE", "0": "INUSE"})
    assert read_state(text, {}) == RegistrationState(Registration.REGISTERED, "INUSE")


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
    """Anything that is not clearly a state is a failure with its reason."""
    outcome = read_state(text, {})
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason


@pytest.mark.parametrize("value", [None, True, 1.5, "", " ", [], {"status": "INUSE"}])
def test_a_value_that_is_not_a_word_is_ignored(value: object) -> None:
    """It does not hide the word in another member."""
    known = {Registration.REGISTERED: ("7", "True", "None")}
    assert read_state(json.dumps({"state": value, "status": 7}), known) == RegistrationState(
        Registration.REGISTERED, "7"
    )
    assert isinstance(read_state(json.dumps({"state": value}), known), Failure)


def test_the_longest_word() -> None:
    """A word has at most 255 characters; a longer text is not looked up."""
    words = {Registration.REGISTERED: ("x" * 255, "x" * 256)}
    assert read_state("x" * 255, words) == RegistrationState(Registration.REGISTERED, "x" * 255)
    assert isinstance(read_state("x" * 256, words), Failure)


def test_the_failure_for_an_unknown_word_names_the_key() -> None:
    """It contains the word and the configuration key to add it to."""
    outcome = read_state("MARTIAN", {})
    assert isinstance(outcome, Failure)
    assert '"MARTIAN"' in outcome.detail
    assert "queries.registrations.words" in outcome.detail


def test_configured_words_apply_to_lists() -> None:
    """A word from the configuration determines the state of the rows of a list."""
    text = '[{"ex_number": "1", "st_state": "MARTIAN"}]'
    assert read_extensions(Windows(text.encode()), {Registration.REGISTERED: ("Martian",)}) == Extensions(
        (Extension("1", Registration.REGISTERED, "MARTIAN"),)
    )


@pytest.mark.parametrize(
    ("name", "user"), [("100-A/100-A", "100-A"), ("trunk", "trunk"), (" 7-A / x/y ", "7-A"), (7, "7")]
)
def test_the_user_of_a_peer_ends_at_the_slash(name: object, user: str) -> None:
    """The user is the part before the first slash, or the whole name."""
    outcome = read_peers(
        Windows(json.dumps([{"node": "pbx1", "Name": name, "Status": "OK (1 ms)"}]).encode()), {}
    )
    assert isinstance(outcome, Peers)
    assert outcome.rows[0].user == user
