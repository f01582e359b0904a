"""The rule files are valid, their unit tests pass, and they use only existing names."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from exporter.cli.rules import Form, document
from exporter.metrics.catalogue import METRICS, Kind
from tests.promql_names import known_series, mentioned, unknown_names
from tests.rule_files import (
    ALERT_NAMES,
    ALERTS,
    ALERTS_DIRECTORY,
    ALERTS_FILE,
    GROUPS,
    RECORD_LABELS,
    RECORDS,
    RECORDS_FILE,
    RULES,
    UNIT_TESTS,
    Rule,
    name_of,
    queries,
    rules_for,
    run_unit_tests,
)

SEVERITIES = {"critical", "warning", "info", "none"}
SCOPES = {"monitoring", "switch", "node", "trunk", "tenant", "extension", "license"}
_TEAM = "switch_tenant:softswitch_tenant_team:info"
KNOWN = known_series() | RECORD_LABELS | {_TEAM: RECORD_LABELS[_TEAM] | {"team"}}
Results = dict[str, Future[subprocess.CompletedProcess[str]]]

_LARGEST_FIRST = sorted(UNIT_TESTS, key=lambda file: -file.stat().st_size)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program and capture its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def unit_tests(require_each: Callable[[str, str], str]) -> Iterator[Results]:
    """Run the unit tests with one version of promtool on all processors, in the order of the tests below."""
    promtool = require_each("promtool", "prometheus")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            file.name: pool.submit(run_unit_tests, promtool, rules_for(UNIT_TESTS[file]), UNIT_TESTS[file])
            for file in _LARGEST_FIRST
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("file", [file.name for file in _LARGEST_FIRST])
def test_the_unit_tests_pass(file: str, unit_tests: Results) -> None:
    """They pass with the oldest and the newest version of promtool."""
    done = unit_tests[file].result()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [file.name for file in UNIT_TESTS])
def test_unit_tests_load_the_shipped_rules_in_order(file: str) -> None:
    """``promtool test rules`` runs each file as it is.

    Groups that are not listed are evaluated in random order, and then tests pass by chance.
    """
    directory = ALERTS_DIRECTORY / "tests"
    document = UNIT_TESTS[directory / file]
    assert [(directory / name).resolve() for name in document["rule_files"]] == [RECORDS_FILE, ALERTS_FILE]
    assert document["group_eval_order"] == [group["name"] for group in GROUPS]


def test_prometheus_accepts_the_rules(require_each: Callable[[str, str], str]) -> None:
    """Both files are valid and contain no duplicate rules, in either version of promtool."""
    promtool = require_each("promtool", "prometheus")
    done = run(promtool, "check", "rules", str(RECORDS_FILE), str(ALERTS_FILE))
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
