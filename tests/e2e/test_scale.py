"""2,000 tenants and 200 ms an answer: the requests are even, within the limits, and as the plan promised."""

import re
import subprocess
import time
from bisect import bisect_left
from pathlib import Path

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.programs import EXPORTER, Simulator, print_result, wait_until

TENANTS = 2000
RATE = 190
CONCURRENCY = 60
QUERIES = ("channels", "calls", "balance")
WATCHED = 35.0
"""Seconds. A cycle is 33 s: 6,000 requests at 95 % of the rate."""

_UNITS = {"m": 60.0, "s": 1.0}


def _configuration(simulator: Simulator) -> str:
    tenants = "\n".join(
        f"      - code: {code}"
        for code, tenant in simulator.truth()["tenants"].items()
        if not tenant["disabled"]
    )
    return f"""\
switches:
  - name: large
    url: {simulator.url}
    key: demo-admin
    timeout: 10s
    max_requests_per_second: {RATE}
    max_concurrency: {CONCURRENCY}
    queries:
      peers: {{interval: off}}
      channels: {{interval: off, tenant_interval: 30s}}
      calls: {{interval: off, tenant_interval: 30s}}
      license: {{interval: off}}
      balance: {{tenant_interval: 30s}}
    tenants:
{tenants}
"""


def _promised_cycles(configuration: str, folder: Path) -> dict[str, float]:
    """Return what ``--config.check`` says that the cycle of each tenant query will be, in seconds."""
    file = folder / "large.yaml"
    file.write_text(configuration)
    command = [*EXPORTER, f"--config.file={file}", "--config.check"]
    plan = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    rows = re.findall(r"^ +(\w+) +tenant +\d+ +\S+ +(\S+)$", plan, re.MULTILINE)
    return {
        query: sum(float(count) * _UNITS[unit] for count, unit in re.findall(r"([\d.]+)([ms])", cycle))
        for query, cycle in rows
    }


def _most_within(times: list[float], seconds: float) -> int:
    """Return how many at most of some sorted times lie within so many seconds."""
    return max(bisect_left(times, start + seconds) - first for first, start in enumerate(times))


def test_two_thousand_tenants_are_asked_evenly_and_as_planned(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """No burst, never more in flight or in a second than allowed, and the promised cycle."""
    simulator = run_simulator(f"--tenants={TENANTS}", "--latency=0.2")
    configuration = _configuration(simulator)
    promised = _promised_cycles(configuration, tmp_path)
    assert set(promised) == set(QUERIES)
    exporter = run_exporter(configuration)
    wait_until(lambda: simulator.requests(since=RATE)["requests"], 10, "a second's requests")

    time.sleep(WATCHED)
    cycles = {
        query: exporter.value("softswitch_query_cycle_seconds", switch="large", query=query, scope="tenant")
        for query in QUERIES
    }
    log = simulator.requests()

    # The first second is left out: its requests wait for connections to be made, and then arrive together.
    first = log["requests"][0]["time"] + 1
    times = [request["time"] for request in log["requests"] if request["time"] >= first]
    mean = len(times) / (times[-1] - times[0])
    busiest_second, busiest_5_seconds = _most_within(times, 1), _most_within(times, 5) / 5
    most_in_flight = log["counts"]["most_in_flight"]
    print_result(f"{len(times)} requests, {mean:.1f} a second; {most_in_flight} in flight at most")
    print_result(f"busiest second: {busiest_second}; busiest 5 seconds: {busiest_5_seconds:.1f} a second")
    print_result(f"cycles promised: {promised}; measured: {cycles}")
    assert log["counts"]["by_outcome"] == {"answered": log["counts"]["total"] - log["counts"]["in_flight"]}
    assert busiest_5_seconds <= 2 * mean
    assert most_in_flight <= CONCURRENCY
    assert log["counts"]["most_in_flight_of_a_tenant"] == 1
    # They are counted as they arrive: where a busy machine stalls, those of 1.2 s may arrive within 1.
    assert busiest_second <= RATE * 1.2
    assert busiest_5_seconds <= RATE * 5.2 / 5
    for query in QUERIES:
        cycle = cycles[query]
        assert cycle is not None, f"{query} did not finish a sweep"
        assert abs(cycle - promised[query]) <= 0.05 * promised[query]
