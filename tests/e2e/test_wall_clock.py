"""Wall clock jumps by a day, a year and from 1970, with a real exporter."""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.fake_clock import fake_clock
from tests.e2e.programs import Exporter, Series, Simulator, get_json, print_result, samples, wait_until

DAY = 86400.0
YEAR = 366 * DAY
INTERVAL = 1.0
DURATION = 4.0
LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
TOLERANCE = 2.0
"""Seconds of delay that are allowed on a busy machine."""

# The simulated switch is frozen, so all of its series except this one are always present.
_TRANSIENT = "softswitch_query_failure"


def _configuration(simulator: Simulator) -> str:
    return f"""\
switches:
  - name: pbx
    url: {simulator.url}
    key: demo-admin
    timeout: 5s
    max_requests_per_second: 50
    queries:
      peers: {{interval: 1s}}
      channels: {{interval: 1s, tenant_interval: 1s}}
      calls: {{interval: 1s, tenant_interval: 1s}}
      license: {{interval: 1h}}
      balance: {{tenant_interval: 1s}}
    tenants:
      - code: ACME
      - code: BOREAL
"""


def _is_of_switch(series: Series) -> bool:
    name, labels = series
    return name != _TRANSIENT and ("switch", "pbx") in labels


def _license_age(simulator: Simulator) -> float:
    """Return the age of the last license request, by the clock of the switch, which does not jump."""
    asked = [
        entry["time"]
        for entry in simulator.requests()["requests"]
        if entry["parameters"]["reqtype"] == "LICENSEDAYS"
    ]
    return time.time() - float(max(asked))


def _assert_healthy(exporter: Exporter, simulator: Simulator, known: set[Series], ahead: float) -> float:
    """Assert for some seconds that no series is lost and ages are correct; return the greatest."""
    oldest = 0.0
    end = time.monotonic() + DURATION
    settled = time.monotonic() + 2 * INTERVAL  # the jump is detected and confirmed
    while time.monotonic() < end:
        page = samples(exporter.metrics())
        assert not known - page.keys()
        assert page["softswitch_up", frozenset({("switch", "pbx")})] == 1
        (switch,) = get_json(f"{exporter.base_url}/api/v1/status")["switches"]
        license_age = _license_age(simulator)
        for query in switch["queries"]:
            age = query["oldest_success_age_seconds"]
            if query["query"] == "license":
                assert abs(age - license_age) <= TOLERANCE
            else:
                oldest = max(oldest, age)
        if time.monotonic() > settled:
            _assert_timestamps(page, ahead, license_age)
        time.sleep(0.2)
    assert oldest <= 2 * INTERVAL + TOLERANCE
    return oldest


def _is_complete(exporter: Exporter, known: set[Series]) -> bool:
    page = samples(exporter.metrics())
    return not known - page.keys() and page["softswitch_up", frozenset({("switch", "pbx")})] == 1


def _assert_timestamps(page: dict[Series, float], ahead: float, license_age: float) -> None:
    """Assert that timestamps of successes are correct by the clock of the exporter."""
    wall = time.time() + ahead
    for (name, labels), value in page.items():
        if name == LAST_SUCCESS:
            if ("query", "license") in labels:
                assert abs(wall - value - license_age) <= TOLERANCE
            else:
                assert -TOLERANCE <= wall - value <= 2 * INTERVAL + TOLERANCE, labels


def _longest_gap(simulator: Simulator) -> float:
    """Return the longest time between two equal requests other than license, in seconds."""
    times: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for entry in simulator.requests()["requests"]:
        times[tuple(entry["parameters"].values())].append(entry["time"])
    return max(
        later - earlier
        for kind, at in times.items()
        if "LICENSEDAYS" not in kind
        for earlier, later in itertools.pairwise([*at, time.time()])
    )


def test_wall_clock_jumps_do_not_affect_polling(
    require_program: Callable[[str, str], str],
    tmp_path: Path,
    run_simulator: StartSimulator,
    run_exporter: StartExporter,
) -> None:
    """After jumps from 1970 to now, a year ahead, and back, all values are polled, with correct timestamps.

    After a jump forward, values count as old, because a paused virtual machine looks the same. A jump back
    removes no value and makes none younger.
    """
    clock = fake_clock(require_program, tmp_path)
    start = DAY - time.time()
    clock.jump(start)
    simulator = run_simulator("--tenants=3")
    simulator.change_world(freeze=True)
    exporter = run_exporter(_configuration(simulator), **clock.environment)
    wait_until(lambda: get_json(f"{exporter.base_url}/api/v1/status")["switches"][0]["up"], 10, "up")
    time.sleep(3 * INTERVAL)
    known = {series for series in samples(exporter.metrics()) if _is_of_switch(series)}
    names = {name for name, _ in known}
    assert {"softswitch_tenant_balance", "softswitch_license_remaining_seconds"} < names
    resident = exporter.resident_bytes()

    for ahead in (0, YEAR, -DAY):
        clock.jump(ahead)
        jumped = time.monotonic()
        wait_until(lambda: _is_complete(exporter, known), 5, "all values")
        print_result(f"wall clock {ahead:+.0f} s: complete after {time.monotonic() - jumped:.2f} s")
        oldest = _assert_healthy(exporter, simulator, known, ahead)
        print_result(f"wall clock {ahead:+.0f} s: oldest success {oldest:.2f} s ago, except license")

    gap = _longest_gap(simulator)
    print_result(f"longest gap between equal requests: {gap:.2f} s")
    assert gap <= 2 * INTERVAL + TOLERANCE
    grown = exporter.resident_bytes() - resident
    print_result(f"memory grew by {grown / 1e6:.1f} MB")
    assert grown < 20e6
    assert exporter.program.text().count("or wall clock set forward; restarting sweeps") == 2
    assert exporter.program.text().count("wall clock set back; jobs rescheduled") == 1
