"""The rule files are valid, their unit tests pass, and they use only existing names."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli.rules import Form, document
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Kind
from tests.promql_names import known_series, mentioned, unknown_names
from tests.rule_files import (
    ALERT_NAMES,
    ALERTS,
    ALERTS_DIRECTORY,
    ALERTS_FILE,
    GROUPS,
    LONG_UNIT_TESTS,
    RECORD_LABELS,
    RECORDS,
    RECORDS_FILE,
    RULES,
    UNIT_TESTS,
    Rule,
    name_of,
    queries,
    run_shipped_unit_tests,
)

SEVERITIES = {"critical", "warning", "info", "none"}
SCOPES = {"monitoring", "switch", "node", "trunk", "tenant", "extension", "license"}
_TEAM = "switch_tenant:softswitch_tenant_team:info"
KNOWN = known_series() | RECORD_LABELS | {_TEAM: RECORD_LABELS[_TEAM] | {"team"}}


@pytest.mark.parametrize("file", sorted(UNIT_TESTS.keys() - LONG_UNIT_TESTS), ids=lambda file: file.name)
def test_the_unit_tests_pass(file: Path, require_each: Callable[[str, str], str]) -> None:
    """They pass with the oldest and the newest version of promtool."""
    assert run_shipped_unit_tests(require_each("promtool", "prometheus"), file) == ""


@pytest.mark.parametrize("file", LONG_UNIT_TESTS, ids=lambda file: file.name)
def test_the_long_unit_tests_pass(file: Path, require_installed: Callable[[str, str], str]) -> None:
    """They pass with the oldest version; ``make mutants`` runs them with the newest as well."""
    assert run_shipped_unit_tests(require_installed("promtool", "prometheus"), file) == ""


def test_unit_tests_load_the_shipped_rules_in_order() -> None:
    """``promtool test rules`` runs each file as it is.

    Groups that are not listed are evaluated in random order, and then tests pass by chance.
    """
    for file, tests in UNIT_TESTS.items():
        loaded = [(file.parent / name).resolve() for name in tests["rule_files"]]
        assert loaded == [RECORDS_FILE, ALERTS_FILE], file
        assert tests["group_eval_order"] == [group["name"] for group in GROUPS], file


def test_prometheus_accepts_the_rules(require_each: Callable[[str, str], str]) -> None:
    """Both files are valid and contain no duplicate rules, in either version of promtool."""
    promtool = require_each("promtool", "prometheus")
    command = [promtool, "check", "rules", str(RECORDS_FILE), str(ALERTS_FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "duplicate" not in done.stdout


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_every_alert_has_unit_tests(alert: str) -> None:
    """A case expects the alert with all annotations, and another one expects that it does not fire."""
    cases = [
        case
        for document in UNIT_TESTS.values()
        for test in document["tests"]
        for case in (*test.get("alert_rule_test", []), *test.get("promql_expr_test", []))
        if case.get("alertname") == alert or f'alertname="{alert}"' in case.get("expr", "")
    ]
    expected = [one for case in cases for one in case.get("exp_alerts") or []]
    assert any({"summary", "description", "runbook_url"} <= one["exp_annotations"].keys() for one in expected)
    silent = [case for case in cases if not (case.get("exp_alerts") or case.get("exp_samples"))]
    assert silent or alert == "SoftswitchWatchdog"


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_has_its_labels_and_annotations(rule: Rule) -> None:
    """Severity (or a threshold series with that label), scope, and three annotations."""
    labels = rule["labels"]
    assert labels.keys() <= {"severity", "scope"}
    assert labels["scope"] in SCOPES
    assert labels["severity"] in SEVERITIES if "severity" in labels else "threshold" in rule["expr"]
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in rule["annotations"]["summary"]
    assert "{{" in rule["annotations"]["description"] or rule["alert"] == "SoftswitchWatchdog"


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_rule_uses_only_existing_names(rule: Rule) -> None:
    """Every metric and label, also in annotations, exists in the catalogue or is recorded."""
    for expression in queries(rule):
        assert list(unknown_names(expression, KNOWN)) == []


def test_a_renamed_metric_is_detected() -> None:
    """If any metric in use is renamed, the check of names fails for some rule."""
    used = {name for rule in RULES for text in queries(rule) for name in mentioned(text).metrics}
    ours = {metric.name for metric in METRICS if metric.kind is not Kind.HISTOGRAM} & used
    assert len(ours) > len(ALERT_NAMES)
    for gone in ours:
        left = {name: labels for name, labels in KNOWN.items() if name != gone}
        assert any(list(unknown_names(text, left)) for rule in RULES for text in queries(rule)), gone


@pytest.mark.parametrize("record", sorted(RECORDS))
def test_every_record_is_used(record: str) -> None:
    """Another rule uses each recorded series."""
    assert any(record in text for rule in RULES if name_of(rule) != record for text in queries(rule))


def test_the_kubernetes_resource_is_up_to_date() -> None:
    """``prometheusrule.yaml`` is what ``make rules`` writes."""
    assert document(Form.PROMETHEUSRULE) == (ALERTS_DIRECTORY / "kubernetes/prometheusrule.yaml").read_text()
