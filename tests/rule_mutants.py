"""Changes one number, comparison or duration of a rule at a time, and checks that a unit test fails.

    .venv/bin/python -m tests.rule_mutants

One run of promtool evaluates all mutants of a rule: each is a renamed copy of the rule and its dependents,
and each unit test is repeated for each copy.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from tests.rule_files import (
    ALERT_NAMES,
    ALERTS,
    LONG_UNIT_TESTS,
    RULES,
    UNIT_TESTS,
    Document,
    Rule,
    dependencies,
    dependents,
    mentions,
    name_of,
    promtools,
    run_shipped_unit_tests,
    run_unit_tests,
    select_cases,
)
from tests.rule_ranges import seconds

_HIDDEN = re.compile(r'"[^"]*"|\[[^\]]*\]|vector\(1\)|\b0\.000001\b')
"""Numbers that are not thresholds: in strings and ranges, in the watchdog, and the precision of ``round``."""

_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])")
_COMPARISON = re.compile(r"[<>]=?")
_OPPOSITE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FORECASTS = "_spending:"
"""Spending rates equal a threshold for a moment at most, so ``<`` and ``<=`` are equivalent."""

_SMALL = 10
_SECONDS = {"s": 1, "m": 60, "h": 3600}

_LONG = 5_000
"""Evaluations of rules that promtool makes in about a second."""

EQUIVALENT = {
    ("switch_query_scope:softswitch_query_pace_seconds:max", "line 2: > becomes >="): (
        "if both are equal, either is the maximum"
    ),
}
"""Changes without an effect, with the reason."""


@dataclass(frozen=True)
class Mutant:
    """A changed rule."""

    change: str
    rule: Rule


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Return every mutant of a rule."""
    for key in ("for", "keep_firing_for"):
        if key in rule:
            seconds = int(rule[key][:-1]) * _SECONDS[rule[key][-1]]
            for to in (f"{seconds // 2}s", f"{seconds * 3 // 2}s"):
                yield Mutant(f"{key}: {to}", {**rule, key: to})
    expression = rule["expr"]
    # Blanks keep the positions.
    seen = _HIDDEN.sub(lambda found: " " * len(found[0]), expression)
    comparisons = () if _FORECASTS in expression else _COMPARISON.finditer(seen)
    for found in chain(_NUMBER.finditer(seen), comparisons):
        for to in _others(found[0], is_rank=seen[: found.start()].endswith("quantile_over_time(")):
            changed = f"{expression[: found.start()]}{to}{expression[found.end() :]}"
            line = changed[: found.start()].count("\n") + 1
            yield Mutant(f"line {line}: {found[0]} becomes {to}", {**rule, "expr": changed})


def _others(text: str, *, is_rank: bool) -> list[str]:
    """Return the replacements: the other comparison, or a smaller and a larger number."""
    if text in _OPPOSITE:
        return [_OPPOSITE[text]]
    number = float(text)
    if is_rank:  # few samples have few ranks: a small step can stay within the same rank
        return [f"{number * factor:g}" for factor in (0.6, 1.4)]
    if number < _SMALL and number.is_integer():
        return [f"{number - 1:g}", f"{number + 1:g}"]
    return [f"{number * factor:g}" for factor in (0.8, 1.2)]


MUTABLE = [rule for rule in RULES if any(mutants(rule))]

Run = Callable[[Document, Document], str]
"""Runs unit tests with rules; returns the output about those that fail, or ""."""


def unnoticed(rule: Rule, run: Run) -> list[str]:
    """Return the changes of a rule that have an effect and that no unit test notices."""
    return [change for change in survivors(rule, run) if (name_of(rule), change) not in EQUIVALENT]


def survivors(rule: Rule, run: Run) -> list[str]:
    """Return the changes of a rule that no unit test notices."""
    copied = dependents(name_of(rule))
    alive = dict(enumerate(mutants(rule)))
    cases = _cases(rule)
    assert cases, f"no unit test of {rule}"
    for case in cases:
        complete = False
        while alive and not complete:
            rules, tests = _side_by_side(case, rule, alive, copied)
            output = run(rules, tests)
            failed = {number and int(number) for number in _FAILED.findall(output)}
            assert "" not in failed, f"fails without any change: {output}"
            assert bool(failed) == bool(output), output
            alive = {number: mutant for number, mutant in alive.items() if number not in failed}
            # promtool aborts a test when a rule cannot be evaluated: repeat it with the other mutants.
            complete = ", err: " not in output
    return [mutant.change for mutant in alive.values()]


def is_long(rule: Rule) -> bool:
    """Return whether the unit tests of a rule take promtool long, with all its mutants."""
    users = _users(rule)
    return sum(_evaluations(case, rule) for case in _cases(rule) if _alerts(case) & users) > _LONG


