import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.probe.words import word_advice
from exporter.decode import Options
from exporter.model import Query
from exporter.request import Operation
from tests.unit.cli.probe.answers import answered


def words(body: str, operation: Operation = Operation.REGISTRATION) -> list[str]:
    """Return the words that are to be decided on."""
    found: list[Any] = [
        each.settings
        for each in word_advice(answered(Query.REGISTRATIONS, body, operation=operation), Options())
        if each.settings
    ]
    assert all(settings["queries"]["registrations"]["words"]["unregistered"] == [] for settings in found)
    return [
        word for settings in found for word in settings["queries"]["registrations"]["words"]["registered"]
    ]


def rows(*states: str) -> str:
    """Return a list of extensions in these states."""
    return json.dumps([{"ex_number": str(100 + n), "st_state": state} for n, state in enumerate(states)])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Angemeldet", ["Angemeldet"]),
        ("Angemeldet|\r\n", ["Angemeldet"]),
        ('"Xyz"', ["Xyz"]),
        ('{"extension": "100", "state": "Xyz"}', ["Xyz"]),
        ('[{"state": "Xyz"}]', ["Xyz"]),
        ("Registered", []),
        ("No id specified", []),
        ("", []),
        ('{"broken', []),
    ],
)
def test_the_word_of_one_phone(body: str, expected: list[str]) -> None:
    """A word that nobody named is to be decided on; a known one and a sentence are not."""
    assert words(body) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["Xyz", "Xyz", "NOT_INUSE"], ["Xyz"]),
        (["Xyz", "NOT_INUSE"], []),  # once: it may be anything
        (["Jane Doe", "Jane Doe"], []),  # two words: it may be a name
        (["UNKNOWN", "UNKNOWN"], []),  # known to be unknown
        (["hunter2!", "hunter2!"], []),
    ],
)
def test_the_words_of_a_list(states: list[str], expected: list[str]) -> None:
    """Of a list only single words are shown that stand in several rows."""
    assert words(rows(*states), Operation.EXTENSIONS) == expected


def test_a_word_that_is_not_shown_is_spoken_of() -> None:
    """That there is one more is said, without it."""
    finding = answered(Query.REGISTRATIONS, rows("Jane Doe"), operation=Operation.EXTENSIONS)
    (advice,) = word_advice(finding, Options())
    assert advice.text.startswith("1 more words")
    assert "Jane" not in advice.text


@given(st.text(max_size=30))
def test_any_text_will_do(body: str) -> None:
    """Nothing is raised, and at most one word comes of an answer about one phone."""
    assert len(words(body)) <= 1
