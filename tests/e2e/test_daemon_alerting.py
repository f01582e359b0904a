"""Alerts without Prometheus: a real exporter, two clustered Alertmanagers and a webhook; all may be killed.

The durations of alerts are divided, those of Alertmanager are short. However the exporter ends, no alert
ends or begins anew. Alertmanager may repeat a notification: when it was killed, and if its peer is slow. The
second of two waits for the first before it notifies, and then sends the state from before the wait: an alert
that resolves meanwhile may fire and resolve once more (seen with 0.25). So alerts resolve here while both are
down, or one is stopped.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.accelerated_exporter import prepare_accelerated_exporter
from tests.e2e.alertmanager import EXAMPLE, Alertmanager, start_alertmanager
from tests.e2e.fake_clock import FakeClock, fake_clock
from tests.e2e.full_configuration import switch
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    free_port,
    get_json,
    print_result,
    running_programs,
    send,
    start_simulator,
    wait_until,
)
from tests.e2e.receiver import Receiver, receiving

SPEED = 40
"""1.5 s stand for a minute. Faster, Alertmanager resolves alerts if a busy machine is late."""

DAY = 86_400.0
PATIENCE = 60.0
NODES = ("pbx1", "pbx2", "pbx3")


@dataclass
class Site:
    """A switch, the exporter with its own clock, and two Alertmanagers of one cluster."""

    run: Start
    executable: str
    directory: Path
    state_file: Path
    simulator: Simulator
    receiver: Receiver
    clock: FakeClock
    addresses: tuple[str, str] = field(
        default_factory=lambda: (f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    )
    peers: tuple[str, str] = field(
        default_factory=lambda: (f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    )
    markers: int = 0

    def prepare_exporter(self) -> Callable[[], Exporter]:
        """Return a function that starts the exporter with the state file of the previous one."""
        section = {
            "alertmanagers": [{"url": f"http://{address}"} for address in self.addresses],
            "state_file": str(self.state_file),
            "labels": {"site": "lab"},
        }
        queries = {
            "peers": {"interval": "500ms"},
            "channels": {"interval": "500ms", "tenant_interval": "off"},
            "calls": {"interval": "500ms", "tenant_interval": "off"},
            "balance": {"tenant_interval": "off"},
        }
        pbx = switch("pbx", self.simulator.url, timeout="10s", nodes=NODES, queries=queries)
        text = yaml.safe_dump({"switches": [pbx], "alerting": section})
        file = self.directory / "config.yaml"
        return prepare_accelerated_exporter(self.run, file, text, SPEED, **self.clock.environment)

    def start_alertmanager(self, number: int) -> Alertmanager:
        """Start one of the two; it keeps its notification log across clean stops."""
        directory = self.directory / str(number)
        directory.mkdir(exist_ok=True)
        route = {
            "receiver": "hook",
            "group_by": ["..."],
            "group_wait": "100ms",
            "group_interval": "200ms",
            "repeat_interval": "4h",
        }
        hook = {"name": "hook", "webhook_configs": [{"url": self.receiver.base_url}]}
        inhibitions = yaml.safe_load(EXAMPLE.read_text())["inhibit_rules"]
        configuration = {"route": route, "receivers": [hook], "inhibit_rules": inhibitions}
        return start_alertmanager(
            self.run,
            self.executable,
            directory,
            yaml.safe_dump(configuration),
            f"--cluster.listen-address={self.peers[number]}",
            f"--cluster.peer={self.peers[1 - number]}",
            "--cluster.peer-timeout=1s",
            "--cluster.gossip-interval=100ms",
            "--cluster.pushpull-interval=500ms",
            "--cluster.settle-timeout=500ms",
            address=self.addresses[number],
        )

    def flush(self, *numbers: int) -> None:
        """Wait until these Alertmanagers have sent all pending notifications.

        Each gets an alert that the other one does not have: pending notifications are sent before it.
        """
        self.markers += 1
        markers = {self.addresses[number]: f"{self.markers} {number}" for number in numbers}
        for address, name in markers.items():
            send(f"http://{address}/api/v2/alerts", [{"labels": {"alertname": "Marker", "node": name}}])
        wait_until(
            lambda: self.notified().keys() >= set(markers.values()), PATIENCE, "all pending notifications"
        )

    def notified(self) -> dict[str, list[str]]:
        """Return the statuses notified, in order and without repetitions, for each node and the watchdog."""
        found: dict[str, list[str]] = {}
        for one in self.receiver.notifications:
            statuses = found.setdefault(dict(one.labels).get("node", one.alert), [])
            if statuses[-1:] != [one.status]:
                statuses.append(one.status)
        return found

    def notified_without_markers(self) -> dict[str, list[str]]:
        """Return the statuses notified without those of markers.

        Both Alertmanagers see pbx1 resolve at the same time, and may repeat all of its notifications.
        """
        found = {name: statuses for name, statuses in self.notified().items() if name in {"Watchdog", *NODES}}
        if found.get("pbx1") == ["firing", "resolved"] * 2:
            found["pbx1"] = found["pbx1"][:2]
        return found

    def kill_once_written(self, exporter: Exporter) -> None:
        """Kill the exporter when the present state is in the state file."""
        before = self.state_file.stat()
        wait_until(lambda: self.state_file.stat() != before, PATIENCE, "the state file to be written")
        exporter.program.stop(signal.SIGKILL)

    def wait_for(self, node: str, *statuses: str) -> None:
        """Wait until exactly these statuses were notified for a node."""
        wait_until(
            lambda: self.notified().get(node) == list(statuses),
            PATIENCE,
            lambda: f"{node} to be {statuses}; notified: {self.notified()}",
        )


def _alerts(exporter: Exporter, node: str) -> list[dict[str, Any]]:
    return [
        alert
        for alert in get_json(f"{exporter.base_url}/api/v1/status")["alerts"]
        if alert["labels"].get("node") == node
    ]


@pytest.fixture
def site(
    tmp_path: Path, memory_directory: Path, require_program: Callable[[str, str], str]
) -> Iterator[Site]:
    """Start the switch and the webhook receiver."""
    executable = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    clock = fake_clock(require_program, tmp_path)
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1", f"--nodes={len(NODES)}")
        yield Site(run, executable, tmp_path, memory_directory / "state.json", simulator, receiver, clock)


@pytest.mark.timeout(240)
def test_every_alert_is_notified(site: Site) -> None:
    """And its end, in order, whatever is killed and restarted, and wherever the clock jumps."""
    first, second = site.start_alertmanager(0), site.start_alertmanager(1)
    exporter = site.prepare_exporter()()
    site.wait_for("Watchdog", "firing")

    # The exporter is killed while an alert is pending: the alert keeps its start time.
    start = site.prepare_exporter()
    site.simulator.change_world(nodes={"pbx1": False})
    (pending,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "a pending alert")
    site.kill_once_written(exporter)
    exporter = start()
    (restored,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "the restored alert")
    # On a busy machine it may fire by then; with a new start time it would not.
    assert restored["state"] == "firing" or restored["age_seconds"] > pending["age_seconds"]
    site.wait_for("pbx1", "firing")
    print_result(f"killed after {pending['age_seconds']} s, {restored['age_seconds']} s after the restart")

    # One Alertmanager is down and the clock a day ahead; the exporter restarts with the clock a day behind.
    site.flush(0, 1)
    assert site.notified()["pbx1"] == ["firing"]
    first.program.stop(signal.SIGKILL)
    site.clock.jump(DAY)
    site.simulator.change_world(nodes={"pbx2": False})
    site.wait_for("pbx2", "firing")
    start = site.prepare_exporter()
    site.kill_once_written(exporter)
    site.clock.jump(-DAY)
    exporter = start()
    (burning,) = wait_until(lambda: _alerts(exporter, "pbx2"), PATIENCE, "the restored alert")
    assert burning["state"] == "firing"
    first = site.start_alertmanager(0)
    site.flush(0, 1)

    # Both are down: alerts that fire and resolve are notified if one is back within 15 minutes.
    for alertmanager in (first, second):
        alertmanager.program.stop()
    site.simulator.change_world(nodes={"pbx3": False})
    wait_until(
        lambda: [alert["state"] for alert in _alerts(exporter, "pbx3")] == ["firing"],
        PATIENCE,
        "an alert to fire",
    )
    site.simulator.change_world(nodes={"pbx1": True})
    wait_until(lambda: not _alerts(exporter, "pbx1"), PATIENCE, "another to resolve")
    first, second = site.start_alertmanager(0), site.start_alertmanager(1)
    site.wait_for("pbx1", "firing", "resolved")
    site.wait_for("pbx3", "firing")
    site.flush(0, 1)
    expected = {
        "Watchdog": ["firing"],
        "pbx1": ["firing", "resolved"],
        "pbx2": ["firing"],
        "pbx3": ["firing"],
    }
    assert site.notified_without_markers() == expected

    # A clean restart neither resolves nor repeats alerts. One Alertmanager alone notifies that they resolve.
    second.program.stop()
    start = site.prepare_exporter()
    assert exporter.program.stop() == 0
    exporter = start()
    site.clock.jump(0)
    wait_until(lambda: _alerts(exporter, "pbx3"), PATIENCE, "the restored alert")
    site.simulator.change_world(nodes={"pbx2": True, "pbx3": True})
    for node in NODES:
        site.wait_for(node, "firing", "resolved")
    site.flush(0)
    assert site.notified_without_markers() == expected | {node: ["firing", "resolved"] for node in NODES}
    assert {one.alert for one in site.receiver.notifications} == {"Watchdog", "NodeMissing", "Marker"}
    assert all(("site", "lab") in one.labels for one in site.receiver.notifications if one.alert != "Marker")