def _cases(rule: Rule) -> list[Document]:
    """Return the unit tests of a rule and its dependents: those of its users first, and fast ones first.

    The others run with the remaining mutants only.
    """
    alerts, users = dependents(name_of(rule)) & set(ALERT_NAMES), _users(rule)
    cases = [case for document in UNIT_TESTS.values() if (case := select_cases(document, alerts))]
    return sorted(cases, key=lambda case: (not _alerts(case) & users, _evaluations(case, rule)))


def _users(rule: Rule) -> AbstractSet[str]:
    """Return the alert itself, or the alerts that use a recorded series, if possible directly."""
    name = name_of(rule)
    direct = {alert["alert"] for alert in ALERTS if name in {alert["alert"], *mentions(alert["expr"])}}
    return direct or dependents(name) & set(ALERT_NAMES)


def _alerts(case: Document) -> AbstractSet[str]:
    return mentions(json.dumps(case["tests"])) & set(ALERT_NAMES)


def _wanted(case: Document) -> AbstractSet[str]:
    """Return the names of the rules that a case needs."""
    alerts = _alerts(case)
    return alerts | dependencies(rule["expr"] for rule in RULES if name_of(rule) in alerts)


def _evaluations(case: Document, rule: Rule) -> int:
    """Return how often rules are evaluated in a case with all mutants of a rule."""
    wanted = _wanted(case)
    copies = len(list(mutants(rule))) * len(wanted & dependents(name_of(rule)))
    ends = [
        max(seconds(part["eval_time"]) for part in (*test["alert_rule_test"], *test["promql_expr_test"]))
        for test in case["tests"]
    ]
    return sum(ends) // seconds(case["evaluation_interval"]) * (len(wanted) + copies)


_FAILED = re.compile(
    r"(?:alertname: |rule: |expr: .*?alertname=\W*)"
    r"(?:Softswitch[A-Za-z]+|\w+:\w+:[a-z0-9]+)(?:_mutant_(\d+))?"
)


def _side_by_side(
    case: Document, changed: Rule, found: Mapping[int, Mutant], copied: AbstractSet[str]
) -> tuple[Document, Document]:
    """Return the rules of some unit tests and these tests, each with a copy for each mutant."""
    wanted = _wanted(case)
    rules: list[Rule] = []
    for rule in RULES:
        if name_of(rule) in wanted:
            rules.append(rule)
        if name_of(rule) in wanted & copied:
            copies = ((mutant.rule if rule == changed else rule, number) for number, mutant in found.items())
            rules.extend(_renamed(copy, copied, number) for copy, number in copies)
    tests = [_with_copies(test, found, copied, str(rules)) for test in case["tests"]]
    return {"groups": [{"name": "all", "rules": rules}]}, {
        **case,
        "tests": tests,
        "group_eval_order": ["all"],
    }


def _with_copies(test: Document, numbers: Iterable[int], copied: AbstractSet[str], rules: str) -> Document:
    kinds = {
        kind: [
            copy
            for original in test[kind]
            for copy in (original, *(_renamed(original, copied, number) for number in numbers))
        ]
        for kind in ("alert_rule_test", "promql_expr_test")
    }
    series = [one for one in test["input_series"] if one["series"].partition("{")[0] in rules]
    return {**test, **kinds, "input_series": series}


def _renamed(value: Any, names: AbstractSet[str], number: int) -> Any:
    """Return a part of a document with the names of a mutant; a runbook's path keeps its name."""
    if isinstance(value, dict):
        return {key: _renamed(part, names, number) for key, part in value.items() if key != "runbook_url"} | {
            key: part for key, part in value.items() if key == "runbook_url"
        }
    if isinstance(value, list):
        return [_renamed(part, names, number) for part in value]
    if not isinstance(value, str):
        return value
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w:])(?:{pattern})(?![\w:])", rf"\g<0>_mutant_{number}", value)


def main() -> int:
    """Try every change of every rule; print those that no unit test notices, and fail if there are any.

    Before that, run the unit tests that the test suite does not run with the newest promtool.
    """
    promtool, *newer = promtools()
    for newest in newer:
        for file in LONG_UNIT_TESTS:
            if output := run_shipped_unit_tests(newest, file):
                sys.exit(output)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tried = pool.map(partial(unnoticed, run=partial(run_unit_tests, promtool)), MUTABLE)
        return report(zip(MUTABLE, tried, strict=True))


def report(results: Iterable[tuple[Rule, Sequence[str]]]) -> int:
    """Print the unnoticed changes of each rule; return 1 if there are any."""
    found = 0
    for rule, changes in results:
        found += len(changes)
        sys.stdout.write(f"{name_of(rule)}: {len(list(mutants(rule)))} changes, {len(changes)} unnoticed\n")
        sys.stdout.writelines(f"  {change}\n" for change in changes)
        sys.stdout.flush()
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
