"""A short soak test, and tests that the soak test detects leaks.

``make soak`` runs longer and scrapes more often, so that it notices smaller leaks.
"""

import logging

import pytest
import structlog

from tests.e2e.programs import print_result
from tests.e2e.soak import MINUTE, PERIOD, SHORTEST, WARM_UP, Report, Usage, soak

SCRAPE_EVERY = 5
"""Seconds."""

_USAGE = Usage(resident=80_000_000, objects=70_000, descriptors=15, tasks=16)


def test_a_soak_test_passes() -> None:
    """With faults, reloads and scrapes, nothing is logged and nothing grows."""
    report = soak(tenants=30, minutes=SHORTEST, scrape_every=SCRAPE_EVERY)

    for line in report.lines():
        print_result(line)
    assert report.failures() == []
    assert report.scrapes >= 35 * MINUTE / SCRAPE_EVERY
    assert report.reloads >= 11
    assert report.applied > 100


def test_a_leak_per_scrape_is_detected() -> None:
    """Pages and objects that are kept make it fail, and so do logged exceptions and warnings."""
    kept: list[list[list[bytes]]] = []

    def on_page(page: bytes) -> None:
        if not kept:
            structlog.get_logger().exception("job failed")
            logging.getLogger("asyncio").warning("never awaited")
        # More than earlier tests may have returned.
        kept.extend([[page + bytes(100_000)]] for _ in range(SCRAPE_EVERY))

    report = soak(tenants=1, minutes=SHORTEST, scrape_every=SCRAPE_EVERY, on_page=on_page)

    *problems, first, second = report.failures()
    assert [first.split(":")[0], second.split(":")[0]] == ["resident", "objects"]
    assert len(problems) == 2
    assert "job failed" in problems[0]
    assert problems[1] == "never awaited"


@pytest.mark.parametrize(
    ("name", "per_minute"),
    [("resident", 60 * 4096), ("objects", 62), ("descriptors", 1 / 3), ("tasks", 1 / 3)],
)
def test_steady_growth_is_detected(name: str, per_minute: float) -> None:
    """It fails with 4 KiB or an object per scrape, or with one file or task per reload."""
    report = Report()
    for minute in range(0, 60, PERIOD):
        value = getattr(_USAGE, name) + int(minute * per_minute)
        report.usage.append(_USAGE._replace(**{name: value}))

    assert [failure.split(":")[0] for failure in report.failures()] == [name]


def test_a_single_step_is_noise() -> None:
    """Memory that grows once passes."""
    steps = [
        _USAGE._replace(resident=_USAGE.resident + 3_000_000 * (minute > 35))
        for minute in range(0, 60, PERIOD)
    ]

    assert Report(steps).failures() == []


def test_growth_during_the_warm_up_passes() -> None:
    """Only what follows it counts."""
    warm_up = [_USAGE._replace(resident=1000 * number) for number in range(WARM_UP // PERIOD - 1)]

    assert Report([*warm_up, _USAGE, _USAGE, _USAGE]).failures() == []


def test_a_short_run_is_an_error() -> None:
    """A run that is too short to detect a leak does not pass."""
    with pytest.raises(ValueError, match="too few"):
        Report([_USAGE] * (SHORTEST // PERIOD - 1)).failures()
