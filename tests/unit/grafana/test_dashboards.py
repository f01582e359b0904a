"""The dashboards are generated, pass all checks, and show every metric."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Kind
from grafana.generate import dashboards, text
from tests.dashboard_files import DASHBOARDS, DIRECTORY, Dashboard, queries, variables
from tests.dashboard_lint import EXEMPT, problems
from tests.dashboard_mistakes import INVALID, MISTAKES, made
from tests.promql_names import mentioned
from tests.rule_files import RULES

_SHOWN_NOWHERE = {
    catalogue.LOG_LINES_DROPPED.name: "for missing log lines: see docs/operating.md",
    catalogue.LEASE_FAILURES.name: "softswitch_exporter_lease_reachable shows that there are failures",
}
"""Metrics in neither a dashboard nor a rule, with the reason."""


def test_the_files_are_up_to_date() -> None:
    """``make dashboards`` would change nothing, and there are no other files."""
    written = {f"{dashboard.uid}.json": text(dashboard) for dashboard in dashboards()}
    assert {file.name: file.read_text("utf-8") for file in DIRECTORY.iterdir()} == written


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_has_no_problems(uid: str) -> None:
    """All checks pass."""
    assert DASHBOARDS[uid]["uid"] == uid
    assert problems(DASHBOARDS[uid]) == []


def test_the_uids_are_stable() -> None:
    """Bookmarks and links depend on them."""
    assert set(DASHBOARDS) == {
        f"softswitch-{name}" for name in ("overview", "tenants", "tenant", "nodes", "exporter")
    }


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_error_is_found(mistake: str) -> None:
    """The checks report each error in an otherwise correct dashboard."""
    found = problems(made(MISTAKES[mistake]))
    assert any(MISTAKES[mistake].finding in problem for problem in found), found


@pytest.mark.parametrize("exemption", EXEMPT, ids=" ".join)
def test_an_exemption_is_needed(exemption: tuple[str, str]) -> None:
    """The exempted dashboard violates the rule."""
    name, uid = exemption
    assert name not in variables(DASHBOARDS[uid])


def _refused(shown: Iterable[Dashboard], promtool: str, directory: Path) -> str:
    """Return the errors of promtool for the queries, checked as rules."""
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
    """Return a query without variables."""
    return expression.replace("$__rate_interval", "5m").replace("$", "")


def test_every_query_is_promql(require_program: Callable[[str, str], str], tmp_path: Path) -> None:
    """Promtool accepts every query, and rejects an invalid one."""
    promtool = require_program("promtool", "prometheus")
    assert _refused(DASHBOARDS.values(), promtool, tmp_path) == ""
    assert "unexpected identifier" in _refused([made(INVALID)], promtool, tmp_path)


def test_every_metric_is_used() -> None:
    """Each metric is in a dashboard or rule, or exempted with a reason."""
    shown = [asked.expression for dashboard in DASHBOARDS.values() for asked in queries(dashboard)]
    expressions = [*shown, *(rule["expr"] for rule in RULES)]
    used = {name for expression in expressions for name in mentioned(expression).metrics}
    names = {
        metric.name: {f"{metric.name}_bucket"} if metric.kind is Kind.HISTOGRAM else {metric.name}
        for metric in METRICS
    }
    assert {name for name, series in names.items() if not series & used} == set(_SHOWN_NOWHERE)
