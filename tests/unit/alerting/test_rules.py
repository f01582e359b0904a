"""The alerts of the daemon are those of ``alerts/softswitch.alerts.yaml``."""

import re
from typing import Any

import pytest
import yaml

from exporter.alerting import rules
from exporter.alerting.rules import RULES, Rule
from tests.rule_files import ALERTS_FILE

DECLARED = [rule for group in yaml.safe_load(ALERTS_FILE.read_text())["groups"] for rule in group["rules"]]
_SECONDS = {"m": 60, "h": 3600}
_SENDER = {"Prometheus, Alertmanager": "the exporter, Alertmanager"}
"""The one difference between the texts: who is broken when the watchdog stops."""

# A query for a figure that stands beside the value; then what is done with a figure.
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
def test_a_rule_is_that_of_prometheus(rule: Rule) -> None:
    """Name, labels, durations, summary, description and runbook are equal."""
    (declared,) = [one for one in DECLARED if _key(one) == (rule.name, rule.severity, rule.scope)]
    annotations = declared["annotations"]
    description = _description(annotations["description"].strip())
    if rule is rules.WATCHDOG:
        for prometheus, daemon in _SENDER.items():
            description = description.replace(prometheus, daemon)

    assert rule.pending_for == _seconds(declared.get("for", "0m"))
    assert rule.keep_firing_for == _seconds(declared.get("keep_firing_for", "0m"))
    assert rule.summary == annotations["summary"]
    assert rule.description == description
    assert (
        rule.annotations((), 0, 0)["runbook_url"] == annotations["runbook_url"]
        if rule is rules.WATCHDOG
        else True
    )
    assert f"/{rule.name}.md" in annotations["runbook_url"]


def test_all_of_an_alert() -> None:
    """An alert that Prometheus declares twice, for two severities, is declared twice here."""
    ours = {rule.name for rule in RULES}

    assert sorted(_key(one) for one in DECLARED if one["alert"] in ours) == sorted(
        (rule.name, rule.severity, rule.scope) for rule in RULES
    )


def test_labels_and_annotations() -> None:
    """The labels of the rule and of what was found, and a text with the figures in it."""
    found = (("switch", "pbx"), ("tenant", "ACME"), ("severity", "critical"), ("team", "voice"))

    assert rules.BALANCE_LOW.labels(found) == {
        "alertname": "SoftswitchBalanceLow",
        "scope": "tenant",
        **dict(found),
    }
    texts = rules.BALANCE_LOW.annotations(found, -3.456, 20)
    assert texts["description"] == "ACME on pbx has a credit of -3.46; the threshold is 20.00."


def test_a_name_with_braces_is_a_name() -> None:
    """What stands in a label is never taken for a place to fill in."""
    found = (("switch", "{value}"), ("node", "{0.__class__}"))

    texts = rules.NODE_MISSING.annotations(found, 0, 0)

    assert (
        texts["description"] == "{value} has not named the node {0.__class__} among its nodes for 3 minutes."
    )
