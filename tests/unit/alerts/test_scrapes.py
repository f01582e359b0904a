"""The alerts that fire are the same at every scrape interval that docs/alerting.md supports."""

from collections.abc import Callable

import pytest

from tests.rule_files import UNIT_TESTS
from tests.rule_scrapes import Scrapes, expanded, fired

SUPPORTED = [Scrapes(interval=15, offset=5), Scrapes(interval=120, offset=50)]

_SLOW = ("week", "api-down", "exporter-away", "RunningOut", "DataStale", "RegistrationsDropped")
"""Files that take longer than they are worth here."""

FILES = {
    file.name: document
    for file, document in UNIT_TESTS.items()
    if not any(name in file.name for name in _SLOW) and "Watchdog" not in file.name
}

EXEMPT = {
    "5 of 11 scrapes are too few, 6 are enough": "tells what became of each scrape",
    "half is enough": "tells what became of each scrape",
    "a group that is evaluated every 5 minutes": "tells when Prometheus scraped itself",
    "after a quarter of an hour; it outlasts a failed scrape, and resolves": (
        "has a minute to spare, and a scrape is up to 2 minutes late"
    ),
    "a Prometheus that is restarted again and again": "is restarted between any two of its scrapes",
}
"""Tests about single scrapes or minutes, which scrapes every 2 minutes cannot tell apart; with the reason."""


@pytest.mark.parametrize("scrapes", SUPPORTED, ids=lambda scrapes: f"{scrapes.interval}s")
@pytest.mark.parametrize("file", FILES)
def test_the_same_alerts_fire(
    file: str, scrapes: Scrapes, require_program: Callable[[str, str], str]
) -> None:
    """Whatever fires in a unit test fires as well when samples lie between evaluations, and nothing else."""
    promtool = require_program("promtool", "prometheus")
    exempt = EXEMPT if scrapes.interval > 60 else {}
    tests = [test for test in FILES[file]["tests"] if test["name"] not in exempt]
    document = {**FILES[file], "tests": tests}
    expected = fired(promtool, document)
    assert fired(promtool, document, scrapes) == expected
    assert any(expected.values()) or not tests


def test_every_exemption_is_a_test() -> None:
    """No exemption has outlived its test."""
    assert {test["name"] for document in FILES.values() for test in document["tests"]} >= EXEMPT.keys()


@pytest.mark.parametrize(
    ("values", "scrapes", "expected"),
    [
        ("1 2 3", Scrapes(30, 10), "_ 1 _x2 1 _x2 2 _x2 2 _x2 3 _x2 3 _"),
        ("0+5x2", Scrapes(120, 60), "_ 5 _"),
        ("1 stale _ 4", Scrapes(60, 20), "_ 1 _x2 stale _x5 4 _"),
        ("1x2 stale _x3", Scrapes(120, 60), "_ 1 _ stale _x3"),
        ("1 1 stale 1 1 1", Scrapes(120, 60), "_ 1 _ 1 _ 1"),
    ],
)
def test_what_is_scraped(values: str, scrapes: Scrapes, expected: str) -> None:
    """A value is there until the next one; a series that ended between two scrapes is stale at the second."""
    assert list(expanded(scrapes.scraped(values, 60))) == list(expanded(expected))
