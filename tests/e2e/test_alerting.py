"""From a switch to the webhook of who is told: real exporter, Prometheus and Alertmanager, 120 times quicker.

All durations of the shipped rules and of the Alertmanager example are divided; what they compare is not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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
from tests.e2e.quick_rules import FACTOR, PATIENCE, PHONES, quick_switch, start_quick_prometheus
from tests.e2e.receiver import Notification, Receiver, receiving

CODES = ("ACME", "BOREAL", "CINDER")
TENANTS = [{"code": code, "extensions": PHONES, "labels": {"team": "voice"}} for code in CODES]
Labels = dict[str, str]


@dataclass(frozen=True)
class Site:
    """Two switches, and everything between them and whoever is told."""

    north: Simulator
    south: Simulator
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver

    def wait_for(self, status: str, receiver: str, **labels: str) -> None:
        """Wait until this receiver was told of an alert with exactly these labels."""
        alert = {**labels, "alertname": f"Softswitch{labels['alertname']}"}
        wanted = Notification(receiver, status, frozenset(alert.items()))
        wait_until(
            lambda: wanted in self.receiver.notifications,
            PATIENCE,
            f"{status} {labels} to be told {receiver}; told: {self.receiver.notifications}",
        )

    def told_of(self, switch: str) -> set[str]:
        """Return the names of the alerts on a switch that anybody was ever told of."""
        return {one.alert for one in self.receiver.notifications if ("switch", switch) in one.labels}

    def held(self, **labels: str) -> dict[str, bool]:
        """Return the names of the alerts that Alertmanager holds, and whether each is muted."""
        return {
            alert["labels"]["alertname"].removeprefix("Softswitch"): bool(alert["status"]["inhibitedBy"])
            for alert in self.alertmanager.alerts()
            if labels.items() <= alert["labels"].items()
        }


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Site]:
    """Start everything, and wait until the rules have seen enough of both switches to judge them."""
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("site")
    with receiving() as receiver, running_programs(directory) as run:
        north, south = (start_simulator(run, "--tenants=3", "--extensions=20") for _ in range(2))
        for simulator in (north, south):
            simulator.change_world(freeze=True, tenants={code: {"balance": 500} for code in CODES})
        registrations = {"tenant_interval": "1s", "source": "extensions"}
        switches = (
            # A node takes its phones along: what becomes of them is watched on the other switch.
            quick_switch("north", north.url, tenants=TENANTS),
            quick_switch("south", south.url, tenants=TENANTS, queries={"registrations": registrations}),
        )
        exporter = start_exporter(run, directory / "config.yaml", configuration(*switches))
        manager = start_alertmanager(run, alertmanager, directory, example(FACTOR, receiver.base_url))
        server = start_quick_prometheus(run, prometheus, directory, exporter, manager.address)
        everything = Site(north, south, exporter, server, manager, receiver)
        wait_until(lambda: "Watchdog" in everything.held(), 20, "the watchdog")
        # Phones are judged once their switch has answered for 20 minutes: 10 s here.
        wait_until(lambda: server.series("switch:softswitch_tenant_registered:ratio"), 40, "a judgement")
        yield everything


def test_nothing_is_told_while_all_is_well(site: Site) -> None:
    """Only the watchdog fires, and it reaches the dead man's switch."""
    site.wait_for("firing", "dead-mans-switch", alertname="Watchdog", severity="none", scope="monitoring")
    assert site.held() == {"Watchdog": False}
    assert {one.alert for one in site.receiver.notifications} == {"Watchdog"}


def test_troubles_arrive_and_end(site: Site) -> None:
    """License, credit, a node and a mass of phones: each is told to its receiver, and so is its end.

    Of the phones only the switch is told: the alerts on its tenants are muted until they have ended.
    """
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
    wait_until(lambda: site.held(switch="south").get(muted), PATIENCE, f"{muted} to be muted")

    site.north.change_world(license_days=None, tenants={"ACME": {"balance": 500}}, nodes={"pbx2": True})
    site.south.change_world(dropped=0)
    for receiver, labels in expected:
        site.wait_for("resolved", receiver, **labels)
    wait_until(lambda: not site.held(switch="south"), PATIENCE, "nothing to be left of the phones")
    assert site.told_of("south") == {"RegistrationsDropped"}


def test_only_the_cause_is_told_while_nothing_can_be_known(site: Site) -> None:
    """The API of one switch is down, the other refuses the key: no alert on their tenants is sent.

    One of them fires meanwhile and is over before the API is back.
    """
    north = site.told_of("north")
    site.north.change_world(tenants={"BOREAL": {"balance": 1}})
    low = "softswitch_tenant_balance"
    wait_until(
        lambda: site.exporter.value(low, switch="north", tenant="BOREAL") == 1,
        PATIENCE,
        "the credit to be seen",
    )
    site.north.inject_fault(kind="hang")
    site.south.inject_fault(kind="refuse_key")
    down = {"alertname": "ApiDown", "severity": "critical", "scope": "switch", "switch": "north"}
    refused = {**down, "alertname": "KeyRefused", "switch": "south"}
    for labels in (down, refused):
        site.wait_for("firing", "on-call", **labels)
    wait_until(lambda: site.held(switch="north").get("BalanceLow"), PATIENCE, "BalanceLow to be muted")

    site.north.change_world(tenants={"BOREAL": {"balance": 500}})
    for simulator in (site.north, site.south):
        simulator.clear_faults()
    for labels in (down, refused):
        site.wait_for("resolved", "on-call", **labels)
    wait_until(lambda: site.held() == {"Watchdog": False}, PATIENCE, "nothing to be left")
    assert site.told_of("north") == north | {"ApiDown"}
    assert site.told_of("south") == {"RegistrationsDropped", "KeyRefused"}
