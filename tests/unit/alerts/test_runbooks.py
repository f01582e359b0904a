"""Every alert has a runbook, and the runbooks use only existing metrics, labels, commands and flags."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.cli.arguments import DEFAULT_LISTEN_ADDRESS, parser
from exporter.model import Reason
from tests.documents import PAGES, RUNBOOKS, expressions, shell_lines
from tests.promql_names import known_series, mentioned, unknown_names
from tests.rule_files import ALERT_NAMES, ALERTS, RECORD_LABELS

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Fix", "False alarm"]
ENDPOINTS = {"/metrics", "/api/v1/status", "/-/healthy", "/-/ready", "/-/reload", "/"}
PACKAGES = {"amtool": "prometheus-alertmanager", "promtool": "prometheus", "curl": "curl", "sed": "sed"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """There is one page per alert, and the index."""
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {*ALERT_NAMES, "README"}


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_the_alert_links_to_its_runbook(alert: str) -> None:
    """``runbook_url`` ends with the path of the page."""
    links = [rule["annotations"]["runbook_url"] for rule in ALERTS if rule["alert"] == alert]
    assert links
    assert all(link.endswith(f"/docs/runbooks/{alert}.md") for link in links)


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_a_runbook_has_every_section(alert: str) -> None:
    """Its title is the alert, and it has all sections in order, none of them empty."""
    title, *parts = re.split(r"^#+ ", (RUNBOOKS / f"{alert}.md").read_text(), flags=re.MULTILINE)[1:]
    assert title.splitlines()[0] == alert
    assert [part.splitlines()[0] for part in parts] == SECTIONS
    assert all("\n".join(part.splitlines()[1:]).strip() for part in parts)


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_a_runbook_states_severity_and_scope(alert: str) -> None:
    """They match the rules; a rule with a threshold series has both severities."""
    rules = [rule["labels"] for rule in ALERTS if rule["alert"] == alert]
    severities = {
        severity
        for labels in rules
        for severity in ([labels["severity"]] if "severity" in labels else ["warning", "critical"])
    }
    scopes = {labels["scope"] for labels in rules}
    line = f"Severity: {' or '.join(sorted(severities, reverse=True))}. Scope: {' or '.join(sorted(scopes))}."
    assert (RUNBOOKS / f"{alert}.md").read_text().splitlines()[2] == line


def test_the_index_lists_every_runbook_once() -> None:
    """The table has one row per alert, with its severity."""
    lines = re.findall(
        r"^\| \[(\w+)\]\(\1\.md\) \| ([\w ]+) \| ", (RUNBOOKS / "README.md").read_text(), re.MULTILINE
    )
    stated = {
        alert: re.findall(r"^Severity: (.*?)\.", (RUNBOOKS / f"{alert}.md").read_text(), re.MULTILINE)[0]
        for alert in ALERT_NAMES
    }
    assert sorted(lines) == sorted(stated.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_metric_on_a_page_exists(page: Path) -> None:
    """Metrics and recorded series on a page exist."""
    known = {*known_series(), *RECORD_LABELS}
    named = re.findall(r"(?<![\w./-])(?:\w+:)?softswitch_[a-z_]+(?::\w+)?", page.read_text())
    assert set(named) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_label_on_a_page_exists(page: Path) -> None:
    """What the prose calls a label exists in some metric or alert."""
    known = frozenset().union(*known_series().values(), {"severity", "scope", "alertname"})
    text = re.sub(r"\s+", " ", page.read_text())
    assert set(re.findall(r"\blabel `(\w+)`", text)) <= known


@pytest.mark.parametrize(("page", "expression"), expressions())
def test_every_name_in_an_expression_exists(page: str, expression: str) -> None:
    """Metrics, labels and label values of a PromQL block exist."""
    assert list(unknown_names(expression, known_series() | RECORD_LABELS)) == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("softswitch_gone == 0", "no metric softswitch_gone"),
        ('softswitch_up{swich="a"}', "no label swich on softswitch_up"),
        ('softswitch_query_failure{reason="bored"}', "no reason bored"),
        ("sum by (tenant) (softswitch_up)", "no label tenant on any of ['softswitch_up']"),
        ("rate(softswitch_request_duration_seconds[5m])", "no metric softswitch_request_duration_seconds"),
    ],
)
def test_unknown_names_are_found(expression: str, problem: str) -> None:
    """The check finds unknown metrics, labels and label values."""
    assert list(unknown_names(expression, known_series())) == [problem]


def test_names_are_parsed_from_expressions() -> None:
    """Functions, durations, groupings and strings are not metrics."""
    found = mentioned(
        'topk(3, sum by (a, b) (rate(x_total{c="d e"}[5m:1m] offset 1w)) > bool 1e3) or on () up'
    )
    assert found.metrics == {"x_total", "up"}
    assert found.matchers == {("x_total", "c", "d e")}
    assert found.groupings == {"a", "b"}


def test_prometheus_parses_every_expression(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """Promtool accepts each PromQL block."""
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
def test_every_runbook_has_an_expression_and_a_command(page: Path) -> None:
    """Both can be copied and pasted."""
    assert page.name in {name for name, _ in expressions()}
    assert page.name in {name for name, _ in shell_lines()}


@pytest.mark.parametrize("line", sorted({line for _, line in shell_lines()}))
def test_every_command_is_valid(line: str, require_program: Callable[[str, str], str]) -> None:
    """The exporter accepts its commands; other programs know the flags, and URLs of the exporter exist."""
    program, *words = shlex.split(line, comments=True)
    if program == "softswitch-exporter":
        parser().parse_args(words[: words.index(">")] if ">" in words else words)
        return
    flags = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert flags <= known_flags(require_program(program, PACKAGES[program]), words)
    for path in re.findall(rf"http://127\.0\.0\.1{DEFAULT_LISTEN_ADDRESS}(/\S*)", line):
        assert path in ENDPOINTS


def known_flags(program: str, words: list[str]) -> set[str]:
    """Return the flags in the help of a program or of the subcommand in ``words``."""
    name = Path(program).name
    before_flags = words[: next((i for i, word in enumerate(words) if word.startswith("-")), len(words))]
    subcommands = [word for word in before_flags if re.fullmatch(r"[a-z]+", word)]
    command = [program, "--help", "all"] if name == "curl" else [program, *subcommands, "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w.-]*", helped.stdout + helped.stderr))


def test_every_reason_has_a_row() -> None:
    """The table of reasons lists every reason in the order of the enum."""
    page = (RUNBOOKS / "SoftswitchRequestsFailing.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [reason.value for reason in Reason]
