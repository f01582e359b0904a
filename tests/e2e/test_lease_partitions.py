"""Two exporters with one Lease, and an API server that is slow, refuses, or cannot be reached."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.lease_pair import BUSY, FIRST, LEASE, PERIOD, LeasePair, lease_pair
from tests.e2e.programs import wait_until


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeasePair]:
    """Return both exporters, one of which polls."""
    with lease_pair(tmp_path_factory.mktemp("pair")) as started:
        started.start_both()
        yield started


def test_a_slow_api_server_and_edits_of_the_lease(pair: LeasePair) -> None:
    """Responses after 0.3 s change nothing, nor does a write that meets a newer version at first."""
    active, _ = pair.roles()
    conflicts = pair.server.conflicts[active]
    edits = iter([True, False, True])

    def edit(client: str) -> None:
        if client == active and next(edits, False):
            pair.server.touch({})

    pair.server.before_write = edit
    pair.server.delays |= {"a": 0.3, "b": 0.3}
    began = time.monotonic()
    time.sleep(LEASE)
    wait_until(lambda: pair.server.conflicts[active] == conflicts + 2, BUSY, pair.told)
    pair.server.delays.clear()
    assert pair.pollers(began) == {active}
    wait_until(lambda: pair.value(active, "reachable") == 1, BUSY, pair.told)


def test_partitions(pair: LeasePair) -> None:
    """The active exporter polls on, and the other one takes over, then loses its permission: both poll.

    When they reach the API server again, one of them stands by. All the time, somebody polls.
    """
    active, standby = pair.roles()
    began = time.monotonic()
    pair.server.cut_off(active)
    pair.wait_for(active, standby)
    assert pair.holder == standby
    assert pair.value(active, "reachable") == 0
    assert pair.value(active, "failures_total", reason="timeout")
    [notice] = [found["text"] for found in pair.status(active)["notices"] if found["severity"] == "warning"]
    assert "no response within 2 s; another exporter may poll as well" in notice

    pair.server.refused[standby] = 403
    wait_until(lambda: pair.value(standby, "failures_total", reason="forbidden"), PERIOD + BUSY, pair.told)
    pair.wait_for(active, standby)

    pair.server.delays.clear()
    pair.server.refused.clear()
    wait_until(lambda: len(pair.pollers(time.monotonic() - 1)) == 1, LEASE + BUSY + PERIOD, pair.told)
    active, standby = pair.roles()
    assert (pair.active(active), pair.active(standby)) == (1, 0)
    assert pair.series(standby) == 0
    assert pair.gap(began) < LEASE + PERIOD + FIRST + BUSY
