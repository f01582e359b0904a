"""A unit test in ``alerts/tests`` fails for any changed threshold, comparison or duration of a rule.

Rules whose unit tests take long, such as those about a week, are left to ``make mutants``.
"""

from collections.abc import Callable
from functools import partial

import pytest

from tests.rule_files import RULES, Document, Rule, name_of, run_unit_tests
from tests.rule_mutants import EQUIVALENT, MUTABLE, Run, is_long, mutants, report, survivors, unnoticed

TRIED = [rule for rule in MUTABLE if not is_long(rule)]


@pytest.fixture
def run(require_program: Callable[[str, str], str]) -> Run:
    """Return a function that runs unit tests with rules."""
    return partial(run_unit_tests, require_program("promtool", "prometheus"))


@pytest.mark.parametrize("rule", TRIED, ids=name_of)
def test_every_change_is_noticed(rule: Rule, run: Run) -> None:
    """A unit test covers each number, comparison, ``for`` and ``keep_firing_for`` of a rule."""
    assert unnoticed(rule, run) == []


def test_most_rules_are_tried() -> None:
    """Only rules about money and weeks, and what many alerts use, are left to ``make mutants``."""
    assert len(TRIED) > len(MUTABLE) / 2


def test_an_unnoticed_change_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """``make mutants`` prints it and fails."""
    first, second, *_ = MUTABLE

    assert report([(first, [])]) == 0
    assert report([(first, []), (second, ["for: 60s"])]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  for: 60s"


def test_every_exemption_is_a_change() -> None:
    """Each exemption is for an existing change."""
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
def test_changes(rule: Rule, changes: list[str]) -> None:
    """Numbers change in both directions, durations by half; ranges and names stay."""
    found = [mutant.change for mutant in mutants(rule)]
    assert len(found) == len(changes)
    assert all(change.endswith(to) for change, to in zip(found, changes, strict=True))


def test_lax_unit_tests_are_detected(run: Run) -> None:
    """If unit tests cannot fail, every change goes unnoticed."""
    (rule,) = (rule for rule in RULES if name_of(rule) == "SoftswitchApiDown")

    def lax(rules: Document, tests: Document) -> str:
        for test in tests["tests"]:
            test["alert_rule_test"] = [case for case in test["alert_rule_test"] if not case.get("exp_alerts")]
            test["promql_expr_test"] = []
            test["input_series"] = []
        return run(rules, tests)

    assert survivors(rule, lax) == [mutant.change for mutant in mutants(rule)]
