"""Two exporters with one Lease, and an API server that is slow, refuses, or cannot be reached."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.lease_pair import BUSY, FIRST, LEASE, PERIOD, LeasePair, lease_pair
from tests.e2e.programs import get_json, wait_until

_SLOWEST = LEASE + PERIOD + FIRST + BUSY


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeasePair]:
    """Return both exporters, one of which polls."""
    with lease_pair(tmp_path_factory.mktemp("pair")) as started:
        started.start_both()
        yield started


@pytest.fixture(autouse=True)
def whole(pair: LeasePair) -> Iterator[None]:
    """Begin and end with an API server that responds, one exporter that polls, and no gap in between."""
    began = time.monotonic()
    pair.roles()
    yield
    pair.server.delays.clear()
    pair.server.refused.clear()
    pair.wait_for(pair.holder)
    assert pair.gap(began) < _SLOWEST


def test_a_slow_api_server(pair: LeasePair) -> None:
    """Responses after half a second change nothing, although an attempt has two requests."""
    active, _ = pair.roles()
    pair.server.delays |= {"a": 0.5, "b": 0.5}
    began = time.monotonic()
    time.sleep(2 * LEASE)
    assert pair.pollers(began) == {active}
    assert pair.exporters[active].value("softswitch_exporter_lease_reachable") == 1


def test_edits_of_the_lease(pair: LeasePair) -> None:
    """Each write of the active exporter meets a newer version at first; it stays active."""
    active, _ = pair.roles()
    conflicts = pair.server.conflicts[active]
    edits = iter(range(5))

    def edit(client: str) -> None:
        if client == active and next(edits, None) is not None:
            pair.server.touch({})

    pair.server.before_write = edit
    began = time.monotonic()
    time.sleep(LEASE)
    pair.server.before_write = lambda _: None
    assert pair.server.conflicts[active] == conflicts + 5
    assert pair.pollers(began) == {active}


def test_a_partition_of_the_active_exporter(pair: LeasePair) -> None:
    """It polls on, and the other one takes over. When it reaches the API server again, it stands by."""
    active, standby = pair.roles()
    pair.server.cut_off(active)
    pair.wait_for(active, standby)
    assert pair.holder == standby
    assert pair.exporters[active].value("softswitch_exporter_lease_reachable") == 0
    assert pair.exporters[active].value("softswitch_exporter_lease_failures_total", reason="timeout")
    [notice] = [
        found["text"]
        for found in get_json(f"{pair.exporters[active].base_url}/api/v1/status")["notices"]
        if found["severity"] == "warning"
    ]
    assert "no response within 2 s; another exporter may poll as well" in notice

    pair.server.delays.clear()
    pair.wait_for(standby, seconds=LEASE + BUSY)
    assert pair.active(active) == 0
    assert pair.series(active) == 0


def test_a_partition_of_the_standby(pair: LeasePair) -> None:
    """It polls after the Lease, and ends that when it reaches the API server again."""
    active, standby = pair.roles()
    pair.server.cut_off(standby)
    pair.wait_for(active, standby)
    assert pair.holder == active
    pair.server.delays.clear()
    pair.wait_for(active, seconds=LEASE + BUSY)


def test_no_permission(pair: LeasePair) -> None:
    """Both poll after the Lease; as soon as the API server accepts them again, one does."""
    pair.server.refused |= {"a": 403, "b": 403}
    pair.wait_for("a", "b")
    for exporter in pair.exporters.values():
        assert exporter.value("softswitch_exporter_lease_failures_total", reason="forbidden")
        # Once for each test, and a few times more on a busy machine, but not at each attempt.
        assert exporter.program.text().count("the Lease cannot be used") <= 8
    pair.server.refused.clear()
    wait_until(lambda: len(pair.pollers(time.monotonic() - 1)) == 1, LEASE + BUSY + PERIOD, pair.told)
