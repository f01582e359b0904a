import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.cli import main
from exporter.cli.rules import Form, document
from tests.rule_files import (
    ALERT_NAMES,
    ALERTS_DIRECTORY,
    GROUPS,
    Document,
    name_of,
    rules_for,
    run_unit_tests,
)

_URL = "http://exporter:10390/runbooks"


def _loaded(text: str) -> Document:
    loaded: Document = yaml.safe_load(text)
    return loaded


def _expressions(loaded: Document) -> list[str]:
    return [rule["expr"] for group in loaded["groups"] for rule in group["rules"]]


def test_the_rules_are_those_of_both_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Without flags nothing differs, so the unit tests in ``alerts/tests`` are about this output too."""
    assert main(["rules"]) == 0
    assert _loaded(capsys.readouterr().out) == {"groups": list(GROUPS)}


def test_comments_are_kept() -> None:
    """Those above each rule, but not those above the files, which are about two files."""
    text = document()
    assert text.count("\n      # ") > 50
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Printed by `softswitch-exporter rules`: run it again instead of editing this file."
    ]


@pytest.mark.parametrize("url", [_URL, f"{_URL}/"])
def test_every_alert_links_to_the_runbooks_of_the_operator(url: str) -> None:
    """Nothing else changes."""
    groups = json.loads(
        json.dumps(GROUPS),
        object_hook=lambda found: found | _linked(found) if "runbook_url" in found else found,
    )
    text = document(runbooks=url)
    assert _loaded(text) == {"groups": groups}
    assert {f"{_URL}/{name}" for name in ALERT_NAMES} == set(re.findall(r"https?://\S*/runbooks/\w\S*", text))


def _linked(annotations: dict[str, str]) -> dict[str, str]:
    return {"runbook_url": f"{_URL}/{Path(annotations['runbook_url']).stem}"}


def test_no_expression_has_the_label_team_any_more() -> None:
    """Each place gets the label of the operator; the name of the recorded series stays."""
    before, after = _expressions(_loaded(document())), _expressions(_loaded(document(team_label="owner")))
    word = re.compile(r"\bteam\b")
    assert [word.sub("owner", expression) for expression in before] == after
    assert sum(map(len, map(word.findall, before))) > 10
    assert any("switch_tenant:softswitch_tenant_team:info" in expression for expression in after)


def test_the_rules_pass_their_unit_tests_with_another_label(require_each: Callable[[str, str], str]) -> None:
    """An alert on a tenant carries the label, in either version of promtool."""
    promtool = require_each("promtool", "prometheus")
    tests = (ALERTS_DIRECTORY / "tests/SoftswitchBalanceLow.test.yaml").read_text()
    renamed = yaml.safe_load(re.sub(r"\bteam\b", "owner", tests))
    assert run_unit_tests(promtool, _needed(document(team_label="owner"), renamed), renamed) == ""
    assert "owner=" in run_unit_tests(promtool, _needed(document(), renamed), renamed)


def _needed(text: str, tests: Document) -> Document:
    """Return the rules that the tests need: to evaluate all of them is slow."""
    names = {name_of(rule) for group in rules_for(tests)["groups"] for rule in group["rules"]}
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if name_of(rule) in names]}
        for group in _loaded(text)["groups"]
    ]
    return {"groups": groups}


def test_prometheus_accepts_the_file(require_each: Callable[[str, str], str], tmp_path: Path) -> None:
    """As it is printed, with both flags and no duplicate rules."""
    promtool = require_each("promtool", "prometheus")
    file = tmp_path / "softswitch.yaml"
    file.write_text(document(runbooks=_URL, team_label="owner"))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "duplicate" not in done.stdout


_WORDS_OF_PROMQL = [
    "and", "or", "unless", "atan2", "on", "ignoring", "group_left", "group_right", "by", "without",
    "bool", "offset", "sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk",
    "count_values", "quantile", "limitk", "limit_ratio", "start", "end", "step", "range", "anchored",
    "smoothed", "fill", "inf", "nan", "Inf", "NaN", "INF", "Without",
]  # fmt: skip


def test_a_label_that_is_a_word_of_promql(
    require_each: Callable[[str, str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command rejects exactly those words that promtool rejects, in either version."""
    promtool = require_each("promtool", "prometheus")
    rejected = {"without", "inf", "nan", "Inf", "NaN", "INF", "Without"}
    for words in (
        [word for word in _WORDS_OF_PROMQL if word not in rejected],
        *([word] for word in rejected),
    ):
        file = tmp_path / "rules.yaml"
        rule = {"alert": "A", "expr": f"count by ({', '.join(words)}) (x)"}
        file.write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [rule]}]}))
        done = subprocess.run([promtool, "check", "rules", file], capture_output=True, check=False)
        assert (done.returncode != 0) is (words[0] in rejected), words
    for word in _WORDS_OF_PROMQL:
        accepted = True
        try:
            main(["rules", f"--team-label={word}"])
        except SystemExit:
            accepted = False
        assert accepted is (word not in rejected), word
    assert "PromQL does not accept the label" in capsys.readouterr().err


def test_the_resource_has_the_same_groups() -> None:
    """That of the Prometheus Operator, with the same flags."""
    resource = _loaded(document(Form.PROMETHEUSRULE, _URL, "owner"))
    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"] == _loaded(document(Form.PROMETHEUS, _URL, "owner"))
