"""The alerts of the daemon are those of ``alerts/softswitch.alerts.yaml``."""

import re
from typing import Any

import pytest
import yaml

from exporter.alerting import monitoring_rules, queue_rules, rules
from exporter.alerting.engine import Engine, State
from exporter.alerting.inputs import SwitchSnapshot
from exporter.alerting.rule import Figure, Rule
from exporter.alerting.rules import RULES
from exporter.metrics import catalogue
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.poll.backoff import LONGEST_PAUSE
from exporter.store import Families, Store
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

DECLARED = [rule for group in yaml.safe_load(ALERTS_FILE.read_text())["groups"] for rule in group["rules"]]
_SECONDS = {"m": 60, "h": 3600}
_DIFFERENCES = {
    monitoring_rules.WATCHDOG: ("Prometheus, Alertmanager", "the exporter, Alertmanager"),
    monitoring_rules.CONFIGURATION_INVALID: ("The exporter {instance}", "The exporter"),
}
"""Differences between the texts: what is broken when the watchdog stops, and which exporter is meant."""

# A query for a second figure in a description, and the placeholder of a figure.
_QUERY = re.compile(
    r"\{\{ with printf .*? \| query \}\}\{\{ \. \| first \| value( \| [^}]*?)? ?\}\}\{\{ end \}\}"
)
_PLACEHOLDER = re.compile(r"\{\{ \$(labels\.)?(\w+)( \| [^}]*?)? \}\}")
_FORMATS = {
    None: "",
    " | humanizePercentage": ":percentage",
    " | humanizeDuration": ":duration",
    ' | printf "%.2f"': ":.2f",
}


def _key(rule: dict[str, Any]) -> tuple[str, str, str]:
    return rule["alert"], rule["labels"].get("severity", ""), rule["labels"]["scope"]


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * _SECONDS[duration[-1]]


def _description(template: str) -> str:
    text = _QUERY.sub(lambda found: "{threshold" + _FORMATS[found[1]] + "}", template)
    return _PLACEHOLDER.sub(lambda found: "{" + found[2] + _FORMATS[found[3]] + "}", text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name} {rule.severity}")
def test_a_rule_equals_that_of_prometheus(rule: Rule) -> None:
    """Name, labels, durations, summary, description and runbook are equal."""
    (declared,) = [one for one in DECLARED if _key(one) == (rule.name, rule.severity, rule.scope)]
    annotations = declared["annotations"]
    description = _description(annotations["description"].strip())
    if rule in _DIFFERENCES:
        prometheus, daemon = _DIFFERENCES[rule]
        assert prometheus in description
        description = description.replace(prometheus, daemon)

    assert rule.pending_for == _seconds(declared.get("for", "0m"))
    assert rule.keep_firing_for == _seconds(declared.get("keep_firing_for", "0m"))
    assert rule.summary == annotations["summary"]
    assert rule.description == description
    labels = tuple((name, "x") for name in rule.label_names)
    assert rule.annotations(labels, 0, 0)["runbook_url"] == annotations["runbook_url"]


def test_no_severity_of_an_alert_is_missing() -> None:
    """An alert with two rules in the YAML, for two severities, has two here."""
    ours = {rule.name for rule in RULES}

    assert sorted(_key(one) for one in DECLARED if one["alert"] in ours) == sorted(
        (rule.name, rule.severity, rule.scope) for rule in RULES
    )


def test_labels_and_annotations() -> None:
    """The labels of the rule and of the alert, and a description with the figures."""
    found = (("switch", "pbx"), ("tenant", "ACME"), ("severity", "critical"), ("team", "voice"))

    assert rules.BALANCE_LOW.labels(found) == {
        "alertname": "SoftswitchBalanceLow",
        "scope": "tenant",
        **dict(found),
    }
    texts = rules.BALANCE_LOW.annotations(found, -3.456, 20)
    assert texts["description"] == "ACME on pbx has a balance of -3.46, below the threshold of 20.00."


def test_braces_in_a_label_are_text() -> None:
    """They are no placeholders."""
    found = (("switch", "{value}"), ("node", "{0.__class__}"))

    texts = rules.NODE_MISSING.annotations(found, 0, 0)

    assert texts["description"] == "{value} has not listed the node {0.__class__} for 3 minutes."


