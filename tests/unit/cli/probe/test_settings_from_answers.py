import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.probe.settings_from_answers import pattern_advice, total_advice, word_advice
from exporter.model import Counts, Number, Query
from exporter.patterns import Pattern
from exporter.request import Operation
from tests.reading import section_of
from tests.unit.cli.probe.findings import answered

NUMBERS = [Query.CALLS, Query.LICENSE, Query.BALANCE]


def patterns(query: Query, body: bytes | str) -> list[str]:
    """Return the patterns that are suggested for an answer."""
    found: list[Any] = [each.settings for each in pattern_advice(answered(query, body), section_of(query))]
    return [settings["queries"][query.value]["pattern"] for settings in found if settings]


@pytest.mark.parametrize(
    ("query", "body", "pattern"),
    [
        (Query.LICENSE, "Your license expires in 42 days", r"in (-?\d+) days"),
        (Query.LICENSE, '"42 days left"', r"(-?\d+) days"),
        (Query.LICENSE, '{"days": 42}', r'days": (-?\d+)'),
        (Query.LICENSE, "days: -3", r"days: (-?\d+)"),
        (Query.LICENSE, "<b>42</b>", r"b>(-?\d+)</b"),
        (Query.CALLS, "3 active calls", r"(\d+) active"),
        (Query.BALANCE, "12.50 EUR", r"(-?\d+(?:\.\d+)?) EUR"),
        (Query.BALANCE, "Credit (net): -7.25 €", r"net\): (-?\d+(?:\.\d+)?)"),
        (Query.BALANCE, "€ 5", r"(-?\d+(?:\.\d+)?)"),
    ],
)
def test_a_number_in_words(query: Query, body: str, pattern: str) -> None:
    """One pattern, with the words around the number as they stand."""
    assert patterns(query, body) == [pattern]


def test_of_two_numbers_each_is_suggested_and_none_is_sure() -> None:
    """Which of them is meant the operator says."""
    advice = list(
        pattern_advice(answered(Query.LICENSE, "5 nodes may run for 42 days"), section_of(Query.LICENSE))
    )
    found: list[Any] = [each.settings for each in advice]
    assert [settings["queries"]["license"]["pattern"] for settings in found] == [
        r"(-?\d+) nodes",
        r"for (-?\d+) days",
    ]
    assert not any(each.sure for each in advice)
    assert "one of 2 numbers" in advice[0].text


@pytest.mark.parametrize(
    "body",
    [
        "The license ends on 2026-12-31",
        "License of pbx1: unlimited",
        "Error 403: access denied",
        "The license expired 3 days ago",
        "1 2 3 4 5 6",
        "<html><body>Attempt 3</body></html>",
        "<b>Warning</b>: something on line 7",
        "at 12:30",
        "the PIN is pin=4711",
        "",
    ],
)
def test_no_pattern_where_no_number_is_the_value(body: str) -> None:
    """Dates, names, errors and web pages are left alone; so is a license that is over: its sign is lost."""
    assert patterns(Query.LICENSE, body) == []


@pytest.mark.parametrize("body", ["1,234.50 EUR", "1.234,50 EUR", "1'234 EUR", "12,5", "1 234.00 EUR"])
def test_separators_are_not_read(body: str) -> None:
    """Part of a number is never suggested, and it is said why."""
    advice = list(pattern_advice(answered(Query.BALANCE, body), section_of(Query.BALANCE)))
    assert [each.settings for each in advice] == [{}]
    assert "thousands" in advice[0].text


def test_what_can_be_read_needs_no_pattern() -> None:
    """A value is left as it is."""
    assert patterns(Query.LICENSE, "42") == []


@given(
    st.sampled_from(NUMBERS),
    st.one_of(st.text(max_size=60), st.from_regex(r"[ -~]{0,20}-?[0-9]{1,5}(\.[0-9]{1,3})?[ -~]{0,20}")),
)
def test_every_pattern_was_tried(query: Query, body: str) -> None:
    """Whatever comes: nothing is raised, and each suggestion reads a number out of that very answer."""
    finding = answered(query, body)
    for pattern in patterns(query, body):
        tried = Pattern(pattern)
        assert tried.groups == 1
        read = finding.endpoint.decode(finding.body or b"", section_of(query, pattern=tried))
        assert isinstance(read, Number)


def total_names(body: str, total_name: str | None = None) -> list[str]:
    """Return the total names that are suggested."""
    finding = answered(Query.PEERS, body, total_name=total_name)
    section = section_of(Query.PEERS, total_name=total_name)
    found: list[Any] = [each.settings for each in total_advice(finding, section)]
    return [settings["queries"]["peers"]["total_name"] for settings in found]


@pytest.mark.parametrize(
    ("body", "suggested"),
    [
        ('{"pbx1": 3, "pbx2": 5, "Insgesamt": 8}', ["Insgesamt"]),
        ("pbx1:3|pbx2:5|cluster:8|", ["cluster"]),
        ('{"pbx1": 3, "pbx2": 5, "pbx3": 8}', []),  # called like a node: a coincidence
        ('{"pbx1": 3, "pbx2": 5, "Total": 8}', []),  # known
        ('{"pbx1": 3, "pbx2": 5, "edge": 7}', []),
        ('{"pbx1": 3, "edge": 3}', []),  # each is the sum of the other
        ('{"pbx1": 0, "pbx2": 0, "edge": 0}', []),
        ('{"all": 3, "pbx2": 5, "Total": 8}', ["Total"]),  # two in the table: only one is the sum
        ("8", []),
        ("No such thing", []),
    ],
)
def test_the_sum_of_the_others(body: str, suggested: list[str]) -> None:
    """An entry is suggested that is the sum of all others and not called like one of them."""
    assert total_names(body) == suggested


def test_a_total_that_is_called_otherwise_than_configured() -> None:
    """``total_name`` that is not in the answer is corrected."""
    assert total_names('{"a1": 3, "a2": 5, "TOTALE": 8}', "Total") == ["TOTALE"]


def test_it_says_that_it_is_a_guess() -> None:
    """The sum alone is no proof."""
    (advice,) = total_advice(
        answered(Query.PEERS, '{"a1": 3, "a2": 5, "cluster": 8}'), section_of(Query.PEERS)
    )
    assert "guess" in advice.text
    assert not advice.sure


@given(st.dictionaries(st.text(max_size=8), st.integers(-1, 9), max_size=5))
def test_a_suggestion_is_the_total(entries: dict[str, int]) -> None:
    """Whatever the entries, what is suggested makes the answer state a total."""
    body = json.dumps(entries)
    for name in total_names(body):
        verdict = answered(Query.PEERS, body, total_name=name).verdict
        assert isinstance(verdict, Counts)
        assert verdict.total == sum((verdict.nodes or {}).values())


def words(body: str, operation: Operation = Operation.REGISTRATION) -> list[str]:
    """Return the words that are to be decided on."""
    found: list[Any] = [
        each.settings
        for each in word_advice(
            answered(Query.REGISTRATIONS, body, operation=operation), section_of(Query.REGISTRATIONS)
        )
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
    (advice,) = word_advice(finding, section_of(Query.REGISTRATIONS))
    assert advice.text.startswith("1 more words")
    assert "Jane" not in advice.text


@given(st.text(max_size=30))
def test_any_text_will_do(body: str) -> None:
    """Nothing is raised, and at most one word comes of an answer about one phone."""
    assert len(words(body)) <= 1
