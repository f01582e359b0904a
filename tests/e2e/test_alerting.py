"""From a switch to the webhook of a receiver: real exporter, Prometheus and Alertmanager.

The durations of the shipped rules and of the Alertmanager example are divided by 120; thresholds are
unchanged.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.accelerated_rules import (
    FACTOR,
    PATIENCE,
    PHONES,
    accelerated_switch,
    start_accelerated_prometheus,
)
from tests.e2e.alertmanager import Alertmanager, example, start_alertmanager
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import (
    Exporter,
    Simulator,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import Prometheus
from tests.e2e.receiver import Notification, Receiver, receiving

CODES = ("ACME", "BOREAL", "CINDER")
TENANTS = [{"code": code, "extensions": PHONES, "labels": {"team": "voice"}} for code in CODES]
Labels = dict[str, str]


@dataclass(frozen=True)
class Site:
    """Four switches, and everything between them and the receivers."""

    north: Simulator
    south: Simulator
    east: Simulator
    west: Simulator
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver

    def wait_for(self, status: str, receiver: str, **labels: str) -> None:
        """Wait until this receiver was notified of an alert with exactly these labels."""
        alert = {**labels, "alertname": f"Softswitch{labels['alertname']}"}
        expected = Notification(receiver, status, frozenset(alert.items()))
        wait_until(
            lambda: expected in self.receiver.notifications,
            PATIENCE,
            f"{receiver} to receive {status} {labels}; received: {self.receiver.notifications}",
        )

    def notified(self, switch: str) -> set[str]:
        """Return the names of all alerts of a switch that any receiver was notified of."""
        return {one.alert for one in self.receiver.notifications if ("switch", switch) in one.labels}

    def active(self, **labels: str) -> dict[str, bool]:
        """Return the names of the active alerts in Alertmanager, and whether each is inhibited."""
        return {
            alert["labels"]["alertname"].removeprefix("Softswitch"): bool(alert["status"]["inhibitedBy"])
            for alert in self.alertmanager.alerts()
            if labels.items() <= alert["labels"].items()
        }


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Site]:
    """Start everything, and wait until the rules have enough history of the switches."""
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("site")
    with receiving() as receiver, running_programs(directory) as run:
        north, south, east, west = simulators = [
            start_simulator(run, "--tenants=3", "--extensions=20") for _ in range(4)
        ]
        for simulator in simulators:
            simulator.change_world(freeze=True, tenants={code: {"balance": 500} for code in CODES})
        # Phones are polled on two switches only: a missing node of the north would drop them too.
        phones = {"registrations": {"tenant_interval": "1s", "source": "extensions"}}
        switches = (
            accelerated_switch("north", north.url, tenants=TENANTS),
            accelerated_switch("south", south.url, tenants=TENANTS, queries=phones),
            accelerated_switch("east", east.url, tenants=TENANTS),
            accelerated_switch("west", west.url, tenants=TENANTS, queries=phones),
        )
        exporter = start_exporter(run, directory / "config.yaml", configuration(*switches))
        manager = start_alertmanager(run, alertmanager, directory, example(FACTOR, receiver.base_url))
        server = start_accelerated_prometheus(run, prometheus, directory, exporter, manager.address)
        everything = Site(north, south, east, west, exporter, server, manager, receiver)
        wait_until(lambda: "Watchdog" in everything.active(), 20, "the watchdog to fire")
        # Registrations are evaluated once their switch has responded for 20 minutes, 10 s here.
        ratio = "switch:softswitch_tenant_registered:ratio"
        wait_until(lambda: len(server.series(ratio)) == 2, 40, "the registered ratios")
        yield everything


def test_only_the_watchdog_fires_without_faults(site: Site) -> None:
    """The dead man's switch receives it."""
    site.wait_for("firing", "dead-mans-switch", alertname="Watchdog", severity="none", scope="monitoring")
    assert site.active() == {"Watchdog": False}
    assert {one.alert for one in site.receiver.notifications} == {"Watchdog"}


Results = dict[Callable[[Site], None], Future[None]]


@pytest.fixture(scope="module")
def results(site: Site) -> Iterator[Results]:
    """Run both scenarios at the same time, each with two switches: they wait."""
    with ThreadPoolExecutor() as pool:
        yield {scenario: pool.submit(scenario, site) for scenario in (_alert_and_resolve, _be_unreachable)}


def test_alerts_reach_their_receivers_and_resolve(results: Results) -> None:
    """License, balance, a missing node and many unregistered phones.

    For the phones only the switch alerts: the alerts of its tenants are inhibited until they have resolved.
    """
    results[_alert_and_resolve].result()


def _alert_and_resolve(site: Site) -> None:
    switch: Labels = {"severity": "critical", "switch": "north"}
    expected: list[tuple[str, Labels]] = [
        ("license-tickets", {"alertname": "LicenseExpiring", "scope": "license", **switch}),
        (
            "voice-on-call",
            {"alertname": "BalanceLow", "scope": "tenant", "tenant": "ACME", "team": "voice", **switch},
        ),
        ("on-call", {"alertname": "NodeMissing", "scope": "node", "node": "pbx2", **switch}),
        ("on-call", {"alertname": "RegistrationsDropped", "scope": "switch", **switch, "switch": "south"}),
    ]
    site.north.change_world(license_days=3, tenants={"ACME": {"balance": 5}}, nodes={"pbx2": False})
    site.south.change_world(dropped=0.6)
    for receiver, labels in expected:
        site.wait_for("firing", receiver, **labels)
    muted = "TenantRegistrationsLow"
    wait_until(lambda: site.active(switch="south").get(muted), PATIENCE, f"{muted} to be inhibited")

    site.north.change_world(license_days=None, tenants={"ACME": {"balance": 500}}, nodes={"pbx2": True})
    site.south.change_world(dropped=0)
    for receiver, labels in expected:
        site.wait_for("resolved", receiver, **labels)
    wait_until(lambda: not site.active(switch="south"), PATIENCE, "the alerts on phones to end")
    assert site.notified("south") == {"RegistrationsDropped"}


def test_only_the_cause_is_notified_while_a_switch_is_unreachable(results: Results) -> None:
    """One API is down, the other refuses the key: no alert on their tenants is sent.

    One such alert fires and resolves while the API is down.
    """
    results[_be_unreachable].result()


def _be_unreachable(site: Site) -> None:
    site.east.change_world(tenants={"BOREAL": {"balance": 1}})
    low = "softswitch_tenant_balance"
    wait_until(
        lambda: site.exporter.value(low, switch="east", tenant="BOREAL") == 1,
        PATIENCE,
        "the balance to be polled",
    )
    site.east.inject_fault(kind="hang")
    site.west.inject_fault(kind="refuse_key")
    down = {"alertname": "ApiDown", "severity": "critical", "scope": "switch", "switch": "east"}
    refused = {**down, "alertname": "KeyRefused", "switch": "west"}
    for labels in (down, refused):
        site.wait_for("firing", "on-call", **labels)
    wait_until(lambda: site.active(switch="east").get("BalanceLow"), PATIENCE, "BalanceLow to be inhibited")

    site.east.change_world(tenants={"BOREAL": {"balance": 500}})
    for simulator in (site.east, site.west):
        simulator.clear_faults()
    for labels in (down, refused):
        site.wait_for("resolved", "on-call", **labels)
    for switch, cause in (("east", "ApiDown"), ("west", "KeyRefused")):
        wait_until(lambda: not site.active(switch=switch), PATIENCE, f"{cause} to end")  # noqa: B023 -- called at once
        assert site.notified(switch) == {cause}
