"""Changes one number, comparison or duration of a rule at a time, and checks that a unit test fails.

One run of promtool evaluates all mutants of a rule: each is a renamed copy of the rule and its dependents,
and each unit test is repeated for each copy.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.rule_files import (
    ALERT_NAMES,
    RULES,
    UNIT_TESTS,
    Document,
    Rule,
    dependencies,
    dependents,
    mentions,
    name_of,
    select_cases,
)

_HIDDEN = re.compile(r'"[^"]*"|\[[^\]]*\]|vector\(1\)|\b0\.000001\b')
"""Numbers that are not thresholds: in strings and ranges, in the watchdog, and the precision of ``round``."""

_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])")
_COMPARISON = re.compile(r"[<>]=?")
_OPPOSITE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FORECASTS = "_spending:"
"""Spending rates equal a threshold for a moment at most, so ``<`` and ``<=`` are equivalent."""

_SMALL = 10
_SECONDS = {"s": 1, "m": 60, "h": 3600}


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


def survivors(rule: Rule, failures: Callable[[Document, Document], str]) -> list[str]:
    """Return the changes of a rule that no unit test notices.

    ``failures`` runs unit tests with rules and returns the output about those that fail, or "".
    """
    copied = dependents(name_of(rule))
    alive = dict(enumerate(mutants(rule)))
    cases = [
        case
        for document in UNIT_TESTS.values()
        if (case := select_cases(document, copied & set(ALERT_NAMES)))
    ]
    assert cases, f"no unit test of {rule}"
    # Fast ones first: the others run with the remaining mutants only.
    for case in sorted(cases, key=lambda case: len(str(case["tests"]))):
        complete = False
        while alive and not complete:
            rules, tests = _side_by_side(case, rule, alive, copied)
            output = failures(rules, tests)
            failed = {number and int(number) for number in _FAILED.findall(output)}
            assert "" not in failed, f"fails without any change: {output}"
            assert bool(failed) == bool(output), output
            alive = {number: mutant for number, mutant in alive.items() if number not in failed}
            # promtool aborts a test when a rule cannot be evaluated: repeat it with the other mutants.
            complete = ", err: " not in output
    return [mutant.change for mutant in alive.values()]


_FAILED = re.compile(
    r"(?:alertname: |rule: |expr: .*?alertname=\W*)"
    r"(?:Softswitch[A-Za-z]+|\w+:\w+:[a-z0-9]+)(?:_mutant_(\d+))?"
)


def _side_by_side(
    case: Document, changed: Rule, found: Mapping[int, Mutant], copied: set[str]
) -> tuple[Document, Document]:
    """Return the rules of some unit tests and these tests, each with a copy for each mutant."""
    alerts = mentions(json.dumps(case["tests"])) & set(ALERT_NAMES)
    wanted = alerts | dependencies(rule["expr"] for rule in RULES if name_of(rule) in alerts)
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


def _with_copies(test: Document, numbers: Iterable[int], copied: set[str], rules: str) -> Document:
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


def _renamed(value: Any, names: set[str], number: int) -> Any:
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
