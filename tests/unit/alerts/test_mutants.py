"""A unit test of ``alerts/tests`` notices a change of any threshold, comparison or duration."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.rule_files import RULES, Document, Rule, name_of
from tests.rule_mutants import mutants, survivors

MUTABLE = [rule for rule in RULES if any(mutants(rule))]

EQUIVALENT = {
    ("switch_query_scope:softswitch_query_pace_seconds:max", "line 2: > becomes >="): (
        "of two that are alike either is the larger"
    ),
}
"""Changes that change nothing, with the reason."""


def failures(promtool: str, rules: Document, tests: Document) -> str:
    """Run unit tests over rules and return what promtool says of those that fail."""
    with tempfile.TemporaryDirectory() as directory:
        # What is JSON is YAML as well.
        (Path(directory) / "rules.json").write_text(json.dumps(rules))
        (Path(directory) / "tests.json").write_text(json.dumps(tests | {"rule_files": ["rules.json"]}))
        done = subprocess.run(
            [promtool, "test", "rules", "tests.json"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    assert bool(done.returncode) == ("FAILED:" in said), said
    return said if done.returncode else ""


@pytest.fixture(scope="module")
def unnoticed(require_program: Callable[[str, str], str]) -> Iterator[list[Future[list[str]]]]:
    """Give which changes of each rule go unnoticed; they are tried on all processors."""
    run = partial(failures, require_program("promtool", "prometheus"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield [pool.submit(survivors, rule, run) for rule in MUTABLE]
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("number", range(len(MUTABLE)), ids=lambda number: name_of(MUTABLE[number]))
def test_every_change_is_noticed(number: int, unnoticed: list[Future[list[str]]]) -> None:
    """Each number, comparison, ``for`` and ``keep_firing_for`` of a rule matters to a unit test."""
    name = name_of(MUTABLE[number])
    assert [change for change in unnoticed[number].result() if (name, change) not in EQUIVALENT] == []


def test_every_exemption_is_a_change() -> None:
    """No exemption has outlived the rule that it is for."""
    changes = {(name_of(rule), mutant.change) for rule in MUTABLE for mutant in mutants(rule)}
    assert changes >= EQUIVALENT.keys()


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ({"expr": 'x{a="1"} > 0.5', "for": "2m"}, ["for: 60s", "for: 180s", "0.4", "0.6", ">="]),
        ({"expr": "rate5m[5m] <= 20 * y offset 1w"}, ["16", "24", "<"]),
        ({"expr": "max_over_time(x[1d]) == 3", "keep_firing_for": "1h"}, ["1800s", "5400s", "2", "4"]),
        ({"expr": "quantile_over_time(0.5, x[1h]) > -1"}, ["0.3", "0.7", "0", "2", ">="]),
    ],
)
def test_what_is_changed(rule: Rule, changes: list[str]) -> None:
    """Numbers are changed both ways, durations by half; ranges and names are left."""
    found = [mutant.change for mutant in mutants(rule)]
    assert len(found) == len(changes)
    assert all(change.endswith(to) for change, to in zip(found, changes, strict=True))


def test_a_lax_unit_test_is_found_out(require_program: Callable[[str, str], str]) -> None:
    """Where the unit tests are kept from failing, every change goes unnoticed."""
    (rule,) = (rule for rule in RULES if name_of(rule) == "SoftswitchApiDown")
    run = partial(failures, require_program("promtool", "prometheus"))

    def lax(rules: Document, tests: Document) -> str:
        for test in tests["tests"]:
            test["alert_rule_test"] = [case for case in test["alert_rule_test"] if not case.get("exp_alerts")]
            test["promql_expr_test"] = []
            test["input_series"] = []
        return run(rules, tests)

    assert survivors(rule, lax) == [mutant.change for mutant in mutants(rule)]
