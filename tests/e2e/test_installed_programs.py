"""The whole way of an alert with the installed Prometheus and Alertmanager, which are often older ones.

The other tests use the newest versions that there are (``NEWER_PROGRAMS``).
"""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.alertmanager import example, start_alertmanager
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import running_programs, start_exporter, start_simulator, wait_until
from tests.e2e.quick_rules import FACTOR, PATIENCE, quick_switch, start_quick_prometheus
from tests.e2e.receiver import Notification, receiving

MISSING = {
    "alertname": "SoftswitchNodeMissing",
    "severity": "critical",
    "scope": "node",
    "switch": "north",
    "node": "pbx1",
}


def test_an_alert_is_told_and_ends(tmp_path: Path, require_installed: Callable[[str, str], str]) -> None:
    """Prometheus scrapes and evaluates, Alertmanager routes: a missing node is told to who is on call."""
    prometheus = require_installed("prometheus", "prometheus")
    alertmanager = require_installed("prometheus-alertmanager", "prometheus-alertmanager")
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1")
        exporter = start_exporter(
            run, tmp_path / "config.yaml", configuration(quick_switch("north", simulator.url))
        )
        manager = start_alertmanager(run, alertmanager, tmp_path, example(FACTOR, receiver.base_url))
        server = start_quick_prometheus(run, prometheus, tmp_path, exporter, manager.address)
        wait_until(lambda: server.series("switch_node:softswitch_node_present:last"), 30, "a record")
        for present, status in ((False, "firing"), (True, "resolved")):
            simulator.change_world(nodes={"pbx1": present})
            told = Notification("on-call", status, frozenset(MISSING.items()))
            wait_until(
                lambda: told in receiver.notifications,  # noqa: B023 -- called at once
                PATIENCE,
                lambda: f"{told}; told: {receiver.notifications}",  # noqa: B023 -- called at once
            )
