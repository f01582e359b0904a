import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.probe.advice import advice
from exporter.cli.probe.findings import Advice, Finding
from exporter.cli.probe.render import settings_lines
from exporter.cli.probe.suggestions import node_advice, pattern_advice, total_advice, word_advice
from exporter.fields import Section
from exporter.model import Counts, Number, Query
from exporter.patterns import Pattern
from exporter.request import Operation
from tests.conftest import Configured
from tests.reading import section_of
from tests.unit.cli.probe.findings import answered, failed

Suggest = Callable[[Finding, Section], Iterator[Advice]]


def suggested(
    suggest: Suggest, key: str, query: Query, body: bytes | str, *, total_name: str | None = None, **how: Any
) -> tuple[list[Any], list[Advice]]:
    """Return the values that are suggested for one key of a query, and all advice."""
    finding = answered(query, body, total_name=total_name, **how)
    given = list(suggest(finding, section_of(query, total_name=total_name)))
    found: list[Any] = [each.settings for each in given if each.settings]
    return [settings["queries"][query.value][key] for settings in found], given


def patterns(query: Query, body: bytes | str) -> list[str]:
    """Return the suggested patterns."""
    return suggested(pattern_advice, "pattern", query, body)[0]


@pytest.mark.parametrize(
    ("query", "body", "pattern"),
    [
        (Query.LICENSE, "Your license expires in 42 days", r"in (-?\d+) days?"),
        (Query.LICENSE, '"42 days left"', r"(-?\d+) days?"),
        (Query.LICENSE, '{"days": 42}', r'days": (-?\d+)'),
        (Query.LICENSE, "days: -3", r"days: (-?\d+)"),
        (Query.LICENSE, "<b>42</b>", r"b>(-?\d+)</b"),
        (Query.CALLS, "3 active calls", r"(\d+) active"),
        (Query.BALANCE, "12.50 EUR", r"(-?\d+(?:\.\d+)?) EUR"),
        (Query.BALANCE, "Credit (net): -7.25 €", r"net\): (-?\d+(?:\.\d+)?)"),
        (Query.BALANCE, "€ 5", r"(-?\d+(?:\.\d+)?)"),
    ],
)
def test_pattern_for_one_number(query: Query, body: str, pattern: str) -> None:
    """It contains the words around the number."""
    assert patterns(query, body) == [pattern]


def test_a_pattern_for_the_last_day() -> None:
    """A pattern with `days` also matches `1 day`."""
    (pattern,) = patterns(Query.LICENSE, "Your license expires in 42 days, on Monday")
    match = re.search(pattern, "Your license expires in 1 day, on Monday")
    assert match is not None
    assert match[1] == "1"


def test_patterns_for_two_numbers() -> None:
    """Each is suggested, and the operator chooses."""
    found, advice = suggested(pattern_advice, "pattern", Query.LICENSE, "5 nodes may run for 42 days")
    assert found == [r"(-?\d+) nodes?", r"for (-?\d+) days?"]
    assert not any(each.sure for each in advice)
    assert "one of 2 numbers" in advice[0].text


@pytest.mark.parametrize(
    "body",
    [
        "42",  # decoded without a pattern
        "The license ends on 2026-12-31",
        "License of pbx1: unlimited",
        "Error 403: access denied",
        "The license expired 3 days ago",  # the pattern would lose the sign
        "1 2 3 4 5 6",
        "<html><body>Attempt 3</body></html>",
        "<b>Warning</b>: something on line 7",
        "at 12:30",
        "the PIN is pin=4711",
        "",
    ],
)
def test_no_pattern_without_a_number_that_is_the_value(body: str) -> None:
    """Dates, names, errors and web pages get no pattern."""
    assert patterns(Query.LICENSE, body) == []


@pytest.mark.parametrize("body", ["1,234.50 EUR", "1.234,50 EUR", "1'234 EUR", "12,5", "1 234.00 EUR"])
def test_no_pattern_for_numbers_with_separators(body: str) -> None:
    """Part of a number is never suggested; the advice states the reason."""
    found, advice = suggested(pattern_advice, "pattern", Query.BALANCE, body)
    assert found == []
    assert "thousands" in advice[0].text


