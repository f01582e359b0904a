"""Every alert has a page that says what to do, and nothing on these pages is there no longer."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.arguments import DEFAULT_LISTEN_ADDRESS, parser
from exporter.model import Reason
from tests.documents import PAGES, ROOT, RUNBOOKS, expressions, shell_lines
from tests.promql_names import known_series, mentioned, unknown_names

ALERTS = ROOT / "alerts/softswitch.alerts.yaml"
RULES = ROOT / "alerts/softswitch.rules.yaml"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Fix", "False alarm"]
ENDPOINTS = {"/metrics", "/api/v1/status", "/-/healthy", "/-/ready", "/-/reload", "/"}
PACKAGES = {"amtool": "prometheus-alertmanager", "promtool": "prometheus", "curl": "curl", "sed": "sed"}


def shipped() -> dict[str, list[dict[str, Any]]]:
    """Return the rules of every alert, by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            found.setdefault(rule["alert"], []).append(rule)
    return found


ALERT_NAMES = sorted(shipped())


def recorded() -> dict[str, frozenset[str]]:
    """Return the recorded series with the labels that their level names: ``switch_tenant:…``."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    names = [rule["record"] for group in groups for rule in group["rules"]]
    return {name: frozenset(name.split(":")[0].split("_")) for name in names}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """The pages are those of the alerts, and the index."""
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {*ALERT_NAMES, "README"}


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_the_alert_leads_to_its_runbook(alert: str) -> None:
    """``runbook_url`` of the rule ends with the path of the page."""
    for rule in shipped()[alert]:
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alert}.md")


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_a_runbook_has_every_section(alert: str) -> None:
    """Its title is the alert, and each section is there, in order, and has something in it."""
    title, *parts = re.split(r"^#+ ", (RUNBOOKS / f"{alert}.md").read_text(), flags=re.MULTILINE)[1:]
    assert title.splitlines()[0] == alert
    assert [part.splitlines()[0] for part in parts] == SECTIONS
    assert all("\n".join(part.splitlines()[1:]).strip() for part in parts)


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_a_runbook_tells_severity_and_scope(alert: str) -> None:
    """They are those of the rules; what comes from a threshold series is warning or critical."""
    severities: set[str] = set()
    for rule in shipped()[alert]:
        severities |= (
            {rule["labels"]["severity"]} if "severity" in rule["labels"] else {"warning", "critical"}
        )
    scopes = {rule["labels"]["scope"] for rule in shipped()[alert]}
    told = " or ".join(sorted(severities, reverse=True))
    line = f"Severity: {told}. Scope: {' or '.join(sorted(scopes))}."
    assert (RUNBOOKS / f"{alert}.md").read_text().splitlines()[2] == line


def test_the_index_lists_every_runbook_once() -> None:
    """The table of the index has one line for each alert, with its severity."""
    lines = re.findall(
        r"^\| \[(\w+)\]\(\1\.md\) \| ([\w ]+) \| ", (RUNBOOKS / "README.md").read_text(), re.MULTILINE
    )
    told = {}
    for alert in ALERT_NAMES:
        line = (RUNBOOKS / f"{alert}.md").read_text().splitlines()[2]
        told[alert] = re.findall(r"Severity: (.*?)\.", line)[0]
    assert sorted(lines) == sorted(told.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    """No page tells of a metric or of a recorded series that is not there."""
    known = {*known_series(), *recorded()}
    named = re.findall(r"(?<![\w./-])(?:\w+:)?softswitch_[a-z_]+(?::\w+)?", page.read_text())
    assert set(named) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_label_that_a_page_names_exists(page: Path) -> None:
    """What the running text calls a label is one of some metric or alert."""
    known = frozenset().union(*known_series().values(), {"severity", "scope", "alertname"})
    text = re.sub(r"\s+", " ", page.read_text())
    assert set(re.findall(r"\blabel `(\w+)`", text)) <= known


@pytest.mark.parametrize(("page", "expression"), expressions())
def test_every_name_of_an_expression_exists(page: str, expression: str) -> None:
    """Metrics and labels of a PromQL block are the catalogue's, and values of fixed sets are in the set."""
    assert list(unknown_names(expression, known_series() | recorded())) == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("softswitch_gone == 0", "no metric softswitch_gone"),
        ('softswitch_up{swich="a"}', "no label swich on softswitch_up"),
        ('softswitch_query_failure{reason="bored"}', "no reason bored"),
        ("sum by (tenant) (softswitch_up)", "no label tenant on any of ['softswitch_up']"),
        ("rate(softswitch_request_duration_seconds[5m])", "no metric softswitch_request_duration_seconds"),
    ],
)
def test_what_is_not_there_is_found(expression: str, complaint: str) -> None:
    """The check of names finds a renamed metric, a renamed label and a value that does not exist."""
    assert list(unknown_names(expression, known_series())) == [complaint]


def test_expressions_are_read_as_prometheus_reads_them() -> None:
    """Functions, durations, groupings and the text of strings are no metrics."""
    found = mentioned(
        'topk(3, sum by (a, b) (rate(x_total{c="d e"}[5m:1m] offset 1w)) > bool 1e3) or on () up'
    )
    assert found.metrics == {"x_total", "up"}
    assert found.matchers == {("x_total", "c", "d e")}
    assert found.groupings == {"a", "b"}


def test_prometheus_takes_every_expression(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """Each PromQL block parses."""
    assert expressions()
    rules = [{"record": f"r{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    file = tmp_path / "expressions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}))
    promtool = require_program("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=none", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("Softswitch*.md")), ids=lambda page: page.stem)
def test_every_runbook_has_something_to_check_with(page: Path) -> None:
    """Each has an expression or a command that can be copied."""
    assert page.name in {name for name, _ in expressions()}
    assert page.name in {name for name, _ in shell_lines()}


@pytest.mark.parametrize("line", sorted({line for _, line in shell_lines()}))
def test_every_command_exists(line: str, require_program: Callable[[str, str], str]) -> None:
    """The exporter takes its commands; other programs have the flags, and what they ask for is served."""
    program, *words = shlex.split(line, comments=True)
    if program == "softswitch-exporter":
        parser().parse_args(words)
        return
    flags = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert flags <= known_flags(require_program(program, PACKAGES[program]), words)
    for path in re.findall(rf"http://127\.0\.0\.1{DEFAULT_LISTEN_ADDRESS}(/\S*)", line):
        assert path in ENDPOINTS


def known_flags(program: str, words: list[str]) -> set[str]:
    """Return the flags that a program has by its help, of the subcommand that the words name."""
    name = Path(program).name
    before_flags = words[: next((i for i, word in enumerate(words) if word.startswith("-")), len(words))]
    subcommands = [word for word in before_flags if re.fullmatch(r"[a-z]+", word)]
    asked = [program, "--help", "all"] if name == "curl" else [program, *subcommands, "--help"]
    helped = subprocess.run(asked, capture_output=True, text=True, check=False)
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w.-]*", helped.stdout + helped.stderr))


def test_every_reason_has_a_line() -> None:
    """The table of reasons says of each why it comes and what to do."""
    page = (RUNBOOKS / "SoftswitchRequestsFailing.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [reason.value for reason in Reason]
