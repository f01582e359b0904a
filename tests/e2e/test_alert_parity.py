"""Prometheus with the shipped rules and the exporter alone send the same alerts.

All durations are scaled, and each way has its own Alertmanager with the shipped example. Every alert of the
exporter fires and resolves, most at the same time, and both webhooks get the same notifications.

Excluded are differences by design (docs/alerting.md):

- SoftswitchRegistrationsDropped, which mutes alerts about tenants' phones, exists only in Prometheus: so few
  phones are lost that it does not fire. Other alerts that exist only in Prometheus are ignored, apart from
  SoftswitchOutboundCallsUnusual: here it goes all the way, from the call history of a switch to the pager.
- SoftswitchWatchedExtensionDown is evaluated every two minutes by the rules and every minute by the exporter:
  times are not compared, only notifications, receivers and order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from exporter.alerting.rules import RULES
from tests.e2e.accelerated_exporter import start_accelerated_exporter
from tests.e2e.accelerated_rules import (
    FACTOR,
    PATIENCE,
    PHONES,
    accelerated_switch,
    start_accelerated_prometheus,
)
from tests.e2e.alertmanager import example, start_alertmanager
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Exporter, Simulator, running_programs, samples, start_simulator, wait_until
from tests.e2e.prometheus import Prometheus
from tests.e2e.receiver import Receiver, receiving

pytestmark = pytest.mark.timeout(300)

Alert = tuple[str, frozenset[tuple[str, str]]]
"""Receiver and labels."""

NAMES = {rule.name for rule in RULES}
CODES = ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER", "FJORD", "GLADE", "HAVEN")
NODE, NEAR_NODE, FULL_NODE = "pbx12", "pbx5", "pbx8"
"""The first one, which vanishes, has no phones; the others have most calls of EIDER and HAVEN."""

TRUNKS = ("northwind", "acme-trunk")
"""One of the installation, one of ACME."""

EXPECTED = """
dead-mans-switch Watchdog none monitoring
tickets ConfigurationInvalid warning monitoring
tickets DataStale warning monitoring switch=north query=balance
on-call ApiDown critical switch switch=south
on-call KeyRefused critical switch switch=west
voice-tickets KeyRefused warning tenant team=voice switch=north tenant=GLADE
license-tickets LicenseExpiring critical license switch=north
on-call LicenseImminent critical license switch=south
on-call TrunkDown critical trunk switch=north trunk=northwind
voice-on-call TrunkDown critical tenant team=voice switch=north tenant=ACME trunk=acme-trunk
on-call NodeMissing critical node switch=north node=pbx12
tickets NodeChannelsNearLimit warning node switch=north node=pbx5
on-call NodeChannelsNearLimit critical node switch=north node=pbx8
voice-on-call BalanceLow critical tenant team=voice switch=north tenant=ACME
voice-tickets BalanceLow warning tenant team=voice switch=north tenant=BOREAL
voice-on-call TenantRegistrationsLost critical tenant team=voice switch=north tenant=CINDER
voice-on-call TenantRegistrationsLow critical tenant team=voice switch=north tenant=DELTA9
voice-tickets QueueWaitingLong warning tenant team=voice switch=north tenant=ACME queue=Reception
voice-on-call QueueWaitingLong critical tenant team=voice switch=north tenant=BOREAL queue=Reception
voice-on-call QueueUnattended critical tenant team=voice switch=north tenant=EIDER queue=Reception
voice-tickets TenantChannelsNearLimit warning tenant team=voice switch=north tenant=EIDER
voice-tickets WatchedExtensionDown warning extension team=voice switch=north tenant=FJORD extension=100
""".strip().splitlines()  # fmt: skip
"""Alerts that fire and then resolve, except the first one, which always fires.