@given(
    st.sampled_from([Query.CALLS, Query.LICENSE, Query.BALANCE]),
    st.one_of(st.text(max_size=60), st.from_regex(r"[ -~]{0,20}-?[0-9]{1,5}(\.[0-9]{1,3})?[ -~]{0,20}")),
)
def test_every_pattern_decodes_its_response(query: Query, body: str) -> None:
    """For any text, nothing is raised and each suggested pattern extracts a number."""
    finding = answered(query, body)
    for pattern in patterns(query, body):
        tried = Pattern(pattern)
        assert tried.groups == 1
        decoded = finding.endpoint.decode(finding.body or b"", section_of(query, pattern=tried))
        assert isinstance(decoded, Number)


@pytest.mark.parametrize(
    ("body", "configured", "name"),
    [
        ('{"pbx1": 3, "pbx2": 5, "Insgesamt": 8}', None, ["Insgesamt"]),
        ("pbx1:3|pbx2:5|cluster:8|", None, ["cluster"]),
        ('{"pbx1": 3, "pbx2": 5, "pbx3": 8}', None, []),  # named like a node: a coincidence
        ('{"pbx1": 3, "pbx2": 5, "Total": 8}', None, []),  # known
        ('{"pbx1": 3, "pbx2": 5, "edge": 7}', None, []),
        ('{"pbx1": 3, "edge": 3}', None, []),  # each is the sum of the other
        ('{"pbx1": 0, "pbx2": 0, "edge": 0}', None, []),
        ('{"all": 3, "pbx2": 5, "Total": 8}', None, ["Total"]),  # two known names, one of them the sum
        ("8", None, []),
        ("No such thing", None, []),
        ('{"a1": 3, "a2": 5, "TOTALE": 8}', "Total", ["TOTALE"]),
    ],
)
def test_total_name(body: str, configured: str | None, name: list[str]) -> None:
    """The entry that is the sum of all others and is not named like them is probably the total."""
    found, given = suggested(total_advice, "total_name", Query.PEERS, body, total_name=configured)
    assert found == name
    assert all("probably" in each.text for each in given)


@given(st.dictionaries(st.text(max_size=8), st.integers(-1, 9), max_size=5))
def test_suggested_total_is_decoded(entries: dict[str, int]) -> None:
    """For any entries, the suggested name makes the response state a total."""
    body = json.dumps(entries)
    for name in suggested(total_advice, "total_name", Query.PEERS, body)[0]:
        verdict = answered(Query.PEERS, body, total_name=name).verdict
        assert isinstance(verdict, Counts)
        assert verdict.total == sum((verdict.nodes or {}).values())


def words(body: str, operation: Operation = Operation.REGISTRATION) -> list[str]:
    """Return the suggested words."""
    found, _ = suggested(word_advice, "words", Query.REGISTRATIONS, body, operation=operation)
    assert all(each["unregistered"] == [] for each in found)
    return [word for each in found for word in each["registered"]]


def extensions(*states: str) -> str:
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
def test_word_for_one_extension(body: str, expected: list[str]) -> None:
    """An unknown word is suggested; a known one and a sentence are not."""
    assert words(body) == expected


@pytest.mark.parametrize(
    ("states", "expected", "hidden"),
    [
        (["Xyz", "Xyz", "NOT_INUSE"], ["Xyz"], 0),
        (["Xyz", "NOT_INUSE"], [], 1),  # only once: it may be anything
        (["Jane Doe", "Jane Doe"], [], 1),  # two words: it may be a name
        (["UNKNOWN", "UNKNOWN"], [], 0),  # known as unknown
        (["hunter2!", "hunter2!"], [], 1),
    ],
)
def test_words_of_a_list(states: list[str], expected: list[str], hidden: int) -> None:
    """Only single words that occur in several rows are shown; the others are counted."""
    body = extensions(*states)
    assert words(body, Operation.EXTENSIONS) == expected
    _, given = suggested(word_advice, "words", Query.REGISTRATIONS, body, operation=Operation.EXTENSIONS)
    assert any(each.text.startswith("1 more state(s)") for each in given) is bool(hidden)


