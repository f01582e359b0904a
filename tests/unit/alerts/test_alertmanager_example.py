"""The example for Alertmanager: amtool accepts it, and every alert reaches the right receiver."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rule_files import ALERT_NAMES, ALERTS

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "alerts/alertmanager.example.yaml"

ROUTES = [
    ("dead-mans-switch", "alertname=SoftswitchWatchdog severity=none scope=monitoring"),
    ("on-call", "alertname=SoftswitchMonitoringLost severity=critical scope=monitoring switch=pbx"),
    ("on-call", "alertname=SoftswitchApiDown severity=critical scope=switch switch=pbx"),
    ("on-call", "alertname=SoftswitchKeyRefused severity=critical scope=switch switch=pbx"),
    ("on-call", "alertname=SoftswitchLicenseImminent severity=critical scope=license switch=pbx"),
    ("license-tickets", "alertname=SoftswitchLicenseExpiring severity=warning scope=license switch=pbx"),
    ("license-tickets", "alertname=SoftswitchLicenseExpiring severity=critical scope=license switch=pbx"),
    ("tickets", "alertname=SoftswitchBalanceLow severity=warning scope=tenant tenant=ACME"),
    ("on-call", "alertname=SoftswitchBalanceLow severity=critical scope=tenant tenant=ACME"),
    ("tickets", "alertname=SoftswitchBalanceLow severity=warning scope=tenant tenant=ACME team=noc"),
    ("voice-tickets", "alertname=SoftswitchBalanceLow severity=warning scope=tenant tenant=ACME team=voice"),
    ("voice-on-call", "alertname=SoftswitchBalanceLow severity=critical scope=tenant tenant=ACME team=voice"),
    ("voice-tickets", "alertname=SoftswitchWatchedExtensionDown severity=warning scope=extension team=voice"),
    ("on-call", "alertname=SoftswitchTrunkDown severity=critical scope=trunk trunk=carrier"),
    ("voice-on-call", "alertname=SoftswitchTrunkDown severity=critical scope=tenant trunk=a team=voice"),
    ("tickets", "alertname=SoftswitchQueueWaitingLong severity=warning scope=tenant queue=Sales"),
    ("voice-on-call", "alertname=SoftswitchQueueUnattended severity=critical scope=tenant team=voice"),
    ("on-call", "alertname=SoftswitchNodeMissing severity=critical scope=node node=pbx1"),
    ("tickets", "alertname=SoftswitchNodePeersLost severity=warning scope=node node=pbx1"),
    ("tickets", "alertname=SoftswitchDataStale severity=warning scope=monitoring query=balance"),
    ("tickets", "alertname=SoftswitchRuleFailures severity=warning scope=monitoring"),
    ("on-call", "alertname=SoftswitchRuleFailures severity=critical scope=monitoring"),
    ("nobody", "alertname=SoftswitchDetailDropped severity=info scope=monitoring team=voice"),
    # An unknown alert still reaches a receiver.
    ("tickets", "alertname=SomethingElse"),
]


def configuration() -> dict[str, Any]:
    """Return the example."""
    loaded: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return loaded


def matchers(text: str) -> Iterator[tuple[str, str]]:
    """Yield label and value of a matcher, once per value."""
    found = re.fullmatch(r'(\w+) =~? "([^"]*)"', text)
    assert found, f"unexpected matcher: {text}"
    for value in found[2].split("|"):
        yield found[1], value


def every_matcher() -> list[tuple[str, str]]:
    """Return label and value of every matcher in the example."""

    def within(route: dict[str, Any]) -> Iterator[str]:
        yield from route.get("matchers", [])
        for further in route.get("routes", []):
            yield from within(further)

    texts = list(within(configuration()["route"]))
    for rule in configuration()["inhibit_rules"]:
        texts += rule["source_matchers"] + rule["target_matchers"]
    return [pair for text in texts for pair in matchers(text)]


def test_amtool_accepts_the_example(require_program: Callable[[str, str], str]) -> None:
    """The file is a valid configuration."""
    amtool = require_program("amtool", "prometheus-alertmanager")
    checked = subprocess.run([amtool, "check-config", EXAMPLE], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("receiver", "labels"), ROUTES)
def test_each_alert_reaches_its_receiver(
    receiver: str, labels: str, require_program: Callable[[str, str], str]
) -> None:
    """An alert with these labels is sent to this receiver only."""
    amtool = require_program("amtool", "prometheus-alertmanager")
    command = [amtool, "config", "routes", "test", f"--config.file={EXAMPLE}"]
    routed = subprocess.run([*command, *labels.split()], capture_output=True, text=True, check=False)
    assert (routed.returncode, routed.stdout.split()) == (0, [receiver]), routed.stderr


def test_every_receiver_is_tested() -> None:
    """``ROUTES`` contains every receiver."""
    defined = {receiver["name"] for receiver in configuration()["receivers"]}
    assert {receiver for receiver, _ in ROUTES} == defined


def test_it_uses_existing_alerts_and_scopes() -> None:
    """Every alert and scope in a route or inhibition exists in the rules."""
    scopes = {rule["labels"]["scope"] for rule in ALERTS}
    named = every_matcher()
    assert {value for label, value in named if label == "alertname"} <= set(ALERT_NAMES)
    assert {value for label, value in named if label == "scope"} <= scopes


def test_license_tickets_wait_for_the_office() -> None:
    """Only the route of license tickets is limited to office hours."""

    def timed(route: dict[str, Any]) -> Iterator[str]:
        if "active_time_intervals" in route or "mute_time_intervals" in route:
            yield route["receiver"]
        for further in route.get("routes", []):
            yield from timed(further)

    assert list(timed(configuration()["route"])) == ["license-tickets"]


def test_the_watchdog_is_repeated_and_never_resolved() -> None:
    """It is sent more often than every 10 minutes, after which its receiver pages; its end is not sent."""
    [route] = [r for r in configuration()["route"]["routes"] if r["receiver"] == "dead-mans-switch"]
    assert (route["group_interval"], route["repeat_interval"]) == ("1m", "2m")
    [receiver] = [r for r in configuration()["receivers"] if r["name"] == "dead-mans-switch"]
    assert [hook["send_resolved"] for hook in receiver["webhook_configs"]] == [False]