_STATES = {"registered": 0.0, "unregistered": 4.0, "unknown": 0.0, "not_applicable": 50.0}
_LICENSE = {catalogue.LICENSE_REMAINING_THRESHOLD: {"warning": 30 * 86_400.0}}
_NODE = {catalogue.NODE_CHANNELS_LIMIT: {"pbx1": 20.0}}
_QUEUE: Families = {
    catalogue.QUEUE_CALLS_WAITING: {"Sales": 3.0, "Support": 1.0},
    catalogue.TENANT_QUEUE_WAIT_THRESHOLD: {"warning": 120.0, "critical": 300.0},
}
CASES: dict[Rule, tuple[Families, Families, float]] = {
    # Values without an alert; values with one; and the value of the alert.
    rules.LICENSE_EXPIRING: (
        {**_LICENSE, catalogue.LICENSE_REMAINING: 31 * 86_400.0},
        {**_LICENSE, catalogue.LICENSE_REMAINING: 30 * 86_400.0},
        30 * 86_400,
    ),
    rules.LICENSE_IMMINENT: (
        {**_LICENSE, catalogue.LICENSE_REMAINING: 2 * 86_400.0},
        {**_LICENSE, catalogue.LICENSE_REMAINING: 86_400.0},
        86_400,
    ),
    rules.TRUNK_DOWN: (
        {catalogue.TRUNK_REGISTERED: {"carrier": 1}, catalogue.PEER_REACHABLE: {"carrier": 1}},
        {catalogue.TRUNK_REGISTERED: {"carrier": 1}, catalogue.PEER_REACHABLE: {"carrier": 0}},
        0,
    ),
    rules.TENANT_TRUNK_DOWN: (
        {catalogue.TRUNK_REGISTERED: {"carrier": 1}},
        {catalogue.TRUNK_REGISTERED: {"carrier": 0}},
        0,
    ),
    rules.NODE_MISSING: ({catalogue.NODE_PRESENT: {"pbx1": 1}}, {catalogue.NODE_PRESENT: {"pbx1": 0}}, 0),
    rules.NODE_CHANNELS_NEAR_LIMIT: (
        {**_NODE, catalogue.NODE_CHANNELS: {"pbx1": 16.0}},
        {**_NODE, catalogue.NODE_CHANNELS: {"pbx1": 17.0}},
        0.85,
    ),
    rules.NODE_CHANNELS_AT_LIMIT: (
        {**_NODE, catalogue.NODE_CHANNELS: {"pbx1": 19.0}},
        {**_NODE, catalogue.NODE_CHANNELS: {"pbx1": 20.0}},
        1,
    ),
    rules.BALANCE_LOW: (
        {catalogue.TENANT_BALANCE_THRESHOLD: {"critical": 10.0}, catalogue.TENANT_BALANCE: 10.0},
        {catalogue.TENANT_BALANCE_THRESHOLD: {"critical": 10.0}, catalogue.TENANT_BALANCE: 9.5},
        9.5,
    ),
    rules.TENANT_REGISTRATIONS_LOST: (
        {catalogue.TENANT_EXTENSIONS: {**_STATES, "registered": 1.0}},
        {catalogue.TENANT_EXTENSIONS: _STATES},
        0,
    ),
    rules.TENANT_REGISTRATIONS_LOW: (
        {
            catalogue.TENANT_REGISTERED_RATIO_THRESHOLD: {"warning": 0.5},
            catalogue.TENANT_EXTENSIONS: {**_STATES, "registered": 4.0},
        },
        {
            catalogue.TENANT_REGISTERED_RATIO_THRESHOLD: {"warning": 0.5},
            catalogue.TENANT_EXTENSIONS: {**_STATES, "registered": 1.0},
        },
        0.2,
    ),
    rules.TENANT_CHANNELS_NEAR_LIMIT: (
        {catalogue.TENANT_CHANNELS_LIMIT: 10.0, catalogue.TENANT_CHANNELS: 9.0},
        {catalogue.TENANT_CHANNELS_LIMIT: 10.0, catalogue.TENANT_CHANNELS: 10.0},
        1,
    ),
    queue_rules.WAITING_LONG: (
        {**_QUEUE, catalogue.QUEUE_LONGEST_WAIT: {"Sales": 120.0, "Support": 50.0}},
        {**_QUEUE, catalogue.QUEUE_LONGEST_WAIT: {"Sales": 121.0, "Support": 50.0}},
        121,
    ),
    queue_rules.WAITING_TOO_LONG: (
        {**_QUEUE, catalogue.QUEUE_LONGEST_WAIT: {"Sales": 300.0, "Support": 50.0}},
        {**_QUEUE, catalogue.QUEUE_LONGEST_WAIT: {"Sales": 301.0, "Support": 50.0}},
        301,
    ),
    queue_rules.UNATTENDED: (
        {**_QUEUE, catalogue.QUEUE_AGENTS: {"Sales": 1.0, "Support": 2.0}},
        {**_QUEUE, catalogue.QUEUE_AGENTS: {"Sales": 0.0, "Support": 2.0}},
        3,
    ),
    rules.WATCHED_EXTENSION_DOWN: (
        {catalogue.EXTENSION_WATCHED: {"100": 1.0}, catalogue.EXTENSION_REGISTERED: {"100": 1, "101": 0}},
        {catalogue.EXTENSION_WATCHED: {"100": 1.0}, catalogue.EXTENSION_REGISTERED: {"100": 0, "101": 1}},
        0,
    ),
}


