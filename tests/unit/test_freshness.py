import pytest

from exporter.freshness import Freshness, freshness, oldest, pace


@pytest.mark.parametrize(
    ("interval", "cycle", "expected"), [(60, None, 60), (60, 45, 60), (60, 3600, 3600), (60, 60, 60)]
)
def test_the_pace_is_the_longer_one(interval: float, cycle: float | None, expected: float) -> None:
    """A sweep that takes longer than the interval sets the pace; before the first one nothing is measured."""
    assert pace(interval, cycle) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (None, Freshness.WAITING),
        (0, Freshness.FRESH),
        (90, Freshness.FRESH),
        (91, Freshness.LATE),
        (180, Freshness.LATE),
        (181, Freshness.STALE),
    ],
)
def test_what_an_age_means(age: float | None, expected: Freshness) -> None:
    """Late after a pace and a half, stale after as many as are configured."""
    assert freshness(age, 60, 3) is expected


def test_what_is_shown_as_stale_is_what_is_dropped() -> None:
    """The page and the store agree on either side of the limit."""
    for age in (179, 180, 181):
        assert (freshness(age, 60, 3) is Freshness.STALE) is (1000 - age < oldest(1000, 60, 3))
