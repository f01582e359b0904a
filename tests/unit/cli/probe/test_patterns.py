from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.probe.patterns import pattern_advice
from exporter.decode import Options, decode
from exporter.model import Number, Query
from exporter.patterns import Pattern
from tests.unit.cli.probe.answers import answered

NUMBERS = [Query.CALLS, Query.LICENSE, Query.BALANCE]


def patterns(query: Query, body: bytes | str) -> list[str]:
    """Return the patterns that are suggested for an answer."""
    found: list[Any] = [each.settings for each in pattern_advice(answered(query, body), Options())]
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
    advice = list(pattern_advice(answered(Query.LICENSE, "5 nodes may run for 42 days"), Options()))
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
    advice = list(pattern_advice(answered(Query.BALANCE, body), Options()))
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
        read = decode(finding.request.operation, finding.body or b"", replace(Options(), pattern=tried))
        assert isinstance(read, Number)