@given(st.text(max_size=30))
def test_any_text_about_one_extension(body: str) -> None:
    """Nothing is raised, and at most one word is suggested."""
    assert len(words(body)) <= 1


_ANSWER = '{"pbx2": 5, "pbx1": 7}'


def _lines(given: Advice) -> list[str]:
    return [line.strip() for line in settings_lines(given.settings)]


def test_a_line_to_paste(configured: Configured) -> None:
    """Without `nodes`, it has all nodes of the response, sorted, in one line."""
    (given,) = node_advice(answered(Query.PEERS, _ANSWER), configured())
    assert _lines(given) == ["nodes: [pbx1, pbx2]"]
    assert given.sure
    assert (
        given.text == "list the nodes, so that a missing one is reported from the start, even after a restart"
    )


def test_nodes_that_are_not_configured(configured: Configured) -> None:
    """The configured ones keep their limit and their place; one that the response lacks is named."""
    switch = configured(nodes=["pbx9", {"name": "pbx2", "channels_limit": 500}])
    lacks, given = node_advice(answered(Query.PEERS, _ANSWER), switch)
    assert lacks.text.startswith("the response does not list 'pbx9' from `nodes`")
    assert lacks.settings == {}
    assert _lines(given) == ["nodes: [pbx9, {name: pbx2, channels_limit: 500}, pbx1]"]
    assert given.text.startswith("1 of 2 nodes are not in `nodes`: add them, so that")


def test_many_nodes_that_the_response_lacks(configured: Configured) -> None:
    """The first five are named; without any, there is nothing to suggest."""
    nodes = ["pbx1", "pbx2"]
    assert list(node_advice(answered(Query.PEERS, _ANSWER), configured(nodes=nodes))) == []
    nodes += (f"old{number}" for number in range(9))
    (lacks,) = node_advice(answered(Query.PEERS, _ANSWER), configured(nodes=nodes))
    assert "'old3', 'old4', …" in lacks.text
    assert "old5" not in lacks.text


def test_a_node_whose_count_is_unreadable(configured: Configured) -> None:
    """It is there, so it belongs to the line."""
    (given,) = node_advice(answered(Query.PEERS, '{"pbx1": 7, "pbx2": 3, "pbx3": "many"}'), configured())
    assert _lines(given) == ["nodes: [pbx1, pbx2, pbx3]"]


def test_responses_without_nodes(configured: Configured) -> None:
    """One number, a failure, a tenant, and another query suggest nothing."""
    for finding in (
        answered(Query.PEERS, "12"),
        answered(Query.PEERS, "no"),
        answered(Query.PEERS, _ANSWER, operation=Operation.COUNT_PEERS, tenant="ACME"),
        answered(Query.CHANNELS, _ANSWER),
        failed(Query.PEERS, answered(Query.PEERS, "no").reason),  # type: ignore[arg-type]  # it is a failure
    ):
        assert list(node_advice(finding, configured())) == []


def test_a_total_with_an_unusual_name(configured: Configured) -> None:
    """The total is suggested first, because it must not be listed as a node; then the nodes without it."""
    answer = '{"pbx1": 2, "pbx2": 3, "Somma": 5}'
    given = advice(answered(Query.PEERS, answer), configured(), [])
    assert [list(each.settings) for each in given] == [["queries"]]

    settings: dict[str, Any] = {"queries": {"peers": {"total_name": "Somma"}}}
    given = advice(answered(Query.PEERS, answer, total_name="Somma"), configured(**settings), [])
    assert [_lines(each) for each in given] == [["nodes: [pbx1, pbx2]"]]


def test_names_are_valid_yaml(configured: Configured) -> None:
    """Names with special characters, and those that look like numbers, are read as the same texts."""
    names = ["007", "a: b", "[x]", "no", "über", "e\u202e", "{y}"]
    answer = "{" + ", ".join(f'"{name}": 1' for name in names) + "}"
    (given,) = node_advice(answered(Query.PEERS, answer), configured())
    assert yaml.safe_load("\n".join(_lines(given))) == {"nodes": sorted(names)}
    assert all(line.isprintable() for line in _lines(given))