class _Switch:
    """One rule, and a switch that it evaluates each minute."""

    def __init__(self, rule: Rule) -> None:
        self.tenant = "" if rule.scope == "trunk" else "ACME"
        self.engine = Engine([rule])
        self.store = Store("pbx", stale_after=3, max_series=1000)
        self.minute = 0

    def labels(self) -> list[dict[str, str]]:
        """Return the labels of all alerts."""
        return [alert.labels for alert in self.engine.alerts.by_identity.values()]

    def pass_minutes(
        self, count: int, families: Families, *, up: bool = True, offset: float = 0, speed: float = 1
    ) -> list[tuple[State, float]]:
        """Evaluate for some minutes; return the states and values of the alerts then."""
        for metric, values in families.items():
            part = "online" if metric is catalogue.QUEUE_AGENTS else ""
            self.store.set(metric, self.tenant if "tenant" in metric.labels else "", values, part=part)
        for _ in range(count):
            snapshot = SwitchSnapshot(self.store, up, breaker_open=False, offset=offset, speed=speed)
            for _ in self.engine.evaluate({"pbx": snapshot}, self.minute * 60):
                pass
            self.minute += 1
        return [(alert.state, alert.value) for alert in self.engine.alerts.by_identity.values()]


@pytest.mark.parametrize("rule", CASES, ids=lambda rule: f"{rule.name} {rule.severity}")
def test_a_rule_alone(rule: Rule) -> None:
    """Its declared inputs suffice: it is pending, then firing, then resolved."""
    well, trouble, value = CASES[rule]
    switch = _Switch(rule)

    assert switch.pass_minutes(1, well) == []
    assert [state for state, _ in switch.pass_minutes(int(rule.pending_for / 60), trouble)] == [State.PENDING]
    assert switch.pass_minutes(1, trouble)[0][0] is State.FIRING
    assert switch.pass_minutes(5, trouble) == [(State.FIRING, value)]
    assert switch.pass_minutes(6 + int(rule.keep_firing_for / 60), well)[0][0] is State.RESOLVED


_CALLS = Target(Query.CALLS, Scope.SWITCH, "")
_OF_TENANT = Target(Query.CALLS, Scope.TENANT, "ACME")


@pytest.mark.parametrize(
    ("rule", "target", "reason", "up", "value"),
    [
        (monitoring_rules.DATA_STALE, _OF_TENANT, Reason.DECODE, True, 1),
        (monitoring_rules.API_DOWN, _CALLS, Reason.TIMEOUT, False, 0),
        (monitoring_rules.KEY_REFUSED, _CALLS, Reason.AUTH, False, 1),
        (monitoring_rules.TENANT_KEY_REFUSED, _OF_TENANT, Reason.AUTH, True, 1),
    ],
    ids=lambda value: f"{value.name} {value.severity}" if isinstance(value, Rule) else "",
)
def test_a_monitoring_rule_alone(
    rule: Rule, target: Target, reason: Reason, *, up: bool, value: float
) -> None:
    """It fires while every attempt fails for this reason, and ends after a success."""
    switch = _Switch(rule)
    switch.store.record(target, None, now=0, wall=0)
    switch.pass_minutes(20, {})
    if rule is monitoring_rules.DATA_STALE:
        switch.store = Store("pbx", stale_after=3, max_series=1000)
    switch.store.record(target, Failure(reason, ""), now=switch.minute * 60, wall=0)
    assert switch.pass_minutes(30, {}, up=up) == [(State.FIRING, value)]
    switch.store.record(target, None, now=switch.minute * 60, wall=0)

    assert switch.pass_minutes(1 + int(rule.keep_firing_for / 60), {})[0][0] is State.RESOLVED


