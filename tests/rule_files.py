"""Reads the rule files of ``alerts/`` and their unit tests, and runs selections of them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ALERTS_DIRECTORY = Path(__file__).parents[1] / "alerts"
RECORDS_FILE = ALERTS_DIRECTORY / "softswitch.rules.yaml"
ALERTS_FILE = ALERTS_DIRECTORY / "softswitch.alerts.yaml"
Rule = dict[str, Any]
Document = dict[str, Any]


def _read(file: Path) -> Document:
    """Read a file with the parser in C: every worker of pytest reads all of them."""
    document: Document = yaml.load(file.read_text(), yaml.CSafeLoader)
    return document


UNIT_TESTS: dict[Path, Document] = {
    file: _read(file) for file in sorted((ALERTS_DIRECTORY / "tests").glob("*.test.yaml"))
}
LONG_UNIT_TESTS = [file for file in UNIT_TESTS if not file.name.startswith("Softswitch")]
"""Those about many alerts, for hours and days: three times as much work for promtool as all others."""

GROUPS: tuple[Document, ...] = tuple(
    group for file in (RECORDS_FILE, ALERTS_FILE) for group in _read(file)["groups"]
)
"""All groups, in evaluation order."""

RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS for rule in group["rules"])
ALERTS = tuple(rule for rule in RULES if "alert" in rule)
ALERT_NAMES = tuple(dict.fromkeys(rule["alert"] for rule in ALERTS))
RECORDS = {rule["record"]: rule for rule in RULES if "record" in rule}

RECORD_LABELS = {name: frozenset(name.partition(":")[0].split("_")) for name in RECORDS}
"""Labels of each recorded series: its level, the first part of its name, lists them."""

_NAME = re.compile(r"\w+:\w+:\w+|\bSoftswitch[A-Za-z]+\b")


def name_of(rule: Rule) -> str:
    """Return the name of the alert or of the recorded series."""
    name: str = rule.get("alert") or rule["record"]
    return name


def queries(rule: Rule) -> list[str]:
    """Return the expression of a rule and those in its annotations."""
    text = " ".join(rule.get("annotations", {}).values())
    found = re.findall(r'printf "(.*?)" \$labels.*?\| query', text)
    return [rule["expr"], *(query.replace("%q", '""') for query in found)]


@cache
def mentions(text: str) -> frozenset[str]:
    """Return the recorded series and the alerts named in a text."""
    return frozenset(_NAME.findall(text))


def dependencies(expressions: Iterable[str]) -> set[str]:
    """Return the recorded series that expressions use, directly or through others."""
    return {name for expression in expressions for name in _dependencies_of(expression)}


@cache
def _dependencies_of(expression: str) -> frozenset[str]:
    found: set[str] = set()
    queue = [expression]
    while queue:
        new = (mentions(queue.pop()) & RECORDS.keys()) - found
        found |= new
        queue += [RECORDS[name]["expr"] for name in new]
    return frozenset(found)


@cache
def dependents(name: str) -> frozenset[str]:
    """Return a recorded series or alert and everything that uses it, directly or through others."""
    return frozenset({name} | {name_of(rule) for rule in RULES if name in _dependencies_of(rule["expr"])})


def select_cases(document: Document, alerts: Collection[str]) -> Document | None:
    """Return a file of unit tests with only the cases about these alerts, or None if there are none."""
    tests = []
    for test in document["tests"]:
        kinds = {
            kind: [case for case in test.get(kind, []) if _is_about(case, alerts)]
            for kind in ("alert_rule_test", "promql_expr_test")
        }
        if any(kinds.values()):
            tests.append({**test, **kinds, "input_series": test.get("input_series", [])})
    return {**document, "tests": tests} if tests else None


def _is_about(case: Document, alerts: Collection[str]) -> bool:
    text = json.dumps(case)
    named = mentions(text) & set(ALERT_NAMES)
    return bool(named) and named <= set(alerts) and "alertname!" not in text


def rules_for(document: Document) -> Document:
    """Return the rules that a file of unit tests needs: to evaluate all of them is slow.

    A test that selects every alert but some needs all.
    """
    text = json.dumps(document["tests"])
    if "alertname!" in text:
        return {"groups": list(GROUPS)}
    named = mentions(text)
    alerts = [rule for rule in ALERTS if rule["alert"] in named]
    wanted = named | dependencies(
        [text, *(part for rule in alerts for part in (rule["expr"], *rule["annotations"].values()))]
    )
    return {
        "groups": [
            {**group, "rules": [rule for rule in group["rules"] if name_of(rule) in wanted]}
            for group in GROUPS
        ]
    }


def promtools() -> list[str]:
    """Return the installed promtool, and the newer one in the directory NEWER_PROGRAMS. Exits without any."""
    paths = [os.environ.get("PATH", os.defpath), os.environ.get("NEWER_PROGRAMS", "")]
    found = [program for path in paths if path and (program := shutil.which("promtool", path=path))]
    return found or sys.exit("promtool is not installed: apt-get install prometheus")


def run_unit_tests(promtool: str, rules: Document, tests: Document) -> str:
    """Run ``promtool test rules``; return its output if a test fails, or ""."""
    with tempfile.TemporaryDirectory() as directory:
        # JSON is valid YAML.
        (Path(directory) / "rules.json").write_text(json.dumps(rules))
        file = Path(directory) / "tests.json"
        file.write_text(json.dumps(tests | {"rule_files": ["rules.json"]}))
        done = subprocess.run(
            [promtool, "test", "rules", str(file)],
            env={"GOGC": "400", **os.environ},  # fewer garbage collections: a sixth less CPU time
            capture_output=True,
            text=True,
            check=False,
        )
    output = done.stdout + done.stderr
    assert bool(done.returncode) == ("FAILED:" in output), output
    return output if done.returncode else ""


def run_shipped_unit_tests(promtool: str, file: Path) -> str:
    """Run one of ``UNIT_TESTS`` with the rules that it needs; return the output if a test fails, or ""."""
    return run_unit_tests(promtool, rules_for(UNIT_TESTS[file]), UNIT_TESTS[file])
