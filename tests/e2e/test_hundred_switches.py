"""One exporter polls 100 switches, as docs/scaling.md says."""

import json

from benchmarks.measures import cpu_seconds
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import UNREACHABLE_URL, configuration
from tests.e2e.programs import Exporter, get, print_result, samples, wait_until

SWITCHES = 100
TENANTS = 5
INTERVAL = 5
"""Seconds, of every query. With the defaults, each switch is asked a twentieth of this."""

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
    """All but the one that is down have values. A request costs little CPU. `/sd` lists each switch."""
    simulator = run_simulator(f"--tenants={TENANTS}", "--nodes=2", "--extensions=10")
    exporter = run_exporter(_configuration(simulator.url))
    started = cpu_seconds(exporter.program.process.pid)
    wait_until(lambda: _all_but_one_are_polled(exporter), 100, "values of all tenants of 99 switches")
    seconds = cpu_seconds(exporter.program.process.pid) - started
    requests = simulator.requests(since=2**40)["counts"]["total"]
    print_result(f"{requests} requests, {1000 * seconds / requests:.2f} ms of CPU time each, with scrapes")
    assert seconds / requests < 0.01
    _assert_one_target_per_switch(exporter)


def _assert_one_target_per_switch(exporter: Exporter) -> None:
    listed = [target["labels"] for target in json.loads(get(f"{exporter.base_url}/sd"))]
    assert len([labels for labels in listed if "switch" in labels]) == SWITCHES
    for name, up in ((DOWN, 0.0), ("pbx-099", 1.0)):
        series = samples(get(f"{exporter.base_url}/metrics?switch={name}").decode())
        assert series["softswitch_up", frozenset({("switch", name)})] == up
        assert {dict(labels)["switch"] for _, labels in series} == {name}
