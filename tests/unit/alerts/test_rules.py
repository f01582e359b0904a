"""The rule files: Prometheus takes them, their unit tests pass, and they name nothing that is not there."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from exporter.metrics.catalogue import METRICS, Kind
from tests.promql_names import known_series, mentioned, unknown_names
from tests.rule_files import (
    ALERT_NAMES,
    ALERTS_DIRECTORY,
    ALERTS_FILE,
    RECORDS,
    RECORDS_FILE,
    RULES,
    UNIT_TESTS,
    Document,
    Rule,
    name_of,
    rules_for,
)

ALERTS = [rule for rule in RULES if "alert" in rule]
SEVERITIES = {"critical", "warning", "info", "none"}
SCOPES = {"monitoring", "switch", "node", "tenant", "extension", "license"}
RECORDED = {name: frozenset(name.partition(":")[0].split("_")) for name in RECORDS}
"""The level in the name of a recorded series is its labels."""

RECORDED["switch_tenant:softswitch_tenant_team:info"] |= {"team"}
KNOWN = known_series() | RECORDED


def expressions(rule: Rule) -> list[str]:
    """Return the expression of a rule and those that its annotations ask for."""
    text = " ".join(rule.get("annotations", {}).values())
    asked = re.findall(r'printf "(.*?)" \$labels.*?\| query', text)
    return [rule["expr"], *(query.replace("%q", '""') for query in asked)]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it says."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_unit_tests(promtool: str, document: Document) -> subprocess.CompletedProcess[str]:
    """Run a file of unit tests over the rules that it is about."""
    with tempfile.TemporaryDirectory() as directory:
        # What is JSON is YAML as well.
        (Path(directory) / "rules.json").write_text(json.dumps(rules_for(document)))
        tests = Path(directory) / "tests.json"
        tests.write_text(json.dumps({**document, "rule_files": ["rules.json"]}))
        return run(promtool, "test", "rules", str(tests))


@pytest.fixture(scope="module")
def unit_tests(
    require_each: Callable[[str, str], str],
) -> dict[str, Future[subprocess.CompletedProcess[str]]]:
    """Run the files of unit tests with one version of promtool, on all processors, the longest ones first."""
    promtool = require_each("promtool", "prometheus")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        largest_first = sorted(UNIT_TESTS, key=lambda file: -file.stat().st_size)
        return {file.name: pool.submit(run_unit_tests, promtool, UNIT_TESTS[file]) for file in largest_first}


@pytest.mark.parametrize("file", [file.name for file in UNIT_TESTS])
def test_the_unit_tests_pass(
    file: str, unit_tests: dict[str, Future[subprocess.CompletedProcess[str]]]
) -> None:
    """Both versions of promtool run the file over its rules and are content."""
    done = unit_tests[file].result()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [file.name for file in UNIT_TESTS])
def test_the_unit_tests_are_about_the_shipped_rules(file: str) -> None:
    """Each file names both rule files, so that ``promtool test rules`` runs it as it is."""
    directory = ALERTS_DIRECTORY / "tests"
    named = [(directory / name).resolve() for name in UNIT_TESTS[directory / file]["rule_files"]]
    assert named == [RECORDS_FILE, ALERTS_FILE]


def test_prometheus_takes_the_rules(require_each: Callable[[str, str], str]) -> None:
    """Both files are valid, and neither version of promtool has a remark."""
    promtool = require_each("promtool", "prometheus")
    done = run(promtool, "check", "rules", str(RECORDS_FILE), str(ALERTS_FILE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "duplicate" not in done.stdout


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_every_alert_has_unit_tests(alert: str) -> None:
    """A file says when it fires, with all labels and annotations, and another line when it does not."""
    cases = [
        case
        for document in UNIT_TESTS.values()
        for test in document["tests"]
        for case in (*test.get("alert_rule_test", []), *test.get("promql_expr_test", []))
        if case.get("alertname") == alert or f'alertname="{alert}"' in case.get("expr", "")
    ]
    told = [one for case in cases for one in case.get("exp_alerts") or []]
    assert any({"summary", "description", "runbook_url"} <= one["exp_annotations"].keys() for one in told)
    silent = [case for case in cases if not (case.get("exp_alerts") or case.get("exp_samples"))]
    assert silent or alert == "SoftswitchWatchdog"


@pytest.mark.parametrize("file", [file.name for file in UNIT_TESTS])
def test_unit_tests_evaluate_every_group_in_order(file: str) -> None:
    """Groups that are not listed are evaluated in an order of chance, and then tests pass by chance."""
    groups = [
        group["name"]
        for rules in (RECORDS_FILE, ALERTS_FILE)
        for group in yaml.safe_load(rules.read_text())["groups"]
    ]
    assert UNIT_TESTS[ALERTS_DIRECTORY / "tests" / file]["group_eval_order"] == groups


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_has_its_labels_and_annotations(rule: Rule) -> None:
    """Severity (or a threshold series that gives it), scope, and three annotations."""
    labels = rule["labels"]
    assert labels.keys() <= {"severity", "scope"}
    assert labels["scope"] in SCOPES
    assert labels["severity"] in SEVERITIES if "severity" in labels else "threshold" in rule["expr"]
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in rule["annotations"]["summary"]
    assert "{{" in rule["annotations"]["description"] or rule["alert"] == "SoftswitchWatchdog"


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_rule_names_nothing_that_is_not_there(rule: Rule) -> None:
    """Every metric and label, also in the queries of annotations, is the catalogue's or a recorded one."""
    for expression in expressions(rule):
        assert list(unknown_names(expression, KNOWN)) == []


def test_a_renamed_metric_is_noticed() -> None:
    """Whichever of the metrics in use loses its name: some rule is left with a name that is not there."""
    used = {name for rule in RULES for text in expressions(rule) for name in mentioned(text).metrics}
    ours = {metric.name for metric in METRICS if metric.kind is not Kind.HISTOGRAM} & used
    assert len(ours) > len(ALERT_NAMES)
    for gone in ours:
        left = {name: labels for name, labels in KNOWN.items() if name != gone}
        assert any(list(unknown_names(text, left)) for rule in RULES for text in expressions(rule)), gone


@pytest.mark.parametrize("record", sorted(RECORDS))
def test_every_record_is_used(record: str) -> None:
    """No series is recorded for nothing."""
    assert any(record in text for rule in RULES if name_of(rule) != record for text in expressions(rule))


def test_the_kubernetes_resource_is_up_to_date() -> None:
    """``prometheusrule.yaml`` is what the script writes now, and holds the groups of both files."""
    generated = run(sys.executable, str(ALERTS_DIRECTORY / "kubernetes/generate.py"))
    assert generated.stdout == (ALERTS_DIRECTORY / "kubernetes/prometheusrule.yaml").read_text()
    groups = [
        group for file in (RECORDS_FILE, ALERTS_FILE) for group in yaml.safe_load(file.read_text())["groups"]
    ]
    assert yaml.safe_load(generated.stdout)["spec"] == {"groups": groups}


def test_runbooks_of_ones_own() -> None:
    """The script lets every alert lead elsewhere."""
    generated = run(
        sys.executable,
        str(ALERTS_DIRECTORY / "kubernetes/generate.py"),
        "--runbooks=https://wiki.example.com/phones/",
    )
    groups = yaml.safe_load(generated.stdout)["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert {rule["annotations"]["runbook_url"] for rule in alerts} == {
        f"https://wiki.example.com/phones/{name}.md" for name in ALERT_NAMES
    }
