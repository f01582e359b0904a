"""A wall clock that jumps by a day, a year or since 1970: the real exporter goes on."""

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
WATCHED = 4.0
LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
LATE = 2.0
"""Seconds by which a page may be late on a busy machine."""

# The world stands still, so all series of the switch are to be there all the time; but not this one.
_PASSING = "softswitch_query_failure"


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
    return name != _PASSING and ("switch", "pbx") in labels


def _license_age(simulator: Simulator) -> float:
    """Return how long ago the license was asked for, by the clock of the switch, which does not jump."""
    asked = [
        entry["time"]
        for entry in simulator.requests()["requests"]
        if entry["parameters"]["reqtype"] == "LICENSEDAYS"
    ]
    return time.time() - float(max(asked))


def _watch(exporter: Exporter, simulator: Simulator, known: set[Series], ahead: float) -> float:
    """Scrape for some seconds: nothing goes, every age is right. Return the greatest, license apart."""
    oldest = 0.0
    end = time.monotonic() + WATCHED
    settled = time.monotonic() + 2 * INTERVAL  # one scrape to notice, and its successor to be sure
    while time.monotonic() < end:
        page = samples(exporter.metrics())
        assert not known - page.keys()
        assert page["softswitch_up", frozenset({("switch", "pbx")})] == 1
        (switch,) = get_json(f"{exporter.base_url}/api/v1/status")["switches"]
        license_age = _license_age(simulator)
        for query in switch["queries"]:
            age = query["oldest_success_age_seconds"]
            if query["query"] == "license":
                assert abs(age - license_age) <= LATE
            else:
                oldest = max(oldest, age)
        if time.monotonic() > settled:
            _assert_timestamps(page, ahead, license_age)
        time.sleep(0.2)
    assert oldest <= 2 * INTERVAL + LATE
    return oldest


def _is_whole(exporter: Exporter, known: set[Series]) -> bool:
    page = samples(exporter.metrics())
    return not known - page.keys() and page["softswitch_up", frozenset({("switch", "pbx")})] == 1


def _resident_bytes(exporter: Exporter) -> float:
    return samples(exporter.metrics())["process_resident_memory_bytes", frozenset()]


def _assert_timestamps(page: dict[Series, float], ahead: float, license_age: float) -> None:
    """Fail where a last success was not as long ago as it was, by the exporter's own clock."""
    wall = time.time() + ahead
    for (name, labels), value in page.items():
        if name == LAST_SUCCESS:
            if ("query", "license") in labels:
                assert abs(wall - value - license_age) <= LATE
            else:
                assert -LATE <= wall - value <= 2 * INTERVAL + LATE, labels


def _longest_gap(simulator: Simulator) -> float:
    """Return the longest pause between two requests of one kind, license apart, in seconds."""
    times: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for entry in simulator.requests()["requests"]:
        times[tuple(entry["parameters"].values())].append(entry["time"])
    return max(
        later - earlier
        for kind, at in times.items()
        if "LICENSEDAYS" not in kind
        for earlier, later in itertools.pairwise([*at, time.time()])
    )


def test_the_wall_clock_jumps(
    require_program: Callable[[str, str], str],
    tmp_path: Path,
    run_simulator: StartSimulator,
    run_exporter: StartExporter,
) -> None:
    """From 1970 to today, a year ahead, and back: all is asked anew, ages and dates are right.

    A step forward may be a virtual machine that was paused, so it makes every value as much older. A step
    back makes none younger, and takes none away.
    """
    clock = fake_clock(require_program, tmp_path)
    start = DAY - time.time()
    clock.jump(start)
    simulator = run_simulator("--tenants=3")
    simulator.change_world(freeze=True)
    exporter = run_exporter(_configuration(simulator), **clock.environment)
    wait_until(lambda: get_json(f"{exporter.base_url}/api/v1/status")["switches"][0]["up"], 10, "up")
    time.sleep(3 * INTERVAL)  # every query has its first sweeps behind it
    known = {series for series in samples(exporter.metrics()) if _is_of_switch(series)}
    names = {name for name, _ in known}
    assert {"softswitch_tenant_balance", "softswitch_license_remaining_seconds"} < names
    resident = _resident_bytes(exporter)

    for ahead in (0, YEAR, -DAY):
        clock.jump(ahead)
        jumped = time.monotonic()
        wait_until(lambda: _is_whole(exporter, known), 5, "asked anew")
        print_result(f"wall clock {ahead:+.0f} s: complete again after {time.monotonic() - jumped:.2f} s")
        oldest = _watch(exporter, simulator, known, ahead)
        print_result(f"wall clock {ahead:+.0f} s: oldest success {oldest:.2f} s ago, license apart")

    gap = _longest_gap(simulator)
    print_result(f"the longest pause between two requests of a kind was {gap:.2f} s")
    assert gap <= 2 * INTERVAL + LATE
    grown = _resident_bytes(exporter) - resident
    print_result(f"it took {grown / 1e6:.1f} MB more")
    assert grown < 20e6
    assert exporter.program.text().count("its wall clock was set forward") == 2
    assert exporter.program.text().count("the wall clock was set back") == 1
