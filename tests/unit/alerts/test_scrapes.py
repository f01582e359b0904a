"""The same alerts fire at every scrape interval that docs/alerting.md supports."""

from collections.abc import Callable

import pytest

from tests.rule_files import UNIT_TESTS
from tests.rule_scrapes import Scrapes, expanded, fired

FAST, SLOW = Scrapes(interval=15, offset=5), Scrapes(interval=120, offset=50)

_TOO_SLOW = ("week", "api-down", "exporter-away", "RunningOut", "DataStale", "RegistrationsDropped")
"""Files that would take minutes."""

FILES = {
    file.name: document
    for file, document in UNIT_TESTS.items()
    if not any(name in file.name for name in (*_TOO_SLOW, "Watchdog"))
}

ONLY_FAST = {
    "5 of 11 scrapes are too few, 6 are enough": "depends on each scrape",
    "half is enough": "depends on each scrape",
    "a group that is evaluated every 5 minutes": "depends on when Prometheus scrapes itself",
    "after a quarter of an hour; it outlasts a failed scrape, and resolves": (
        "has a minute to spare, and a scrape is up to 2 minutes late"
    ),
    "a Prometheus that is restarted again and again": "restarts between any two scrapes",
}
"""Tests about single scrapes or minutes, which do not apply to scrapes every 2 minutes; with the reason.

They run with fast scrapes instead, with which every test passes.
"""


@pytest.mark.parametrize("file", FILES)
def test_the_same_alerts_fire(file: str, require_program: Callable[[str, str], str]) -> None:
    """An alert of a unit test also fires with scrapes between evaluations, and no other does."""
    promtool = require_program("promtool", "prometheus")
    expected, found = fired(promtool, FILES[file], lambda name: FAST if name in ONLY_FAST else SLOW)
    assert found == expected
    assert any(expected.values())


def test_every_exemption_is_a_test() -> None:
    """Each exemption names an existing test."""
    assert {test["name"] for document in FILES.values() for test in document["tests"]} >= ONLY_FAST.keys()


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
def test_scraped_samples(values: str, scrapes: Scrapes, expected: str) -> None:
    """A value lasts until the next one; a series that ends between two scrapes is stale at the second."""
    assert list(expanded(scrapes.scraped(values, 60))) == list(expanded(expected))
