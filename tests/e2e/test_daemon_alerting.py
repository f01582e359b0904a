"""Alerts without Prometheus: real exporter, two clustered Alertmanagers, a webhook; all may die.

The durations of alerts are divided, those of Alertmanager are short; what is compared is not. Everything is
told exactly once, however the exporter ends. Two things are Alertmanager's own, and kept apart:

- One that is killed may have told what it had no time to tell its peer: from then until it is back, the same
  may be told again, and only then.
- Of two, one waits for the other before it tells, and then tells what it saw before the wait: where an alert
  ends meanwhile, its beginning and its end may be told once more (seen, 0.25). So alerts end here while both
  are away, or one is stopped.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

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
from tests.e2e.quick_exporter import start_quick_exporter
from tests.e2e.receiver import Receiver, receiving

SPEED = 60
"""A minute is a second."""

DAY = 86_400.0
PATIENCE = 30.0
NODES = ("pbx1", "pbx2", "pbx3")


@dataclass
class Site:
    """A switch, the exporter with a clock of its own, and two Alertmanagers of one cluster."""

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
    repeats_allowed: range = range(0)
    lasts: int = 0

    def start_exporter(self) -> Exporter:
        """Start the exporter, which finds the state of the one before."""
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
        return start_quick_exporter(self.run, file, text, SPEED, **self.clock.environment)

    def start_alertmanager(self, number: int) -> Alertmanager:
        """Start one of the two; it remembers what it sent before a clean end."""
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
            "--cluster.gossip-interval=20ms",
            "--cluster.pushpull-interval=500ms",
            "--cluster.settle-timeout=500ms",
            address=self.addresses[number],
        )

    @contextlib.contextmanager
    def killed(self, alertmanager: Alertmanager) -> Iterator[None]:
        """Kill an Alertmanager; at the end of the context it is back."""
        alertmanager.program.stop(signal.SIGKILL)
        begun = len(self.receiver.notifications)
        yield
        self.let_all_be_told(0, 1)
        self.repeats_allowed = range(begun, len(self.receiver.notifications))

    def let_all_be_told(self, *numbers: int) -> None:
        """Wait until these Alertmanagers told what they were to tell, also the one that waits for the other.

        Each is given an alert that the other one does not know: what was due before is told before it.
        """
        self.lasts += 1
        lasts = {self.addresses[number]: f"{self.lasts} {number}" for number in numbers}
        for address, name in lasts.items():
            send(f"http://{address}/api/v2/alerts", [{"labels": {"alertname": "Last", "node": name}}])
        wait_until(lambda: self.told().keys() >= set(lasts.values()), PATIENCE, "all to be told")

    def told(self) -> dict[str, list[str]]:
        """Return the states that were told of each node, and of the watchdog by its name, in order."""
        found: dict[str, list[str]] = {}
        for number, one in enumerate(self.receiver.notifications):
            told = found.setdefault(dict(one.labels).get("node", one.alert), [])
            if told[-1:] != [one.status] or number not in self.repeats_allowed:
                told.append(one.status)
        return found

    def told_of_all(self) -> dict[str, list[str]]:
        """Return what was told of everything but the last ones.

        The end of pbx1 is news to both Alertmanagers at a time: they may tell all of it a second time.
        """
        found = {name: told for name, told in self.told().items() if name in {"Watchdog", *NODES}}
        if found.get("pbx1") == ["firing", "resolved"] * 2:
            found["pbx1"] = found["pbx1"][:2]
        return found

    def wait_until_written(self) -> None:
        """Wait until what is known by now is in the state file."""
        before = self.state_file.stat()
        wait_until(lambda: self.state_file.stat() != before, PATIENCE, "the state to be written")

    def wait_for(self, node: str, *statuses: str) -> None:
        """Wait until exactly this was told of a node."""
        wait_until(
            lambda: self.told().get(node) == list(statuses),
            PATIENCE,
            lambda: f"{node} to be {statuses}; told: {self.told()}",
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
    """Start the switch, and whoever is told."""
    executable = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    clock = fake_clock(require_program, tmp_path)
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1", f"--nodes={len(NODES)}")
        yield Site(run, executable, tmp_path, memory_directory / "state.json", simulator, receiver, clock)


def test_no_page_is_lost_and_none_is_invented(site: Site) -> None:
    """Whatever is killed and comes back, and wherever the clock jumps: all is told once, and its end once."""
    first, second = site.start_alertmanager(0), site.start_alertmanager(1)
    exporter = site.start_exporter()
    site.wait_for("Watchdog", "firing")

    # Killed while an alert pends: it goes on pending from when it began.
    site.simulator.change_world(nodes={"pbx1": False})
    (pending,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "an alert that pends")
    assert pending["state"] == "pending"
    site.wait_until_written()
    exporter.program.stop(signal.SIGKILL)
    exporter = site.start_exporter()
    (restored,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "the alert to be known")
    # On a busy machine it may fire by then, which it would not do if it had begun anew.
    assert restored["state"] == "firing" or restored["age_seconds"] > pending["age_seconds"]
    site.wait_for("pbx1", "firing")
    print_result(f"killed after {pending['age_seconds']} s, {restored['age_seconds']} s after the restart")

    # One Alertmanager is gone, the clock a day ahead; killed while alerts fire, back with it a day late.
    site.let_all_be_told(0, 1)
    assert site.told()["pbx1"] == ["firing"]
    with site.killed(first):
        site.clock.jump(DAY)
        site.simulator.change_world(nodes={"pbx2": False})
        site.wait_for("pbx2", "firing")
        site.wait_until_written()
        exporter.program.stop(signal.SIGKILL)
        site.clock.jump(-DAY)
        exporter = site.start_exporter()
        (burning,) = wait_until(lambda: _alerts(exporter, "pbx2"), PATIENCE, "the alert to be known")
        assert burning["state"] == "firing"
        first = site.start_alertmanager(0)

    # Both are away, and what begins and what ends meanwhile is told when they are back within 15 minutes.
    for alertmanager in (first, second):
        alertmanager.program.stop()
    site.simulator.change_world(nodes={"pbx3": False})
    wait_until(
        lambda: [alert["state"] for alert in _alerts(exporter, "pbx3")] == ["firing"],
        PATIENCE,
        "the beginning of an alert",
    )
    site.simulator.change_world(nodes={"pbx1": True})
    wait_until(lambda: not _alerts(exporter, "pbx1"), PATIENCE, "the end of another")
    first, second = site.start_alertmanager(0), site.start_alertmanager(1)
    site.wait_for("pbx1", "firing", "resolved")
    site.wait_for("pbx3", "firing")
    site.let_all_be_told(0, 1)
    begun = {
        "Watchdog": ["firing"],
        "pbx1": ["firing", "resolved"],
        "pbx2": ["firing"],
        "pbx3": ["firing"],
    }
    assert site.told_of_all() == begun

    # A clean stop resolves nothing, and a clean start tells nothing anew; the ends are told by one alone.
    second.program.stop()
    assert exporter.program.stop() == 0
    exporter = site.start_exporter()
    site.clock.jump(0)
    wait_until(lambda: _alerts(exporter, "pbx3"), PATIENCE, "the alert to be known")
    site.simulator.change_world(nodes={"pbx2": True, "pbx3": True})
    for node in NODES:
        site.wait_for(node, "firing", "resolved")
    site.let_all_be_told(0)
    assert site.told_of_all() == begun | {node: ["firing", "resolved"] for node in NODES}
    assert {one.alert for one in site.receiver.notifications} == {"Watchdog", "NodeMissing", "Last"}
    assert all(("site", "lab") in one.labels for one in site.receiver.notifications if one.alert != "Last")
