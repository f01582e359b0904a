"""The dashboards: they are what the source writes, nothing is wrong with them, and no metric is left out."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS, Kind
from grafana.generate import dashboards, text
from tests.dashboard_files import DASHBOARDS, DIRECTORY, Dashboard, queries, variables
from tests.dashboard_lint import EXEMPT, problems
from tests.dashboard_mistakes import INVALID, MISTAKES, made
from tests.promql_names import mentioned
from tests.rule_files import RULES

_SHOWN_NOWHERE = {
    metric.name: "who lets the exporter send alerts has no Prometheus, and so no dashboard, as a rule"
    for metric in METRICS
    if metric.name.startswith("softswitch_alerting_")
} | {
    catalogue.LOG_LINES_DROPPED.name: "for whoever misses lines in the log; docs/operating.md names it there",
    catalogue.ROWS_SKIPPED.name: "a rare fault of a switch, which the log names",
}
"""Metrics that neither a dashboard nor a rule uses, with the reason."""


def test_the_files_are_those_of_the_source() -> None:
    """``make dashboards`` would change nothing, and leaves no other file behind."""
    written = {f"{dashboard.uid}.json": text(dashboard) for dashboard in dashboards()}
    assert {file.name: file.read_text("utf-8") for file in DIRECTORY.iterdir()} == written


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_nothing_is_wrong(uid: str) -> None:
    """The lint has nothing to say; its first rule is that Grafana's types read and write the same."""
    assert DASHBOARDS[uid]["uid"] == uid
    assert problems(DASHBOARDS[uid]) == []


def test_the_names_are_the_pinned_ones() -> None:
    """Bookmarks, and links from runbooks and alerts, go by these."""
    assert set(DASHBOARDS) == {f"softswitch-{name}" for name in ("overview", "tenant", "nodes", "exporter")}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_lint_finds_a_mistake(mistake: str) -> None:
    """A dashboard that was right, with one thing wrong, is found out, and for that reason."""
    found = problems(made(MISTAKES[mistake]))
    assert any(MISTAKES[mistake].finding in problem for problem in found), found


@pytest.mark.parametrize("exemption", EXEMPT, ids=" ".join)
def test_an_exemption_is_needed(exemption: tuple[str, str]) -> None:
    """No rule is waived for a dashboard that keeps it."""
    name, uid = exemption
    assert name not in variables(DASHBOARDS[uid])


def _refused(shown: Iterable[Dashboard], promtool: str, directory: Path) -> str:
    """Return what promtool says of the queries, as if they were rules."""
    rules = [
        {"record": f"query:{number}", "expr": _plain(asked.expression)}
        for number, asked in enumerate(asked for dashboard in shown for asked in queries(dashboard))
    ]
    file = directory / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    return done.stderr


def _plain(expression: str) -> str:
    """Return a query with something in place of its variables."""
    return expression.replace("$__rate_interval", "5m").replace("$", "")


def test_every_query_is_promql(require_program: Callable[[str, str], str], tmp_path: Path) -> None:
    """Promtool takes every query, and does not take one that is wrong."""
    promtool = require_program("promtool", "prometheus")
    assert _refused(DASHBOARDS.values(), promtool, tmp_path) == ""
    assert "unexpected identifier" in _refused([made(INVALID)], promtool, tmp_path)


def test_every_metric_is_used() -> None:
    """Each metric of the catalogue is in a dashboard or in a rule, or is exempted with a reason."""
    shown = [asked.expression for dashboard in DASHBOARDS.values() for asked in queries(dashboard)]
    expressions = [*shown, *(rule["expr"] for rule in RULES)]
    used = {name for expression in expressions for name in mentioned(expression).metrics}
    names = {
        metric.name: {f"{metric.name}_bucket"} if metric.kind is Kind.HISTOGRAM else {metric.name}
        for metric in METRICS
    }
    assert {name for name, series in names.items() if not series & used} == set(_SHOWN_NOWHERE)


def test_nothing_is_left_to_the_default_of_the_types() -> None:
    """What the source builds is JSON that reads as the file does: no object is left that has no JSON."""
    for dashboard in dashboards():
        assert json.loads(json.dumps(dashboard, cls=JSONEncoder)) == DASHBOARDS[str(dashboard.uid)]
