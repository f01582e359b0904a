"""Reads the rule files of ``alerts/`` and their unit tests, and makes small ones of them."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ALERTS_DIRECTORY = Path(__file__).parents[1] / "alerts"
RECORDS_FILE = ALERTS_DIRECTORY / "softswitch.rules.yaml"
ALERTS_FILE = ALERTS_DIRECTORY / "softswitch.alerts.yaml"
Rule = dict[str, Any]
Document = dict[str, Any]

UNIT_TESTS: dict[Path, Document] = {
    file: yaml.safe_load(file.read_text())
    for file in sorted((ALERTS_DIRECTORY / "tests").glob("*.test.yaml"))
}


def _groups() -> Iterator[Document]:
    for file in (RECORDS_FILE, ALERTS_FILE):
        yield from yaml.safe_load(file.read_text())["groups"]


GROUPS: tuple[Document, ...] = tuple(_groups())
"""Every group, in the order in which they are evaluated."""

RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS for rule in group["rules"])
"""Every rule, in the order in which they are evaluated."""


def name_of(rule: Rule) -> str:
    """Return the name of an alert, or of a recorded series."""
    name: str = rule.get("alert") or rule["record"]
    return name


ALERT_NAMES = tuple(dict.fromkeys(rule["alert"] for rule in RULES if "alert" in rule))
RECORDS = {rule["record"]: rule for rule in RULES if "record" in rule}

_NAME = re.compile(r"\w+:\w+:\w+|\bSoftswitch[A-Za-z]+\b")
"""A recorded series, or an alert: an expression may look at those that fire."""


def mentions(text: str) -> set[str]:
    """Return the recorded series and the alerts that a text names."""
    return set(_NAME.findall(text))


def needed(expressions: Iterable[str]) -> set[str]:
    """Return the recorded series that expressions rest on, directly or through others."""
    found: set[str] = set()
    queue = list(expressions)
    while queue:
        new = (mentions(queue.pop()) & RECORDS.keys()) - found
        found |= new
        queue += [RECORDS[name]["expr"] for name in new]
    return found


def resting_on(name: str) -> set[str]:
    """Return a recorded series or alert with all that rest on it, directly or through others."""
    if name not in RECORDS:
        return {name}
    return {name} | {name_of(rule) for rule in RULES if name in needed([rule["expr"]])}


def unit_test(document: Document, alerts: Collection[str]) -> Document | None:
    """Return a file of unit tests with what it says of these alerts only; None if that is nothing."""
    tests = []
    for test in document["tests"]:
        kinds = {
            kind: [case for case in test.get(kind, []) if _is_about(case, alerts)]
            for kind in ("alert_rule_test", "promql_expr_test")
        }
        if any(kinds.values()):
            tests.append({**test, **kinds, "input_series": test.get("input_series", [])})
    return {**document, "tests": tests} if tests else None


def rules_for(document: Document) -> Document:
    """Return the rules that a file of unit tests is about, in their groups: all of them take long.

    All of them where a test looks at every alert but some.
    """
    text = json.dumps(document["tests"])
    if "alertname!" in text:
        return {"groups": list(GROUPS)}
    alerts = [rule for rule in RULES if rule.get("alert") in mentions(text)]
    asked = (part for rule in alerts for part in (rule["expr"], *rule["annotations"].values()))
    wanted = {name_of(rule) for rule in alerts} | needed([text, *asked]) | mentions(text)
    return {
        "groups": [
            {**group, "rules": [rule for rule in group["rules"] if name_of(rule) in wanted]}
            for group in GROUPS
        ]
    }


def _is_about(case: Document, alerts: Collection[str]) -> bool:
    text = json.dumps(case)
    named = mentions(text) & set(ALERT_NAMES)
    return bool(named) and named <= set(alerts) and "alertname!" not in text
