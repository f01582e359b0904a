"""The alerts of the daemon are those of ``alerts/softswitch.alerts.yaml``."""

import re
from typing import Any

import pytest
import yaml

from exporter.alerting import monitoring_rules, rules
from exporter.alerting.engine import Engine, State
from exporter.alerting.inputs import SwitchSnapshot
from exporter.alerting.rule import Rule
from exporter.alerting.rules import RULES
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll.backoff import LONGEST_PAUSE
from exporter.store import Store
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


def _store() -> Store:
    return Store("pbx", stale_after=3, max_series=1000)


def _after(
    engine: Engine, store: Store, minutes: range, offset: float = 0.0, speed: float = 1.0
) -> list[State]:
    """Evaluate for some minutes; return the states of the alerts then."""
    snapshot = SwitchSnapshot(store, up=True, breaker_open=False, offset=offset, speed=speed)
    for minute in minutes:
        for _ in engine.evaluate({"pbx": snapshot}, minute * 60):
            pass
    return [alert.state for alert in engine.alerts.by_identity.values()]


def test_times_of_the_store_become_moments() -> None:
    """Its clock is ahead by an offset, and goes faster in tests."""
    engine, store = Engine([monitoring_rules.DATA_STALE]), _store()
    _after(engine, store, range(20))
    store.set_interval(Query.BALANCE, Scope.TENANT, 30)
    store.record(Target(Query.BALANCE, Scope.TENANT, "ACME"), None, now=100, wall=0)
    assert _after(engine, store, range(20, 24), offset=1000.0, speed=2.0) == []
    assert _after(engine, store, range(24, 25), offset=1000.0, speed=2.0) == [State.PENDING]


def test_a_node_that_the_exporter_does_not_know() -> None:
    """Its alert ends with the last value, 5 minutes later: only the rules look into Prometheus's history."""
    engine, store = Engine([rules.NODE_MISSING]), _store()
    store.set(catalogue.NODE_PRESENT, "", {"n1": 0, "n2": 1})
    assert _after(engine, store, range(4)) == [State.FIRING]

    store.set(catalogue.NODE_PRESENT, "", {"n2": 1})
    assert _after(engine, store, range(4, 9)) == [State.FIRING]
    assert _after(engine, store, range(9, 10)) == [State.RESOLVED]


def test_an_invalid_configuration_is_one_alert_for_all_switches() -> None:
    """It has no label of a switch, outlasts a gap, and ends at the good load, even if that drops a switch."""
    engine, minute = Engine([monitoring_rules.CONFIGURATION_INVALID]), 0

    def evaluate(*switches: str, good: bool, after: int = 1) -> list[tuple[State, dict[str, str]]]:
        nonlocal minute
        minute += after
        snapshot = SwitchSnapshot(_store(), up=True, breaker_open=False, offset=0, configuration_good=good)
        for _ in engine.evaluate(dict.fromkeys(switches, snapshot), minute * 60):
            pass
        return [(alert.state, alert.labels) for alert in engine.alerts.by_identity.values()]

    labels = {"alertname": "SoftswitchConfigurationInvalid", "severity": "warning", "scope": "monitoring"}
    assert evaluate("a", "b", good=True) == []
    assert evaluate("a", "b", good=False) == [(State.PENDING, labels)]
    assert evaluate("a", "b", good=False, after=4) == [(State.PENDING, labels)]
    assert evaluate("a", "b", good=False) == [(State.FIRING, labels)]
    assert evaluate("a", good=True) == [(State.RESOLVED, labels)]


def test_a_switch_is_settled_after_the_longest_pause() -> None:
    """Values left over from an outage must not fire: by then, every target in backoff has been retried."""
    rules_file = RECORDS_FILE.read_text()
    assert "min_over_time(switch:softswitch_up:last[20m1s]) == 1" in rules_file
    assert "offset 15m)" in rules_file
    assert LONGEST_PAUSE <= 15 * 60, "raise both ranges, and _SETTLED_SINCE in alerting/monitoring_rules.py"