Receiver, alert, severity, scope, other labels.
"""

_QUEUES = {"ACME": "1000", "BOREAL": "2000", "EIDER": "5000"}
"""The ids of the queues named Reception."""

_HEALTHY: dict[str, dict[str, Any]] = {code: {"balance": 500, "calls": 1, "dropped": 0} for code in CODES}
for _code, _queue in _QUEUES.items():
    _HEALTHY[_code]["queues"] = {_queue: {"waiting": 0, "online": 2}}
_CALLS = {"EIDER": {"calls": 400}, "HAVEN": {"calls": 400}}
_FIRING: dict[str, dict[str, Any]] = {
    **_CALLS,
    "ACME": {"balance": 5, "queues": {"1000": {"waiting": 2, "longest_wait": 200, "online": 2}}},
    "BOREAL": {"balance": 30, "queues": {"2000": {"waiting": 2, "longest_wait": 400, "online": 2}}},
    "EIDER": {**_CALLS["EIDER"], "queues": {"5000": {"waiting": 3, "longest_wait": 30, "online": 0}}},
    "CINDER": {"dropped": 1},
    "DELTA9": {"dropped": 0.6},
    "FJORD": {"dropped": 1},
}
_INVALID = "\n]"
_KEYS = {"west": "demo-admin", "GLADE": "demo-tenant-GLADE"}


OUTBOUND = "voice-on-call OutboundCallsUnusual critical tenant team=voice switch=east tenant=ACME"
"""60 outbound calls outside business hours. There is no week of history, so 50 are the limit."""

_BURST = {"number": 60, "seconds": 3}
_BACKGROUND = {"number": 1200, "seconds": 600, "direction": "LOCAL"}
"""In each window, so that an empty one means that there were no calls."""

_OF_THE_SCRAPE = {"job", "instance"}
"""Labels that only Prometheus adds: the exporter does not know them."""


@dataclass(frozen=True)
class Switches:
    """Four switches. ``directory`` has the configuration, and the key files of a switch and of a tenant."""

    north: Simulator
    south: Simulator
    west: Simulator
    east: Simulator
    directory: Path

    def resolve(self) -> None:
        """Make all alerts resolve."""
        self.north.change_world(
            tenants=_HEALTHY, license_days=None, nodes={NODE: True}, trunks=dict.fromkeys(TRUNKS, True)
        )
        self.south.change_world(license_days=None)
        self.south.clear_faults()
        for name, key in _KEYS.items():
            (self.directory / name).write_text(key)
        self._change_configuration(_INVALID, "")

    def fire(self) -> None:
        """Make all alerts fire."""
        self.north.change_world(
            tenants=_FIRING, license_days=3, nodes={NODE: False}, trunks=dict.fromkeys(TRUNKS, False)
        )
        self.south.inject_fault(kind="hang")
        self.east.change_world(
            tenants={
                "ACME": {"add_calls": {**_BURST, "direction": "OUT"}},
                "BOREAL": {"add_calls": {**_BURST, "direction": "IN"}},
            }
        )
        for name in _KEYS:
            (self.directory / name).write_text("not-the-key")
        self._change_configuration("", _INVALID)

    def _change_configuration(self, old: str, new: str) -> None:
        """Replace the end of the file, which nobody reloads."""
        file = self.directory / "config.yaml"
        if file.exists():
            file.write_text(file.read_text().removesuffix(old) + new)

    def configuration(self, alertmanager: str) -> str:
        """Return the configuration text."""
        registrations = {"tenant_interval": "1s", "source": "extensions"}
        channels = {"interval": "500ms", "tenant_interval": "1s"}
        limits = self._limits()
        nodes = [NODE, *({"name": name, "channels_limit": limits[name]} for name in (NEAR_NODE, FULL_NODE))]
        off = {query: {"tenant_interval": "off"} for query in ("channels", "registrations")}
        ratios = {"thresholds": {"registered_ratio": {"warning": 0.9, "critical": 0.5}}}
        more: dict[str, dict[str, Any]] = {
            "CINDER": {"extensions": PHONES[:4], **ratios},
            "DELTA9": ratios,
            "EIDER": {"channels_limit": limits["EIDER"], "queues": [_QUEUES["EIDER"]]},
            **{code: {"queues": [_QUEUES[code]]} for code in ("ACME", "BOREAL")},
            "FJORD": {"extensions": [], "watch": PHONES[:1]},
            # It has one query, so only that one becomes stale while its key is refused.
            "GLADE": {"key_file": str(self.directory / "GLADE"), "queries": off},
        }
        north = accelerated_switch(
            "north",
            self.north.url,
            nodes=nodes,
            thresholds={"registered_ratio": "off"},
            tenant_defaults={"labels": {"team": "voice"}, "extensions": PHONES},
            tenants=[{"code": code, **more.get(code, {})} for code in CODES],
            queries={
                "channels": channels,
                "registrations": registrations,
                "queues": {"tenant_interval": "1s"},
                "queue": {"tenant_interval": "500ms"},
                "trunks": {"interval": "500ms"},
            },
        )
        south = accelerated_switch("south", self.south.url)
        west = accelerated_switch("west", self.west.url, key_file=str(self.directory / "west"))
        del west["key"]
        alerting = {"alertmanagers": [{"url": f"http://{alertmanager}"}]}
        return configuration(north, south, west, self._east(), alerting=alerting)

    def _east(self) -> dict[str, Any]:
        """Return the switch with a call history; its tenants are closed today and tomorrow."""
        day = (datetime.now(UTC) + timedelta(days=2)).strftime("%a").lower()
        hours = {"timezone": "UTC", "days": [day], "from": "10:00", "to": "10:01"}
        return accelerated_switch(
            "east",
            self.east.url,
            tenant_defaults={"labels": {"team": "voice"}, "business_hours": hours},
            tenants=[{"code": "ACME"}, {"code": "BOREAL"}],
            queries={"call_records": {"interval": "2s", "timezone": "UTC", "delay": "2s"}},
        )

    def _limits(self) -> dict[str, int]:
        """Return limits that the channels of ``fire`` approach by the expected shares.

        The full node is a little above the critical share (95 %), so that its average of six samples falls
        below both shares at once. Otherwise the ticket, muted until then, might be notified.
        """
        self.north.change_world(tenants=_CALLS)
        truth = self.north.truth()
        self.north.change_world(tenants=_HEALTHY)
        used = {name: node["channels"] for name, node in truth["switch"]["nodes"].items()}
        assert truth["switch"]["nodes"][NODE]["peers"] == 0
        return {
            NEAR_NODE: round(used[NEAR_NODE] / 0.875),
            FULL_NODE: round(used[FULL_NODE] / 0.955),
            "EIDER": truth["tenants"]["EIDER"]["channels"],
        }


@dataclass(frozen=True)
class Setup:
    """The switches, and the notifications of both ways."""

    switches: Switches
    prometheus: Receiver
    exporter: Receiver

    def wait_for(self, *statuses: str) -> None:
        """Wait until both receivers got these statuses of each alert except the watchdog."""
        alerts = [_alert(line) for line in EXPECTED[1:]]

        def missing(receiver: Receiver) -> list[Alert]:
            notified = _notified(receiver)
            return [alert for alert in alerts if notified.get(alert, [])[: len(statuses)] != list(statuses)]

        for receiver in (self.prometheus, self.exporter):
            notified = partial(missing, receiver)
            wait_until(lambda: not notified(), PATIENCE, lambda: f"{statuses} of {notified()}")  # noqa: B023 -- called at once


def _alert(line: str) -> Alert:
    """Parse a line as in ``EXPECTED``."""
    receiver, name, severity, scope, *others = line.split()
    labels = {"alertname": f"Softswitch{name}", "severity": severity, "scope": scope}
    return receiver, frozenset({**labels, **dict(other.split("=") for other in others)}.items())


def _notified(receiver: Receiver) -> dict[Alert, list[str]]:
    """Return the statuses of each alert of the exporter in order, without repetitions.

    Alertmanager may report that a muted alert resolved, along with another one of its group. That depends on
    timing and is left out.
    """
    found: dict[Alert, list[str]] = {}
    for one in receiver.notifications:
        if f"Softswitch{one.alert}" in NAMES:
            labels = frozenset(label for label in one.labels if label[0] not in _OF_THE_SCRAPE)
            found.setdefault((one.receiver, labels), []).append(one.status)
    notified = {alert: [status for status, _ in groupby(statuses)] for alert, statuses in found.items()}
    return {alert: statuses for alert, statuses in notified.items() if statuses != ["resolved"]}


@pytest.fixture(scope="module")
def setup(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Setup]:
    """Start all programs, and wait until both ways work."""
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("setup")
    with receiving() as one, receiving() as other, running_programs(directory) as run:
        north = start_simulator(run, f"--tenants={len(CODES)}", "--nodes=12", f"--extensions={len(PHONES)}")
        south, west = (start_simulator(run, "--tenants=1") for _ in range(2))
        east = start_simulator(run, "--tenants=2", "--extensions=1", "--option=call_recorded=start")
        for simulator in (north, south, west, east):
            simulator.change_world(freeze=True)
        rich = {"balance": 500}
        east.change_world(tenants={"ACME": rich, "BOREAL": {**rich, "add_calls": _BACKGROUND}})
        switches = Switches(north, south, west, east, directory)
        switches.resolve()
        managers = []
        for name, receiver in (("prometheus", one), ("exporter", other)):
            (directory / name).mkdir()
            text = example(FACTOR, receiver.base_url)
            managers.append(start_alertmanager(run, alertmanager, directory / name, text))
        text = switches.configuration(managers[1].address)
        south.change_world(license_days=1)  # before its API goes down
        exporter = start_accelerated_exporter(run, directory / "config.yaml", text, FACTOR)
        server = start_accelerated_prometheus(run, prometheus, directory, exporter, managers[0].address)
        _wait_until_known(exporter, server)
        yield Setup(switches, one, other)


def _wait_until_known(exporter: Exporter, prometheus: Prometheus) -> None:
    """Wait until both ways know the license of south and the phones of CINDER, and Prometheus the calls."""
    license_left, phones = "softswitch_license_remaining_seconds", "softswitch_tenant_extensions"
    cinder = {"switch": "north", "tenant": "CINDER", "state": "registered"}
    ratio = 'switch_tenant:softswitch_tenant_registered:ratio{tenant="CINDER"} > 0'
    for known in (
        lambda: exporter.value(license_left, switch="south"),
        lambda: exporter.value(phones, **cinder),
        lambda: prometheus.series(f'{license_left}{{switch="south"}}'),
        lambda: prometheus.series(ratio),
        lambda: len(prometheus.series("softswitch_tenant_call_records_total")) >= 30,  # they start at zero
    ):
        wait_until(known, PATIENCE, "the license, the phones and the calls to be known")
    evaluations = _evaluations(exporter)
    wait_until(lambda: _evaluations(exporter) > evaluations + 1, PATIENCE, "another evaluation")


def _evaluations(exporter: Exporter) -> float:
    """Return how many notifications were sent: each evaluation sends the watchdog."""
    sent = samples(exporter.metrics())
    return sum(
        value for (name, _), value in sent.items() if name == "softswitch_alerting_notifications_total"
    )


def test_both_ways_send_the_same_notifications(setup: Setup) -> None:
    """Labels, receivers and statuses are equal and in the same order; muted alerts are not sent.

    Prometheus also notifies of outbound calls, and not of inbound ones.
    """
    setup.switches.fire()
    setup.wait_for("firing")
    setup.switches.resolve()
    setup.wait_for("firing", "resolved")

    expected = {_alert(line): ["firing", "resolved"] for line in EXPECTED}
    expected[_alert(EXPECTED[0])] = ["firing"]  # it always fires
    assert _notified(setup.prometheus) == expected
    assert _notified(setup.exporter) == expected
    assert "RegistrationsDropped" not in {one.alert for one in setup.prometheus.notifications}
    wait_until(lambda: _of_outbound_calls(setup.prometheus), PATIENCE, "the alert on outbound calls")
    assert _of_outbound_calls(setup.prometheus) == {_alert(OUTBOUND)}


def _of_outbound_calls(receiver: Receiver) -> set[Alert]:
    return {
        (one.receiver, one.labels) for one in receiver.notifications if one.alert == "OutboundCallsUnusual"
    }


def test_every_alert_is_compared() -> None:
    """Every alert of the exporter is in ``EXPECTED``."""
    notified = [dict(labels) for _, labels in map(_alert, EXPECTED)]
    assert [
        rule for rule in RULES if not any(rule.labels(()).items() <= labels.items() for labels in notified)
    ] == []
