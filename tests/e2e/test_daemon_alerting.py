"""Alerts without Prometheus: real exporter, two clustered Alertmanagers, a webhook; all may die.

The durations of alerts are divided, those of Alertmanager are short; what is compared is not. Everything is
told exactly once, however the exporter ends. Only while an Alertmanager that was killed is away, and until it
is back, the same may be told twice: it may have told what it had no time to tell its peer.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.alertmanager import EXAMPLE, Alertmanager, start_alertmanager
from tests.e2e.everything import switch
from tests.e2e.fake_clock import FakeClock, fake_clock
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    free_port,
    get_json,
    running_programs,
    send,
    start_simulator,
    tell,
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
            "state_file": "state.json",
            "labels": {"site": "lab"},
        }
        queries = {
            "peers": {"interval": "500ms"},
            "channels": {"interval": "500ms", "tenant_interval": "off"},
            "calls": {"interval": "500ms", "tenant_interval": "off"},
            "balance": {"tenant_interval": "off"},
        }
        pbx = switch("pbx", self.simulator.url, timeout="2s", nodes=NODES, queries=queries)
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
        self.let_all_be_told()
        self.repeats_allowed = range(begun, len(self.receiver.notifications))

    def let_all_be_told(self) -> None:
        """Wait until both Alertmanagers told what they were to tell, also the one that waits for the other.

        Each is given an alert that the other one does not know: what was due before is told before it.
        """
        self.lasts += 1
        lasts = {address: f"{self.lasts} {address}" for address in self.addresses}
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


def test_no_page_is_lost_and_none_is_invented(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """Whatever is killed and comes back, and wherever the clock jumps: all is told once, and its end once."""
    executable = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    clock = fake_clock(require_program, tmp_path)
    with receiving() as receiver, running_programs(tmp_path) as run:
        simulator = start_simulator(run, "--tenants=1", f"--nodes={len(NODES)}")
        site = Site(run, executable, tmp_path, simulator, receiver, clock)
        first, second = site.start_alertmanager(0), site.start_alertmanager(1)
        exporter = site.start_exporter()
        wait_until(lambda: receiver.notifications, PATIENCE, "the watchdog")

        # Killed while an alert pends: it goes on pending from when it began.
        simulator.world(nodes={"pbx1": False})
        (pending,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "an alert that pends")
        assert pending["state"] == "pending"
        exporter.program.stop(signal.SIGKILL)
        exporter = site.start_exporter()
        (restored,) = wait_until(lambda: _alerts(exporter, "pbx1"), PATIENCE, "the alert to be known")
        assert restored["age_seconds"] > pending["age_seconds"]
        site.wait_for("pbx1", "firing")
        tell(
            f"killed after {pending['age_seconds']} s, {restored['age_seconds']} s at the first look after it"
        )

        # One Alertmanager is gone, the clock a day ahead; killed while alerts fire, back with it a day late.
        site.let_all_be_told()
        assert site.told()["pbx1"] == ["firing"]
        with site.killed(first):
            clock.jump(DAY)
            simulator.world(nodes={"pbx2": False})
            site.wait_for("pbx2", "firing")
            exporter.program.stop(signal.SIGKILL)
            clock.jump(-DAY)
            exporter = site.start_exporter()
            (burning,) = wait_until(lambda: _alerts(exporter, "pbx2"), PATIENCE, "the alert to be known")
            assert burning["state"] == "firing"
            first = site.start_alertmanager(0)

        # Both are away, and what begins and what ends meanwhile is told when they are back.
        for alertmanager in (first, second):
            alertmanager.program.stop()
        simulator.world(nodes={"pbx1": True, "pbx3": False})
        wait_until(lambda: not _alerts(exporter, "pbx1"), PATIENCE, "the end of an alert")
        wait_until(
            lambda: [alert["state"] for alert in _alerts(exporter, "pbx3")] == ["firing"],
            PATIENCE,
            "the beginning of another",
        )
        for number in range(2):
            site.start_alertmanager(number)
        site.wait_for("pbx1", "firing", "resolved")
        site.wait_for("pbx3", "firing")

        # A clean stop resolves nothing, and a clean start tells nothing anew.
        assert exporter.program.stop() == 0
        exporter = site.start_exporter()
        clock.jump(0)
        wait_until(lambda: _alerts(exporter, "pbx3"), PATIENCE, "the alert to be known")
        simulator.world(nodes={"pbx2": True, "pbx3": True})
        for node in NODES:
            site.wait_for(node, "firing", "resolved")
        site.let_all_be_told()
        told = {name: statuses for name, statuses in site.told().items() if name in {"Watchdog", *NODES}}
        assert told == {"Watchdog": ["firing"]} | {node: ["firing", "resolved"] for node in NODES}
        assert {one.alert for one in receiver.notifications} == {"Watchdog", "NodeMissing", "Last"}
        assert all(("site", "lab") in one.labels for one in receiver.notifications if one.alert != "Last")
