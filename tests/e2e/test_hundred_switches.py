"""One exporter polls 100 switches, as docs/scaling.md says."""

import json
import time

from benchmarks.measures import cpu_seconds
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import UNREACHABLE_URL, configuration
from tests.e2e.programs import Exporter, Simulator, get, print_result, samples, wait_until

SWITCHES = 100
TENANTS = 5
INTERVAL = 5
"""Seconds, of every query. With the defaults, each switch is asked a twentieth of this."""

OBSERVED = 10
"""Seconds."""

DOWN = "pbx-042"


def _configuration(url: str) -> str:
    each = {"interval": f"{INTERVAL}s", "tenant_interval": f"{INTERVAL}s"}
    switches = [
        {
            "name": f"pbx-{number:03}",
            "url": UNREACHABLE_URL if f"pbx-{number:03}" == DOWN else url,
            "key": "demo-admin",
            "discover_tenants": {"enabled": True},
            "queries": {
                "channels": each,
                "registrations": {"source": "blf", "tenant_interval": f"{INTERVAL}s"},
            },
        }
        for number in range(SWITCHES)
    ]
    return configuration(*switches)


def _all_but_one_are_polled(exporter: Exporter) -> bool:
    series = samples(exporter.metrics())
    up = [value for (name, _), value in series.items() if name == "softswitch_up"]
    tenants = [value for (name, _), value in series.items() if name == "softswitch_tenant_channels"]
    return sorted(up) == [0.0] + [1.0] * (SWITCHES - 1) and len(tenants) == TENANTS * (SWITCHES - 1)


def test_one_exporter_polls_a_hundred_switches(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """All but the one that is down keep their cycles. A request costs little CPU. `/sd` lists each switch."""
    simulator = run_simulator(f"--tenants={TENANTS}", "--nodes=2", "--extensions=10")
    exporter = run_exporter(_configuration(simulator.url))
    wait_until(lambda: _all_but_one_are_polled(exporter), 60, "values of all tenants of 99 switches")
    requests, seconds = _usage(simulator, exporter)
    print_result(f"{requests} requests in {OBSERVED} s, {1000 * seconds / requests:.2f} ms of CPU time each")
    assert requests > 0.8 * (SWITCHES - 1) * (1 + TENANTS) * OBSERVED / INTERVAL
    assert seconds / requests < 0.005
    _assert_one_target_per_switch(exporter)


def _usage(simulator: Simulator, exporter: Exporter) -> tuple[int, float]:
    """Return the requests within the observed time, and the CPU time that they and one scrape took."""

    def now() -> tuple[int, float]:
        return simulator.requests(since=2**40)["counts"]["total"], cpu_seconds(exporter.program.process.pid)

    (requests, seconds) = now()
    exporter.metrics()
    time.sleep(OBSERVED)
    (more_requests, more_seconds) = now()
    return more_requests - requests, more_seconds - seconds


def _assert_one_target_per_switch(exporter: Exporter) -> None:
    listed = [target["labels"] for target in json.loads(get(f"{exporter.base_url}/sd"))]
    assert len([labels for labels in listed if "switch" in labels]) == SWITCHES
    for name, up in ((DOWN, 0.0), ("pbx-099", 1.0)):
        series = samples(get(f"{exporter.base_url}/metrics?switch={name}").decode())
        assert series["softswitch_up", frozenset({("switch", name)})] == up
        assert {dict(labels)["switch"] for _, labels in series} == {name}
