"""One switch, and two ways to who is told: Prometheus with the shipped rules, and the exporter alone.

All durations of both are divided; each has an Alertmanager of its own with the shipped example. Of each alert
that the exporter knows both webhooks are told the same in the same order, and of what is muted neither.
Not of phones: SoftswitchRegistrationsDropped, which mutes them, is an alert of Prometheus alone.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from exporter.alerting.rules import RULES
from tests.e2e.alertmanager import example, start_alertmanager
from tests.e2e.everything import switch
from tests.e2e.programs import Simulator, running_programs, start_simulator, wait_until
from tests.e2e.prometheus import start_prometheus
from tests.e2e.quick_exporter import start_quick_exporter
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.scaled import scaled, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 120
PATIENCE = 30.0
CODES = ("ACME", "BOREAL")
NAMES = {rule.name.removeprefix("Softswitch") for rule in RULES}
Told = dict[tuple[str, frozenset[tuple[str, str]]], list[str]]


@dataclass(frozen=True)
class Ways:
    """A switch, and what was told of it both ways."""

    simulator: Simulator
    prometheus: Receiver
    exporter: Receiver

    def wait_for(self, status: str, name: str, **labels: str) -> None:
        """Wait until both were told."""
        for receiver in (self.prometheus, self.exporter):
            wait_until(
                partial(_is_told, receiver, status, name, labels),
                PATIENCE,
                f"{name} {status}; told: {receiver.notifications}",
            )


def _is_told(receiver: Receiver, status: str, name: str, labels: dict[str, str]) -> bool:
    return any(
        (one.status, one.alert) == (status, name) and labels.items() <= dict(one.labels).items()
        for one in receiver.notifications
    )


def _configuration(url: str, alertmanager: str) -> dict[str, Any]:
    queries = {
        "peers": {"interval": "500ms"},
        "channels": {"interval": "500ms", "tenant_interval": "off"},
        "calls": {"interval": "500ms", "tenant_interval": "off"},
        "license": {"interval": "1s"},
        "balance": {"tenant_interval": "1s"},
        "registrations": {"tenant_interval": "off"},
    }
    tenants = [
        {"code": code, "extensions": ["100", "101", "102", "103"], "labels": {"team": "voice"}}
        for code in CODES
    ]
    pbx = switch("pbx", url, timeout="1s", stale_after=3, tenants=tenants, queries=queries)
    return {"switches": [pbx], "alerting": {"alertmanagers": [{"url": f"http://{alertmanager}"}]}}


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Ways]:
    """Start everything, and wait until both ways work."""
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("ways")
    with receiving() as one, receiving() as other, running_programs(directory) as run:
        simulator = start_simulator(run, "--tenants=2")
        simulator.world(freeze=True, tenants={code: {"balance": 500} for code in CODES})
        managers = []
        for name, receiver in (("prometheus", one), ("exporter", other)):
            (directory / name).mkdir()
            text = example(FACTOR, receiver.base_url)
            managers.append(start_alertmanager(run, alertmanager, directory / name, text))
        text = json.dumps(_configuration(simulator.url, managers[1].address))
        exporter = start_quick_exporter(run, directory / "config.yaml", text, FACTOR)
        start_prometheus(
            run,
            prometheus,
            directory,
            exporter,
            f"--query.lookback-delta={scaled('5m', FACTOR)}",
            f"--rules.alert.resend-delay={scaled('1m', FACTOR)}",
            "--rules.alert.for-grace-period=0s",
            interval=scaled("30s", FACTOR),
            rules=[write_scaled_rules(file, directory, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)],
            alertmanager=managers[0].address,
        )
        everything = Ways(simulator, one, other)
        everything.wait_for("firing", "Watchdog")
        yield everything


def _told(receiver: Receiver) -> Told:
    """Return, for each alert and who was told of it, the states in order. A reminder is not another state."""
    found: Told = {}
    for one in receiver.notifications:
        if one.alert in NAMES:
            found.setdefault((one.receiver, one.labels), []).append(one.status)
    return {alert: [status for status, _ in groupby(statuses)] for alert, statuses in found.items()}


def test_both_ways_tell_the_same(ways: Ways) -> None:
    """Credit, a node, the API: the same alerts, receivers and states in the same order."""
    ways.simulator.world(tenants={"ACME": {"balance": 5}}, nodes={"pbx2": False})
    ways.wait_for("firing", "NodeMissing", node="pbx2")
    ways.wait_for("firing", "BalanceLow", tenant="ACME", severity="critical")
    ways.simulator.world(tenants={"ACME": {"balance": 500}}, nodes={"pbx2": True})
    ways.wait_for("resolved", "NodeMissing", node="pbx2")
    ways.wait_for("resolved", "BalanceLow", tenant="ACME", severity="critical")

    ways.simulator.fault(kind="hang")
    ways.wait_for("firing", "ApiDown")
    ways.simulator.no_faults()
    ways.wait_for("resolved", "ApiDown")

    told = _told(ways.prometheus)
    assert _told(ways.exporter) == told
    assert {statuses[0] for statuses in told.values()} == {"firing"}
    names = {dict(labels)["alertname"].removeprefix("Softswitch") for _, labels in told}
    assert names >= {"Watchdog", "NodeMissing", "BalanceLow", "ApiDown"}
