"""A quarter of an hour of a small fleet's life; ``make soak`` lives an hour with 5,000 tenants."""

from tests.e2e.programs import tell
from tests.e2e.soak import MINUTE, soak


def test_nothing_grows() -> None:
    """With faults, reloads and a scrape every second: no complaint, and no more objects, files or tasks."""
    report = soak(tenants=60, minutes=15)

    for line in report.lines():
        tell(line)
    assert report.complaints == []
    assert report.scrapes >= 14 * MINUTE
    assert report.reloads >= 4
    assert report.befallen > 100
    # One object kept for each scrape would be 3,600 an hour, one for each request as many again.
    assert report.slope("objects") < 3000
    least, most = report.spread("descriptors")
    assert most - least <= 20, "as many connections to the switch as it may have, and a few"
    least, most = report.spread("tasks")
    assert most - least <= 50
