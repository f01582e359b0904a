"""SoftswitchNodeMissing in a real Prometheus, which remembers nodes that a restarted exporter does not."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import Program, wait_until
from tests.e2e.prometheus import start_prometheus
from tests.e2e.scaled_rules import scaled, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 60
"""A minute takes a second, so an exporter that is back within 5 s leaves no gap."""

_PRESENT = "softswitch_node_present"
_OFF = {"interval": "off"}


def test_a_restart_does_not_end_the_alert(
    run_simulator: StartSimulator,
    run_exporter: StartExporter,
    run_program: Callable[..., Program],
    require_program: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    """The exporter is killed while a node is missing, and forgets it: the alert fires until it is back."""
    simulator = run_simulator("--nodes=3", "--tenants=1")
    missing = list(simulator.truth()["switch"]["nodes"])[-1]
    queries = {"peers": {"interval": "500ms"}, "channels": _OFF, "calls": _OFF, "license": _OFF}
    text = configuration(switch("pbx", simulator.url, stale_after=3, queries=queries))
    exporter = run_exporter(text)
    prometheus = start_prometheus(
        run_program,
        require_program("prometheus", "prometheus"),
        tmp_path,
        exporter,
        f"--query.lookback-delta={scaled('5m', FACTOR)}",
        "--rules.alert.for-grace-period=0s",
        interval=scaled("30s", FACTOR),
        rules=[write_scaled_rules(file, tmp_path, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)],
    )

    def firing_since() -> dict[str, float]:
        """Return when the alert of each node became active."""
        alerts = 'ALERTS{alertname="SoftswitchNodeMissing",alertstate="firing"}'
        found = prometheus.series(f"ALERTS_FOR_STATE and ignoring (alertstate) {alerts}")
        return {dict(labels)["node"]: at for (_, labels), at in found.items()}

    wait_until(lambda: exporter.value(_PRESENT, switch="pbx", node=missing), 10, "the node to be seen")
    wait_until(lambda: prometheus.series(f"switch_node:{_PRESENT}:last"), 10, "a recorded value")
    simulator.change_world(nodes={missing: False})
    before = wait_until(firing_since, 20, "the alert")
    assert before.keys() == {missing}

    exporter.program.stop(signal.SIGKILL)
    restarted = run_exporter(text, f"--web.listen-address={exporter.base_url.partition('://')[2]}")
    wait_until(lambda: f"{_PRESENT}{{" in restarted.metrics(), 10, "the nodes to be served")
    assert restarted.value(_PRESENT, switch="pbx", node=missing) is None
    gone = f'absent(switch_node:{_PRESENT}:last{{node="{missing}"}})'
    wait_until(lambda: prometheus.series(gone), 20, "the last value of the first exporter to be forgotten")
    forgotten = time.time()
    wait_until(lambda: prometheus.series(f"vector(time()) > {forgotten + 5}"), 20, "five minutes")
    assert firing_since() == before

    simulator.change_world(nodes={missing: True})
    wait_until(lambda: not firing_since(), 20, "the alert to end")
