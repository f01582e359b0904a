"""The mixin renders the shipped rules and dashboards, with the changes of its configuration and no others."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _gojsonnet  # type: ignore[import-not-found]  # a compiled module without types
import pytest

from exporter.cli.rules import Form, document
from tests.dashboard_files import DASHBOARDS
from tests.documents import ROOT, blocks
from tests.promql_names import known_series
from tests.rule_files import ALERT_NAMES, GROUPS, RULES

MIXIN = ROOT / "mixin"
_CONFIGURATION = (MIXIN / "config.libsonnet").read_text("utf-8")


def evaluate(code: str) -> Any:
    """Evaluate jsonnet code; ``import`` finds the clone as ``softswitch-exporter``."""

    def find(directory: str, name: str) -> tuple[str, bytes]:
        prefix = "softswitch-exporter/"
        path = ROOT / name.removeprefix(prefix) if name.startswith(prefix) else Path(directory) / name
        return str(path), path.read_bytes()

    return json.loads(_gojsonnet.evaluate_snippet("test.jsonnet", code, import_callback=find))


def render(**config: Any) -> dict[str, Any]:
    """Return the groups of recording rules, those of alerts, and the dashboards."""
    mixin = f"(import 'softswitch-exporter/mixin/mixin.libsonnet') + {{ _config+:: {json.dumps(config)} }}"
    rendered: dict[str, Any] = evaluate(
        f"local mixin = {mixin}; {{ records: mixin.prometheusRules.groups,"
        " alerts: mixin.prometheusAlerts.groups, dashboards: mixin.grafanaDashboards }"
    )
    return rendered


def alerts(rendered: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all alerting rules."""
    return [rule for group in rendered["alerts"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    """Render the mixin without changes."""
    return render()


@pytest.fixture(scope="module")
def selected() -> dict[str, Any]:
    """Render the mixin with a selector."""
    return render(selector='cluster="eu"', exporterSelector='job="pbx"')


def test_the_rules_are_current() -> None:
    """``rules.json`` is what ``make rules`` writes."""
    assert (MIXIN / "rules.json").read_text("utf-8") == document(Form.JSON)


def test_without_changes_it_is_what_is_shipped(default: dict[str, Any]) -> None:
    """The rules and dashboards equal the files in ``alerts`` and ``grafana/dashboards``."""
    rendered = json.dumps(default["records"] + default["alerts"])
    assert json.loads(rendered) == json.loads(json.dumps(GROUPS).replace("4 * 3600", "14400"))
    assert default["dashboards"] == {f"{uid}.json": dashboard for uid, dashboard in DASHBOARDS.items()}


def test_the_selector_is_in_every_series_of_an_exporter(selected: dict[str, Any]) -> None:
    """Recorded series and those of Prometheus do not get it: they may lack the label."""
    ours = {name for name in known_series() if name.startswith("softswitch_")}
    found = set()
    rules = [rule for group in selected["records"] + selected["alerts"] for rule in group["rules"]]
    for rule in rules:
        for name, after in re.findall(r"(?<![\w:])([a-z][a-z_:0-9]*)\b(?!\s*\()(.{0,14})", rule["expr"]):
            assert (after == '{cluster="eu"' or after.startswith('{cluster="eu"')) is (name in ours), rule
            found |= {name} & ours
    assert found == {
        name for name in ours for rule in RULES if re.search(rf"(?<![\w:]){name}(?![\w:])", rule["expr"])
    }
    assert len(found) > 20


def test_the_selector_is_in_every_query_of_a_dashboard(selected: dict[str, Any]) -> None:
    """Including the queries of variables."""
    text = json.dumps(selected["dashboards"])
    series = re.findall(r"(?<![\w:])(softswitch_\w+)(\{[^}]*\})?", re.sub(r'\\"', "'", text))
    queried = [(name, matchers) for name, matchers in series if matchers]
    assert len(queried) > 200
    assert [name for name, matchers in queried if "cluster='eu'" not in matchers] == []
    known = {name for name in known_series() if name.startswith("softswitch_")}
    assert [name for name, matchers in series if not matchers and name in known and f"{name}," in text] == []


def test_both_selectors_are_valid(
    selected: dict[str, Any], tmp_path: Path, require_each: Callable[[str, str], str]
) -> None:
    """Promtool accepts the rules."""
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": selected["records"] + selected["alerts"]}))
    checked = subprocess.run(
        [require_each("promtool", "prometheus"), "check", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout
    assert 'up{job="pbx"}' in file.read_text().replace('\\"', '"')


def test_every_threshold_is_where_it_belongs(default: dict[str, Any]) -> None:
    """A changed threshold is in the expression of an alert, and nothing else changes."""
    section = _CONFIGURATION.partition("thresholds: {")[2]
    names = re.findall(r"^      (\w+): ", section, re.MULTILINE)
    values = {name: 7001 + index for index, name in enumerate(names)}
    changed = alerts(render(thresholds=values))
    places = {
        name: {
            f"{rule['alert']}/{rule['labels'].get('severity')}"
            for rule in changed
            if f"{value}" in rule["expr"]
        }
        for name, value in values.items()
    }
    assert len(places) == 18
    assert {name for name, found in places.items() if len(found) != 1} == set()
    assert places["nodeChannelsCritical"] == {"SoftswitchNodeChannelsNearLimit/critical"}
    assert places["balanceSecondsWarning"] == {"SoftswitchBalanceRunningOut/warning"}
    for before, after in zip(alerts(default), changed, strict=True):
        assert {**before, "expr": ""} == {**after, "expr": ""}


def test_alerts_are_left_out_labeled_and_linked() -> None:
    """``for``, labels and runbooks are those of the configuration."""
    changed = alerts(
        render(
            disabledAlerts=["SoftswitchSpendingSpike"],
            alertFor={"SoftswitchNodeMissing": "10m"},
            alertLabels={"site": "eu"},
            runbooks="http://exporter:10390/runbooks/",
            teamLabel="squad",
        )
    )
    assert {rule["alert"] for rule in changed} == set(ALERT_NAMES) - {"SoftswitchSpendingSpike"}
    assert [rule["for"] for rule in changed if rule["alert"] == "SoftswitchNodeMissing"] == ["10m"]
    assert {rule["labels"]["site"] for rule in changed} == {"eu"}
    assert all(
        rule["annotations"]["runbook_url"] == f"http://exporter:10390/runbooks/{rule['alert']}"
        for rule in changed
    )
    assert not any(re.search(r"\bteam\b", rule["expr"]) for rule in changed)
    assert sum("group_left (squad)" in rule["expr"] for rule in changed) > 10


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"disabledAlerts": ["SoftswitchNothing"]}, "that do not exist: SoftswitchNothing"),
        ({"alertFor": {"SoftswitchNothing": "1m"}}, "that do not exist: SoftswitchNothing"),
        ({"thresholds": {"nodeChanels": 1}}, "thresholds that do not exist: nodeChanels"),
    ],
)
def test_a_typo_is_an_error(config: dict[str, Any], error: str) -> None:
    """The message names it."""
    with pytest.raises(RuntimeError, match=error):
        render(**config)


def test_the_example_of_the_readme_renders() -> None:
    """It returns both rule files and all dashboards."""
    [example] = blocks(MIXIN / "README.md", "jsonnet")
    rendered = evaluate(example)
    assert set(rendered) == {"softswitch.rules.json", "softswitch.alerts.json"} | {
        f"{uid}.json" for uid in DASHBOARDS
    }
    assert "> 0.8" in json.dumps(rendered["softswitch.alerts.json"])
