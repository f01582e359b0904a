"""Half an hour of a small fleet's life, and whether a leak is noticed. ``make soak`` lives longer."""

import pytest

from tests.e2e.programs import tell
from tests.e2e.soak import LEAST, MINUTE, Count, Report, soak

_SOUND = Count(resident=80_000_000, objects=70_000, descriptors=15, tasks=16)


def test_nothing_grows() -> None:
    """With faults, reloads and a scrape every second: no complaint, and nothing that grows."""
    report = soak(tenants=60, minutes=36)

    for line in report.lines():
        tell(line)
    assert report.faults() == []
    assert report.scrapes >= 35 * MINUTE
    assert report.reloads >= 11
    assert report.befallen > 200


def test_what_is_kept_of_each_scrape_is_noticed() -> None:
    """A real leak: each page is kept, and an object for each."""
    kept = []

    report = soak(tenants=2, minutes=LEAST, look=lambda page: kept.append([page]))

    assert [fault.split(":")[0] for fault in report.faults()] == ["resident", "objects"]


@pytest.mark.parametrize(
    ("name", "each_minute"), [("resident", 1024 * 80), ("objects", 80), ("descriptors", 0.3), ("tasks", 0.3)]
)
def test_whatever_rises_is_noticed(name: str, each_minute: float) -> None:
    """A little more than a kilobyte or an object of each scrape, one file or task of each reload."""
    report = Report()
    for minute in range(60):
        risen = getattr(_SOUND, name) + int(minute * each_minute)
        report.counts.append(_SOUND._replace(**{name: risen}))

    assert [fault.split(":")[0] for fault in report.faults()] == [name]


def test_what_comes_and_goes_is_no_rise() -> None:
    """Objects between two moments that are alike, and whatever grows until all is warm."""
    report = Report([_SOUND._replace(objects=70_000 + 9000 * (minute % 3)) for minute in range(1, 61)])
    report.counts[:11] = [_SOUND._replace(resident=1000 * minute) for minute in range(11)]

    assert report.faults() == []


def test_a_complaint_is_a_fault() -> None:
    """However steady all is."""
    assert Report([_SOUND] * 60, complaints=["never awaited"]).faults() == ["never awaited"]


def test_too_short_a_life_is_not_judged() -> None:
    """Nobody is told that all is well after a moment."""
    with pytest.raises(ValueError, match="too few"):
        Report([_SOUND] * (LEAST - 1)).faults()
