"""Which alert inhibits which, in a real Alertmanager with the example configuration."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.alertmanager import EXAMPLE, example, start_alertmanager
from tests.e2e.programs import running_programs, wait_until

Labels = dict[str, str]
Key = frozenset[tuple[str, str]]

SCOPES = {
    "MonitoringLost": "monitoring",
    "ExporterDown": "monitoring",
    "RequestsFailing": "monitoring",
    "DataStale": "monitoring",
    "LicenseExpiring": "license",
    "LicenseImminent": "license",
    "TrunkDown": "trunk",
    "NodeMissing": "node",
    "NodePeersLost": "node",
    "NodeChannelsNearLimit": "node",
    "BalanceLow": "tenant",
    "TenantRegistrationsLost": "tenant",
    "TenantRegistrationsLow": "tenant",
    "TenantNoCalls": "tenant",
    "QueueUnattended": "tenant",
    "QueueWaitingLong": "tenant",
    "WatchedExtensionDown": "extension",
}
"""Scopes of the alerts below that are not ``switch``. Names lack the prefix ``Softswitch``."""

MUTES = [
    ("ExporterDown job=a severity=critical", "MonitoringLost job=a severity=critical"),
    ("MonitoringLost", "NodeMissing node=pbx1"),
    ("MonitoringLost", "BalanceLow tenant=ACME"),
    ("MonitoringLost", "LicenseExpiring"),
    ("MonitoringLost", "DataStale query=calls"),
    ("MonitoringLost", "TrunkDown trunk=carrier"),
    ("ApiDown", "TrunkDown trunk=carrier"),
    ("ApiDown", "TrunkDown scope=tenant tenant=ACME trunk=carrier"),
    ("ApiDown", "NodeMissing node=pbx1"),
    ("ApiDown", "BalanceLow tenant=ACME"),
    ("ApiDown", "WatchedExtensionDown tenant=ACME extension=100"),
    ("ApiDown", "DataStale query=calls"),
    ("ApiDown", "RequestsFailing query=calls reason=timeout"),
    ("ApiDown", "RegistrationsDropped"),
    ("ApiDown", "NoCalls"),
    ("KeyRefused", "ApiDown"),
    ("KeyRefused", "RequestsFailing query=peers reason=auth"),
    ("KeyRefused", "DataStale query=peers"),
    ("KeyRefused", "BalanceLow tenant=ACME"),
    ("KeyRefused", "KeyRefused tenant=ACME scope=tenant"),
    ("RegistrationsDropped", "TenantRegistrationsLost tenant=ACME"),
    ("RegistrationsDropped", "TenantRegistrationsLow tenant=ACME"),
    ("RegistrationsDropped", "WatchedExtensionDown tenant=ACME extension=100"),
    ("RegistrationsDropped", "NodePeersLost node=pbx1"),
    ("TenantRegistrationsLost tenant=ACME", "TenantRegistrationsLow tenant=ACME"),
    ("TenantRegistrationsLost tenant=ACME", "WatchedExtensionDown tenant=ACME extension=100"),
    ("TenantRegistrationsLow tenant=ACME", "WatchedExtensionDown tenant=ACME extension=100"),
    ("NodeMissing node=pbx1", "NodePeersLost node=pbx1"),
    ("NodeMissing node=pbx1", "NodeChannelsNearLimit node=pbx1"),
    ("NoCalls", "TenantNoCalls tenant=ACME"),
    ("QueueUnattended tenant=ACME queue=Sales", "QueueWaitingLong tenant=ACME queue=Sales severity=critical"),
    ("ApiDown", "QueueUnattended tenant=ACME queue=Sales"),
    ("LicenseImminent", "LicenseExpiring"),
    ("LicenseExpiring severity=critical", "LicenseExpiring severity=warning"),
    ("BalanceLow tenant=ACME severity=critical", "BalanceLow tenant=ACME severity=warning"),
]
"""While the first alert fires, the second one is not sent. Both have the same switch unless stated."""

UNRELATED = [
    ("ExporterDown job=a severity=warning", "MonitoringLost job=a severity=critical"),
    ("ExporterDown job=a severity=critical", "MonitoringLost job=b severity=critical"),
    ("ExporterDown job=a severity=critical", "ExporterDown job=b severity=warning"),
    ("MonitoringLost", "NodeMissing switch=another"),
    ("ApiDown", "LicenseImminent"),
    ("ApiDown", "TrunkDown trunk=carrier switch=another"),
    ("TrunkDown trunk=a severity=critical", "TrunkDown trunk=b severity=warning"),
    ("ApiDown", "BalanceLow tenant=ACME switch=another"),
    ("KeyRefused", "ApiDown switch=another"),
    ("KeyRefused tenant=ACME scope=tenant", "ApiDown"),
    ("KeyRefused tenant=ACME scope=tenant", "RequestsFailing query=peers reason=timeout"),
    ("KeyRefused tenant=ACME scope=tenant", "BalanceLow tenant=BOREAL"),
    ("RegistrationsDropped", "NodeMissing node=pbx1"),
    ("RegistrationsDropped", "BalanceLow tenant=ACME"),
    ("TenantRegistrationsLost tenant=ACME", "WatchedExtensionDown tenant=BOREAL extension=100"),
    ("TenantRegistrationsLost tenant=ACME", "TenantRegistrationsLow tenant=BOREAL"),
    ("NodeMissing node=pbx1", "NodePeersLost node=pbx2"),
    ("LicenseExpiring severity=warning", "LicenseImminent severity=critical"),
    ("BalanceLow tenant=ACME severity=critical", "BalanceLow tenant=BOREAL severity=warning"),
    ("BalanceLow tenant=ACME severity=critical", "TenantRegistrationsLow tenant=ACME severity=warning"),
    ("QueueUnattended tenant=ACME queue=Sales", "QueueWaitingLong tenant=ACME queue=Support"),
    ("QueueWaitingLong tenant=A queue=Sales severity=critical", "QueueWaitingLong tenant=A queue=Support"),
]
"""The first alert does not inhibit the second one."""


def labels(alert: str, case: str) -> Labels:
    """Return the labels of an alert in a table. Each case has its own switch and job."""
    name, *pairs = alert.split()
    given: Labels = {"switch": "pbx", **dict(pair.split("=") for pair in pairs)}
    apart: Labels = {label: f"{given[label]} {case}" for label in ("switch", "job") if label in given}
    scope = SCOPES.get(name, "switch")
    return {"alertname": f"Softswitch{name}", "severity": "warning", "scope": scope, **given, **apart}


def key(labels: Labels) -> Key:
    """Return labels as a key."""
    return frozenset(labels.items())


@pytest.fixture(scope="module")
def inhibited(
    tmp_path_factory: pytest.TempPathFactory, require_each: Callable[[str, str], str]
) -> Iterator[dict[Key, bool]]:
    """Return whether Alertmanager inhibits each alert of each case. Its receivers do not exist."""
    executable = require_each("prometheus-alertmanager", "prometheus-alertmanager")
    directory: Path = tmp_path_factory.mktemp("alertmanager")
    with running_programs(directory) as run:
        alertmanager = start_alertmanager(run, executable, directory, example(1, "http://127.0.0.1:9/"))

        def states() -> dict[Key, bool]:
            alerts = alertmanager.alerts()
            return {key(alert["labels"]): bool(alert["status"]["inhibitedBy"]) for alert in alerts}

        pairs = [*MUTES, *UNRELATED]
        alertmanager.post([{"labels": labels(alert, str(pair))} for pair in pairs for alert in pair])
        # It applies inhibitions after it has responded, in order: once the last one applies, all do.
        source, target = labels("ApiDown", "last"), labels("BalanceLow", "last")
        alertmanager.post([{"labels": target}, {"labels": source}])
        wait_until(lambda: states()[key(target)], 60, "the last alert to be inhibited")
        yield states()


@pytest.mark.parametrize("pair", MUTES, ids=" mutes ".join)
def test_a_cause_inhibits_its_consequences(pair: tuple[str, str], inhibited: dict[Key, bool]) -> None:
    """Of two firing alerts the first one is sent, the second one is not."""
    assert [inhibited[key(labels(alert, str(pair)))] for alert in pair] == [False, True]


@pytest.mark.parametrize("pair", UNRELATED, ids=" and ".join)
def test_unrelated_alerts_are_sent(pair: tuple[str, str], inhibited: dict[Key, bool]) -> None:
    """The second of two firing alerts is sent."""
    assert not inhibited[key(labels(pair[1], str(pair)))]


def test_every_inhibition_is_tested() -> None:
    """For each rule of the example there is a case that only this rule inhibits."""
    rules = yaml.safe_load(EXAMPLE.read_text())["inhibit_rules"]
    applying = [[number for number, rule in enumerate(rules) if _applies(rule, pair)] for pair in MUTES]
    alone = {numbers[0] for numbers in applying if len(numbers) == 1}
    assert [rule for number, rule in enumerate(rules) if number not in alone] == []


def _applies(rule: dict[str, Any], pair: tuple[str, str]) -> bool:
    sides = zip((rule["source_matchers"], rule["target_matchers"]), pair, strict=True)
    return all(_matches(text, labels(alert, "")) for matchers, alert in sides for text in matchers)


def _matches(matcher: str, labels: Labels) -> bool:
    label, _, values = matcher.split(" ", 2)
    return labels.get(label) in values.strip('"').split("|")