_BALANCE = Target(Query.BALANCE, Scope.TENANT, "ACME")
_CHANNELS = Target(Query.CHANNELS, Scope.TENANT, "ACME")


def test_a_failure_counts_until_the_next_success() -> None:
    """Each reason counts for 5 minutes after it was last seen, also after the tenant left."""
    switch = _Switch(monitoring_rules.TENANT_KEY_REFUSED)
    for reason in (Reason.AUTH, Reason.HTTP):
        switch.store.record(_BALANCE, Failure(reason, ""), now=0, wall=0)
        assert switch.pass_minutes(1, {})
    switch.store.drop_tenants({"ACME"})
    assert switch.pass_minutes(4, {})
    assert switch.pass_minutes(1, {}) == []

    for failure in (Failure(Reason.AUTH, ""), Failure(Reason.HTTP, "")):
        switch.store.record(_BALANCE, failure, now=0, wall=0)
        assert switch.pass_minutes(1, {})
    switch.store.record(_BALANCE, None, now=0, wall=0)
    assert switch.pass_minutes(1, {}) == []


def test_a_success_becomes_stale_after_three_intervals() -> None:
    """Also after a failure or a restart of the exporter; an idle tenant's calls do not fail."""
    switch = _Switch(monitoring_rules.DATA_STALE)
    switch.pass_minutes(20, {})
    switch.store.set_interval(Query.BALANCE, Scope.TENANT, 60)
    switch.store.record(_BALANCE, None, now=20 * 60, wall=0)
    switch.pass_minutes(1, {})
    switch.store.record(_BALANCE, Failure(Reason.HTTP, ""), now=21 * 60, wall=0)
    switch.store.record(_OF_TENANT, Failure(Reason.EMPTY, ""), now=21 * 60, wall=0)
    switch.store.record(_CHANNELS, Failure(Reason.EMPTY, ""), now=21 * 60, wall=0)
    assert [labels["query"] for labels in switch.labels()] == []
    switch.pass_minutes(1, {})
    assert [labels["query"] for labels in switch.labels()] == ["channels"]
    attempts = switch.store.attempts
    switch.store = Store("pbx", stale_after=3, max_series=1000)
    switch.store.attempts = {of: each._replace(succeeded_at=None) for of, each in attempts.items()}
    switch.store.set_interval(Query.BALANCE, Scope.TENANT, 60)
    switch.pass_minutes(2, {})
    assert [labels["query"] for labels in switch.labels()] == ["channels"]
    switch.pass_minutes(1, {})
    assert {labels["query"] for labels in switch.labels()} == {"channels", "balance"}


_LONG: Families = {**_QUEUE, catalogue.QUEUE_LONGEST_WAIT: {"Sales": 301.0}}
_NOBODY: Families = {**_QUEUE, catalogue.QUEUE_AGENTS: {"Sales": 0.0}}


@pytest.mark.parametrize(
    ("rule", "trouble"),
    [
        (queue_rules.WAITING_LONG, _LONG),
        (queue_rules.WAITING_TOO_LONG, _LONG),
        (queue_rules.UNATTENDED, _NOBODY),
    ],
    ids=lambda value: f"{value.name} {value.severity}" if isinstance(value, Rule) else "",
)
def test_queues_outside_business_hours(rule: Rule, trouble: Families) -> None:
    """The alert fires only while a call waits, and the tenant is open or has no business hours."""
    for hours, calls, fires in ((None, 3.0, True), (1.0, 3.0, True), (0.0, 3.0, False), (None, 0.0, False)):
        switch = _Switch(rule)
        families = {**trouble, catalogue.QUEUE_CALLS_WAITING: {"Sales": calls}}
        switch.pass_minutes(5, families if hours is None else {**families, catalogue.TENANT_OPEN: hours})
        expected = rule.labels((("switch", "pbx"), ("tenant", "ACME"), ("queue", "Sales")))
        assert switch.labels() == ([expected] if fires else [])


