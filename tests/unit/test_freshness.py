from pathlib import Path

import pytest

from exporter.freshness import LATE_AFTER, Freshness, age, freshness, is_up, lifetime, oldest, pace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("interval", "cycle", "expected"), [(60, None, 60), (60, 45, 60), (60, 3600, 3600), (60, 60, 60)]
)
def test_the_pace_is_the_longer_one(interval: float, cycle: float | None, expected: float) -> None:
    """A sweep that takes longer than the interval sets the pace."""
    assert pace(interval, cycle) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, Freshness.WAITING),
        (0, Freshness.FRESH),
        (90, Freshness.FRESH),
        (91, Freshness.LATE),
        (180, Freshness.LATE),
        (181, Freshness.STALE),
    ],
)
def test_an_age_is_fresh_late_or_stale(seconds: float | None, expected: Freshness) -> None:
    """Late after a pace and a half, stale after the configured number of paces."""
    assert freshness(seconds, 60, 3) is expected


def test_stale_values_are_dropped() -> None:
    """The status page and the store have the same limit."""
    assert lifetime(60, 3) == 180
    for seconds in (179, 180, 181):
        is_dropped = 1000 - seconds < oldest(1000, 60, 3)
        assert (freshness(seconds, 60, 3) is Freshness.STALE) is is_dropped


def test_an_age_is_rounded_to_the_millisecond() -> None:
    """Without a value there is none."""
    assert age(1.23456, 3) == 1.765
    assert age(None, 3) is None


@pytest.mark.parametrize("page", ["docs/status.md", "exporter/web/templates/status.html"])
def test_pages_state_when_a_value_is_late(page: str) -> None:
    """The number of cycles on the pages is that of the code."""
    assert f"{LATE_AFTER:g} cycles" in (ROOT / page).read_text(), f"{page}: state freshness.LATE_AFTER"


@pytest.mark.parametrize(("timeout", "window"), [(10, 90), (60, 120)])
def test_up_has_a_window(timeout: float, window: float) -> None:
    """The longer of 3 times the shortest interval and 2 times the timeout."""
    for seconds, expected in ((window, True), (window + 0.1, False)):
        assert is_up(1000, 1000 + seconds, shortest_interval=30, timeout=timeout) is expected
    assert not is_up(None, 1000, shortest_interval=30, timeout=timeout)
