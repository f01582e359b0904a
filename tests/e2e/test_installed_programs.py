"""An alert from switch to receiver with the installed Prometheus and Alertmanager, often older versions.

The other tests use the newest available versions (``NEWER_PROGRAMS``).
"""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.accelerated_rules import FACTOR, PATIENCE, accelerated_switch, start_accelerated_prometheus
from tests.e2e.alertmanager import example, start_alertmanager
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import running_programs, start_exporter, start_simulator, wait_until
from tests.e2e.receiver import Notification, receiving

MISSING = {
    "alertname": "SoftswitchNodeMissing",
    "severity": "critical",
    "scope": "node",
    "switch": "north",
    "node": "pbx1",
}


def test_an_alert_fires_and_resolves(tmp_path: Path, require_installed: Callable[[str, str], str]) -> None:
    """Prometheus evaluates the rules, and Alertmanager notifies on-call of a missing node."""
    prometheus = require_installed("prometheus", "prometheus")
    alertmanager = require_installed("prometheus-alertmanager", "prometheus-alertmanager")
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1")
        exporter = start_exporter(
            run, tmp_path / "config.yaml", configuration(accelerated_switch("north", simulator.url))
        )
        manager = start_alertmanager(run, alertmanager, tmp_path, example(FACTOR, receiver.base_url))
        server = start_accelerated_prometheus(run, prometheus, tmp_path, exporter, manager.address)
        wait_until(lambda: server.series("switch_node:softswitch_node_present:last"), 30, "a recording rule")
        for present, status in ((False, "firing"), (True, "resolved")):
            simulator.change_world(nodes={"pbx1": present})
            expected = Notification("on-call", status, frozenset(MISSING.items()))
            wait_until(
                lambda: expected in receiver.notifications,  # noqa: B023 -- called at once
                PATIENCE,
                lambda: f"{expected}; received: {receiver.notifications}",  # noqa: B023 -- called at once
            )
