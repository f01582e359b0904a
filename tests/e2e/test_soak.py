"""Half an hour of a small fleet's life, and whether a leak is noticed. ``make soak`` lives longer."""

import logging

import pytest
import structlog

from tests.e2e.programs import print_result
from tests.e2e.soak import LEAST, MINUTE, WARM_UP, Count, Report, soak

_SOUND = Count(resident=80_000_000, objects=70_000, descriptors=15, tasks=16)


def test_nothing_grows() -> None:
    """With faults, reloads and a scrape every second: no complaint, and nothing that grows."""
    report = soak(tenants=60, minutes=LEAST)

    for line in report.lines():
        print_result(line)
    assert report.faults() == []
    assert report.scrapes >= 35 * MINUTE
    assert report.reloads >= 11
    assert report.applied > 200


def test_what_is_kept_of_each_scrape_is_noticed() -> None:
    """A real leak: each page is kept, and two objects for each. So is what is logged of a defect."""
    kept: list[list[list[bytes]]] = []

    def look(page: bytes) -> None:
        if not kept:
            structlog.get_logger().exception("job failed")
            logging.getLogger("asyncio").warning("never awaited")
        kept.append([[page + bytes(40_000)]])  # more than earlier tests may have given back

    report = soak(tenants=1, minutes=LEAST, look=look)

    *complaints, first, second = report.faults()
    assert [first.split(":")[0], second.split(":")[0]] == ["resident", "objects"]
    assert len(complaints) == 2
    assert "job failed" in complaints[0]
    assert complaints[1] == "never awaited"


@pytest.mark.parametrize(
    ("name", "each_minute"),
    [("resident", 60 * 4096), ("objects", 62), ("descriptors", 1 / 3), ("tasks", 1 / 3)],
)
def test_whatever_rises_is_noticed(name: str, each_minute: float) -> None:
    """Four kilobytes or an object of each scrape, one file or task of each reload."""
    report = Report()
    for minute in range(60):
        risen = getattr(_SOUND, name) + int(minute * each_minute)
        report.counts.append(_SOUND._replace(**{name: risen}))

    assert [fault.split(":")[0] for fault in report.faults()] == [name]


def test_one_step_is_no_rise() -> None:
    """What is taken once, and never again, is chance."""
    steps = [_SOUND._replace(resident=_SOUND.resident + 3_000_000 * (minute > 35)) for minute in range(60)]

    assert Report(steps).faults() == []


def test_what_comes_and_goes_is_no_rise() -> None:
    """Objects between two moments that are alike, and whatever grows until all is warm."""
    report = Report([_SOUND._replace(objects=70_000 + 9000 * (minute % 3)) for minute in range(1, 61)])
    report.counts[: WARM_UP - 1] = [_SOUND._replace(resident=1000 * minute) for minute in range(WARM_UP - 1)]

    assert report.faults() == []


def test_a_complaint_is_a_fault() -> None:
    """However steady all is."""
    assert Report([_SOUND] * 60, complaints=["never awaited"]).faults() == ["never awaited"]


def test_too_short_a_life_is_not_judged() -> None:
    """Nobody is told that all is well after a moment."""
    with pytest.raises(ValueError, match="too few"):
        Report([_SOUND] * (LEAST - 1)).faults()
