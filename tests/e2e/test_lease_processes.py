"""Two exporters with one Lease: one ends, is killed or paused, and both are replaced.

The clock of the second one is an hour ahead. Both have the same storage: it goes over to the one that polls.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.fake_clock import fake_clock
from tests.e2e.full_configuration import UNREACHABLE_URL, configuration, switch
from tests.e2e.lease_pair import BUSY, FIRST, LEASE, PERIOD, SECTION, LeasePair, lease_pair
from tests.e2e.programs import get, run_command, wait_until

_SLOWEST = LEASE + PERIOD + FIRST + BUSY


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[LeasePair]:
    """Return both exporters, one of which polls."""
    directory = tmp_path_factory.mktemp("pair")
    skewed = fake_clock(require_program, directory)
    skewed.jump(3600)
    with lease_pair(directory) as started:
        storage = directory / "storage"
        storage.mkdir()
        started.flags = (f"--storage.path={storage}",)
        started.start_both(b=skewed.environment)
        yield started


def test_ends_and_pauses(pair: LeasePair) -> None:
    """There is always one exporter that polls, and never two, whatever happens to one of them."""
    active, standby = pair.roles()
    began = time.monotonic()

    # Nothing happens: the standby says who polls, sends nothing, and serves no series of the switch.
    state = wait_until(
        lambda: (found := pair.status(standby))["activity"]["holder"] and found, PERIOD + BUSY, pair.told
    )
    assert state["state"] == "standby"
    assert state["activity"]["holder"].startswith(f"softswitch-{active}_")
    assert state["activity"]["lease_reachable"] is True
    assert f"softswitch-{active}_" in state["notices"][0]["text"]
    assert (state["switches"], state["problems"]) == ([], [])
    for path in ("/-/ready", "/-/healthy"):
        assert get(f"{pair.exporters[standby].base_url}{path}")
    time.sleep(PERIOD)
    wait_until(lambda: "exporter_active" in _written(pair), 60, pair.told)
    assert pair.pollers(began) == {active}
    assert (pair.active(active), pair.active(standby)) == (1, 0)
    assert pair.series(active) > 0
    assert pair.series(standby) == 0

    # Killed: the other one polls after the Lease, and serves values.
    killed = time.monotonic()
    pair.signal(active, signal.SIGKILL)
    pair.wait_for(standby)
    assert pair.gap(killed) < _SLOWEST
    assert pair.active(standby) == 1
    assert pair.series(standby) > 0
    assert _changes(pair, standby).count("exporter_active") >= 2
    active, standby = standby, active
    again = time.monotonic()
    pair.start(standby)

    # Paused: the other one polls after the Lease, with its alerts. When it continues, it sends nothing more.
    before, paused = _alert_age(pair, active), time.monotonic()
    pair.signal(active, signal.SIGSTOP)
    pair.wait_for(standby)
    assert pair.gap(paused) < _SLOWEST
    # The paused one has locked the files.
    text = pair.exporters[standby].program.text
    wait_until(lambda: "polling although the storage cannot be written" in text(), BUSY, pair.told)
    assert _alert_age(pair, standby) > before
    time.sleep(PERIOD)
    continued = time.monotonic()
    pair.signal(active, signal.SIGCONT)
    time.sleep(3 * PERIOD)
    assert pair.pollers(continued) == {standby}
    assert (pair.active(active), pair.active(standby)) == (0, 1)
    wait_until(lambda: pair.status(standby)["storage"]["error"] is None, 60, pair.told)
    assert [*_overlaps(pair, again)] == []

    # A rolling restart: each one stops when the other one is ready, which polls at its next attempt.
    for is_last in (False, True):
        active, standby = standby, active
        stopped = time.monotonic()
        assert pair.exporters[active].program.stop() == 0
        pair.wait_for(standby, seconds=PERIOD + BUSY)
        assert pair.gap(stopped) < PERIOD + FIRST + BUSY
        assert [*_overlaps(pair, stopped)] == []
        assert "exporter_stopped" in _changes(pair, standby)
        if not is_last:
            pair.start(active)


def test_without_the_client_for_kubernetes(tmp_path: Path) -> None:
    """The exporter does not start, and prints the command that installs it."""
    (tmp_path / "kubernetes_asyncio.py").write_text("raise ImportError('none installed')")
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("pbx", UNREACHABLE_URL), high_availability=SECTION))
    search = os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = run_command(f"--config.file={file}", "--web.listen-address=127.0.0.1:0", PYTHONPATH=search)
    assert done.returncode == 1
    assert "(none installed); pip install 'softswitch-exporter[kubernetes]'" in done.stdout + done.stderr


def _alert_age(pair: LeasePair, name: str) -> float:
    """Return for how long an alert has been firing, once an exporter has evaluated the alerts."""
    first, *_ = wait_until(lambda: pair.status(name)["alerts"], 30, pair.told)
    age: float = first["age_seconds"]
    return age


def _changes(pair: LeasePair, name: str) -> list[str]:
    """Return the kinds of the entries in the timeline of an exporter."""
    return [entry["kind"] for entry in pair.status(name)["timeline"]]


def _written(pair: LeasePair) -> str:
    """Return the timeline in the file."""
    file = pair.directory / "storage/timeline.json"
    return file.read_text() if file.exists() else ""


def _overlaps(pair: LeasePair, since: float) -> Iterator[tuple[float, str]]:
    """Yield the requests after which the exporter that has polled before polls again."""
    done: set[str] = set()
    current = ""
    for at, name in pair.polled:
        if at < since or name == current:
            continue
        if name in done:
            yield at, name
        done.add(current)
        current = name
