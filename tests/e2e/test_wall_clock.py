"""Wall clock jumps by a day, a year and from 1970, with a real exporter."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.fake_clock import fake_clock
from tests.e2e.full_configuration import wait_until_healthy
from tests.e2e.programs import Exporter, Series, Simulator, print_result, samples, wait_until

DAY = 86400.0
YEAR = 366 * DAY
LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
TOLERANCE = 10.0
"""Seconds of delay that are allowed on a busy machine."""

_POLLED = 9
"""Three queries of the switch, and three of each tenant; all but the license."""

_FORWARD = "or wall clock set forward; restarting sweeps"
_BACK = "wall clock set back; jobs rescheduled"

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
    stale_after: 100  # on a busy machine, requests may be late
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


def _is_complete(exporter: Exporter, known: set[Series]) -> bool:
    page = samples(exporter.metrics())
    return not known - page.keys() and page["softswitch_up", frozenset({("switch", "pbx")})] == 1


def _assert_polled(exporter: Exporter, simulator: Simulator, known: set[Series]) -> None:
    """Assert that every value is polled twice, and that none is lost meanwhile."""
    first = simulator.requests()["next"]

    def polled() -> bool:
        assert _is_complete(exporter, known)
        sent = Counter(tuple(entry["parameters"].values()) for entry in simulator.requests(first)["requests"])
        return len(sent) >= _POLLED and min(sent.values()) >= 2

    wait_until(polled, 60, "two rounds")


def _license_requested(simulator: Simulator) -> float:
    """Return the time of the last license request, by the clock of the switch, which does not jump."""
    return max(
        float(entry["time"])
        for entry in simulator.requests()["requests"]
        if entry["parameters"]["reqtype"] == "LICENSEDAYS"
    )


def _assert_timestamps(exporter: Exporter, simulator: Simulator, ahead: float) -> None:
    """Assert that timestamps of successes are correct by the clock of the exporter."""
    page = samples(exporter.metrics())
    for (name, labels), value in page.items():
        if name == LAST_SUCCESS:
            expected = _license_requested(simulator) if ("query", "license") in labels else time.time()
            assert abs(expected + ahead - value) <= TOLERANCE, labels


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
    clock.jump(DAY - time.time())
    simulator = run_simulator("--tenants=3")
    simulator.change_world(freeze=True)
    exporter = run_exporter(_configuration(simulator), **clock.environment)
    wait_until_healthy(exporter)
    known = {(name, of) for name, of in samples(exporter.metrics()) if ("switch", "pbx") in of}
    known = {series for series in known if series[0] != _TRANSIENT}
    assert {"softswitch_tenant_balance", "softswitch_license_remaining_seconds"} < {name for name, _ in known}
    resident = exporter.resident_bytes()

    for ahead, line, count in ((0, _FORWARD, 1), (YEAR, _FORWARD, 2), (-DAY, _BACK, 1)):
        clock.jump(ahead)
        jumped = time.monotonic()
        exporter.program.wait_for_lines(line, count)
        wait_until(lambda: _is_complete(exporter, known), 60, "all values")
        print_result(f"wall clock {ahead:+.0f} s: complete after {time.monotonic() - jumped:.2f} s")
        _assert_polled(exporter, simulator, known)
        _assert_timestamps(exporter, simulator, ahead)

    grown = exporter.resident_bytes() - resident
    print_result(f"memory grew by {grown / 1e6:.1f} MB")
    assert grown < 20e6
    for line, count in ((_FORWARD, 2), (_BACK, 1)):
        exporter.program.wait_for_lines(line, count)