def test_queues_without_thresholds() -> None:
    """A severity that is off does not fire."""
    switch = _Switch(queue_rules.WAITING_LONG)
    switch.pass_minutes(5, {**_LONG, catalogue.TENANT_QUEUE_WAIT_THRESHOLD: {"critical": 1.0}})
    assert switch.labels() == []


def test_times_of_the_store_become_moments() -> None:
    """Its clock is ahead by an offset, and goes faster in tests."""
    switch = _Switch(monitoring_rules.DATA_STALE)
    switch.pass_minutes(20, {})
    switch.store.set_interval(Query.BALANCE, Scope.TENANT, 30)
    switch.store.record(_BALANCE, None, now=100, wall=0)
    switch.pass_minutes(4, {}, offset=1000.0, speed=2.0)
    assert switch.labels() == []
    switch.pass_minutes(1, {}, offset=1000.0, speed=2.0)
    assert [labels["query"] for labels in switch.labels()] == ["balance"]


def test_every_rule_has_a_case() -> None:
    """Each one is seen to fire."""
    monitoring = {rule for rule in vars(monitoring_rules).values() if isinstance(rule, Rule)}

    assert {*CASES, *monitoring} == set(RULES)


def test_a_node_that_the_exporter_does_not_know() -> None:
    """Its alert ends with the last value, 5 minutes later: only the rules look into Prometheus's history."""
    switch = _Switch(rules.NODE_MISSING)
    assert switch.pass_minutes(4, {catalogue.NODE_PRESENT: {"n1": 0, "n2": 1}}) == [(State.FIRING, 0)]

    assert switch.pass_minutes(5, {catalogue.NODE_PRESENT: {"n2": 1}}) == [(State.FIRING, 0)]
    assert switch.pass_minutes(1, {}) == [(State.RESOLVED, 0)]


def test_an_invalid_configuration_is_one_alert_for_all_switches() -> None:
    """It has no label of a switch, outlasts a gap, and ends at the good load, even if that drops a switch."""
    engine, minute = Engine([monitoring_rules.CONFIGURATION_INVALID]), 0

    def evaluate(*switches: str, good: bool, after: int = 1) -> list[tuple[State, dict[str, str]]]:
        nonlocal minute
        minute += after
        store = Store("any", stale_after=3, max_series=1000)
        snapshot = SwitchSnapshot(store, up=True, breaker_open=False, offset=0, configuration_good=good)
        for _ in engine.evaluate(dict.fromkeys(switches, snapshot), minute * 60):
            pass
        return [(alert.state, alert.labels) for alert in engine.alerts.by_identity.values()]

    labels = {"alertname": "SoftswitchConfigurationInvalid", "severity": "warning", "scope": "monitoring"}
    assert evaluate("a", "b", good=True) == []
    assert evaluate("a", "b", good=False) == [(State.PENDING, labels)]
    assert evaluate("a", "b", good=False, after=4) == [(State.PENDING, labels)]
    assert evaluate("a", "b", good=False) == [(State.FIRING, labels)]
    assert evaluate("a", good=True) == [(State.RESOLVED, labels)]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        # As promtool 2.42 formats them; see also the differential test.
        (2, "", "2"),
        (0.5, "", "0.5"),
        (0.9, "percentage", "90%"),
        (1.0666666, "percentage", "106.7%"),
        (0, "percentage", "0%"),
        (9.5, ".2f", "9.50"),
        (0, "duration", "0s"),
        (45, "duration", "45s"),
        (59.5, "duration", "59.5s"),
        (60, "duration", "1m 0s"),
        (3 * 86_400, "duration", "3d 0h 0m 0s"),
        (-86_400 - 3_661, "duration", "-1d 1h 1m 1s"),
        (7_200, "duration", "2h 0m 0s"),
    ],
)
def test_figures_are_formatted_as_in_prometheus(value: float, form: str, text: str) -> None:
    """The texts are the same whoever sends the alert."""
    assert format(Figure(value), form) == text


def test_a_switch_is_settled_after_the_longest_pause() -> None:
    """Values left over from an outage must not fire: by then, every target in backoff has been retried."""
    rules_file = RECORDS_FILE.read_text()
    assert "min_over_time(switch:softswitch_up:last[20m1s]) == 1" in rules_file
    assert "offset 15m)" in rules_file
    assert LONGEST_PAUSE <= 15 * 60, "raise both ranges, and _SETTLED_SINCE in alerting/monitoring_rules.py"
