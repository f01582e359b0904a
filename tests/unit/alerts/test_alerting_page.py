"""The page on alerting: its examples are taken by the programs they are for, and its tables are true."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.arguments import parser
from exporter.config import load
from tests.documents import PAGES, ROOT, blocks, shell_lines
from tests.promql_names import known_series, unknown_names

PAGE = ROOT / "docs/alerting.md"
RULES = ROOT / "alerts/softswitch.rules.yaml"
ALERTS = ROOT / "alerts/softswitch.alerts.yaml"
EXAMPLE = ROOT / "alerts/alertmanager.example.yaml"


def block(beginning: str) -> str:
    """Return the one block of YAML that begins like this."""
    [text] = [text for text in blocks(PAGE, "yaml") if text.startswith(beginning)]
    return text


def checked(*command: str | Path) -> None:
    """Run a check and show what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def section(heading: str) -> str:
    """Return the text under a heading, down to the next one."""
    return re.split(r"^#+ ", PAGE.read_text().partition(f" {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


@pytest.mark.parametrize("beginning", ["rule_files:", "global:"])
def test_prometheus_takes_the_configurations(
    beginning: str, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """What is shown of prometheus.yml is valid, and the rules are found beside it."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / "prometheus.yml").write_text(block(beginning))
    promtool = require_program("promtool", "prometheus")
    checked(promtool, "check", "config", tmp_path / "prometheus.yml")


def test_the_exporter_takes_its_configuration(tmp_path: Path) -> None:
    """Thresholds and labels come out as the text around the example says."""
    (tmp_path / "pbx-eu.key").write_text("made-up")
    (tmp_path / "config.yaml").write_text(block("switches:"))
    [switch] = load(tmp_path / "config.yaml", {}).switches
    assert switch.settings("ACME").balance_thresholds == {"warning": 100, "critical": 20}
    assert switch.settings("BOREAL").balance_thresholds == {}
    assert switch.settings("ACME").watch == ("100",)


def test_an_alert_of_ones_own_works(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """The example is a valid rule, of series that exist, with what routes and inhibitions need."""
    text = block("groups:")
    (tmp_path / "mine.yaml").write_text(text)
    checked(require_program("promtool", "prometheus"), "check", "rules", tmp_path / "mine.yaml")
    [rule] = yaml.safe_load(text)["groups"][0]["rules"]
    team = {"switch_tenant:softswitch_tenant_team:info": frozenset({"switch", "tenant", "team"})}
    assert list(unknown_names(rule["expr"], known_series() | team)) == []
    assert {"severity", "scope"} <= rule["labels"].keys()


def test_the_address_of_the_runbooks_can_be_replaced(tmp_path: Path) -> None:
    """The command that is shown moves the link of every alert."""
    shutil.copy(ALERTS, tmp_path)
    [line] = [line for page, line in shell_lines() if page == PAGE.name and line.startswith("sed ")]
    subprocess.run(shlex.split(line), cwd=tmp_path, check=True)
    groups = yaml.safe_load((tmp_path / ALERTS.name).read_text())["groups"]
    links = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]
    assert links
    assert all(re.fullmatch(r"https://wiki\.example\.com/runbooks/Softswitch\w+\.md", link) for link in links)


def test_the_table_of_inhibitions_is_true() -> None:
    """Each row is a rule of the example, in its order: what mutes, what is muted, and which labels agree."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", section("Inhibitions"), re.MULTILINE)[1:]
    told = [(_quoted(source), _quoted(target), same.split(", ")) for source, target, same in rows]
    rules = yaml.safe_load(EXAMPLE.read_text())["inhibit_rules"]
    assert told == [
        (_values(rule["source_matchers"]), _values(rule["target_matchers"]), rule["equal"]) for rule in rules
    ]


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def _values(matchers: list[str]) -> list[str]:
    return [value for text in matchers for value in text.split('"')[1].split("|")]


def test_the_table_of_thresholds_is_true() -> None:
    """Each metric of the table is looked at by the alerts beside it, by way of a recording rule or not."""
    expressions = _expressions_by_alert()
    rows = re.findall(r"^\| .+? \| `(softswitch_\w+)` \| (.+?) \|$", section("Thresholds"), re.MULTILINE)
    assert rows
    for metric, alerts in rows:
        assert all(metric in expressions[alert] for alert in _quoted(alerts)), metric


def _expressions_by_alert() -> dict[str, str]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    recorded = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    found: dict[str, str] = {}
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            used = [text for name, text in recorded.items() if name in rule["expr"]]
            found[rule["alert"]] = " ".join((found.get(rule["alert"], ""), rule["expr"], *used))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_flag_in_the_prose_exists(page: Path, require_program: Callable[[str, str], str]) -> None:
    """What stands between backticks in the running text is a flag of one of the programs."""
    programs = (
        (require_program("prometheus", "prometheus"), "--help"),
        (require_program("prometheus-alertmanager", "prometheus-alertmanager"), "--help"),
    )
    helped = [subprocess.run(asked, capture_output=True, text=True, check=False) for asked in programs]
    known = {flag for done in helped for flag in re.findall(r"--[a-z][\w.-]*", done.stdout + done.stderr)}
    known |= set(re.findall(r"--[a-z][\w.-]*", parser().format_help()))
    assert set(re.findall(r"`(--[a-z][\w.-]*)", page.read_text())) <= known
