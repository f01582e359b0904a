"""docs/alerting.md: its examples are valid, and its tables match the rules."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.cli import main
from exporter.cli.arguments import parser
from exporter.cli.rules import document
from exporter.config import load
from tests.documents import PAGES, ROOT, blocks, shell_lines
from tests.promql_names import known_series, unknown_names
from tests.rule_files import ALERT_NAMES, ALERTS, RECORDS, dependencies

PAGE = ROOT / "docs/alerting.md"
EXAMPLE = ROOT / "alerts/alertmanager.example.yaml"


def block(beginning: str) -> str:
    """Return the only YAML block with this beginning."""
    [text] = [text for text in blocks(PAGE, "yaml") if text.startswith(beginning)]
    return text


def check(*command: str | Path) -> None:
    """Run a check that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def section(heading: str) -> str:
    """Return the text between a heading and the next one."""
    text = PAGE.read_text().partition(f" {heading}\n")[2]
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("beginning", ["rule_files:", "global:"])
def test_prometheus_accepts_the_configurations(
    beginning: str, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """The examples of prometheus.yml are valid and find the rule files."""
    (tmp_path / "softswitch.yaml").write_text(document())
    (tmp_path / "prometheus.yml").write_text(block(beginning))
    promtool = require_program("promtool", "prometheus")
    check(promtool, "check", "config", tmp_path / "prometheus.yml")


def test_the_exporter_accepts_its_configuration(tmp_path: Path) -> None:
    """The example sets the thresholds that the text describes."""
    (tmp_path / "pbx-eu.key").write_text("made-up")
    (tmp_path / "config.yaml").write_text(block("switches:"))
    [switch] = load(tmp_path / "config.yaml", {}).switches
    assert switch.settings("ACME").balance_thresholds == {"warning": 100, "critical": 20}
    assert switch.settings("BOREAL").balance_thresholds == {}
    assert switch.settings("ACME").watch == ("100",)


def test_the_custom_alert_is_valid(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """The rule uses existing series and has the labels that routes and inhibitions need."""
    text = block("groups:")
    (tmp_path / "mine.yaml").write_text(text)
    check(require_program("promtool", "prometheus"), "check", "rules", tmp_path / "mine.yaml")
    [rule] = yaml.safe_load(text)["groups"][0]["rules"]
    team = {"switch_tenant:softswitch_tenant_team:info": frozenset({"switch", "tenant", "team"})}
    assert list(unknown_names(rule["expr"], known_series() | team)) == []
    assert {"severity", "scope"} <= rule["labels"].keys()


def test_the_documented_command_prints_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """Every alert links to the exporter in the example, and the prose names the label of the team."""
    [line] = [line for page, line in shell_lines() if page == PAGE.name and " rules " in line and ">" in line]
    command, _, file = line.partition(" > ")
    assert f"- {file}\n" in block("rule_files:")
    assert main(shlex.split(command)[1:]) == 0
    rules = [rule for group in yaml.safe_load(capsys.readouterr().out)["groups"] for rule in group["rules"]]
    links = [rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule]
    url = "http://exporter.example.com:10390/runbooks"
    assert set(links) == {f"{url}/{name}" for name in ALERT_NAMES}


def test_the_table_of_inhibitions_is_correct() -> None:
    """Each row is an inhibition of the example, in order: source, target and equal labels."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", section("Inhibitions"), re.MULTILINE)[1:]
    listed = [(_quoted(source), _quoted(target), same.split(", ")) for source, target, same in rows]
    rules = yaml.safe_load(EXAMPLE.read_text())["inhibit_rules"]
    assert listed == [
        (_values(rule["source_matchers"]), _values(rule["target_matchers"]), rule["equal"]) for rule in rules
    ]


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def _values(matchers: list[str]) -> list[str]:
    return [value for text in matchers for value in text.split('"')[1].split("|")]


def test_the_table_of_thresholds_is_correct() -> None:
    """The alerts in each row use its metric, directly or through a recording rule."""
    rows = re.findall(r"^\| .+? \| `(softswitch_\w+)` \| (.+?) \|$", section("Thresholds"), re.MULTILINE)
    assert rows
    for metric, alerts in rows:
        for name in re.findall(r"`(Softswitch\w+)`", alerts):
            used = [rule["expr"] for rule in ALERTS if rule["alert"] == name]
            used += [RECORDS[record]["expr"] for record in dependencies(used)]
            assert any(metric in expression for expression in used), (metric, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_flag_in_the_prose_exists(page: Path, require_program: Callable[[str, str], str]) -> None:
    """Flags in the prose belong to the exporter, Prometheus or Alertmanager."""
    programs = (
        (require_program("prometheus", "prometheus"), "--help"),
        (require_program("prometheus-alertmanager", "prometheus-alertmanager"), "--help"),
    )
    helped = [subprocess.run(asked, capture_output=True, text=True, check=False) for asked in programs]
    known = {flag for done in helped for flag in re.findall(r"--[a-z][\w.-]*", done.stdout + done.stderr)}
    for help_of in (parser().format_help(), _help_of("rules")):
        known |= set(re.findall(r"--[a-z][\w.-]*", help_of))
    assert set(re.findall(r"`(--[a-z][\w.-]*)", page.read_text())) <= known


def _help_of(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", command, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout
