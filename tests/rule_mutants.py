"""Changes one number, comparison or duration of a rule at a time, for unit tests that must notice.

All mutants of a rule are evaluated side by side, in one run of promtool: each is a copy of the rule, and of
what rests on it, under names of its own, and each unit test is there once more for each copy.
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
    mentions,
    name_of,
    needed,
    resting_on,
    unit_test,
)

_HIDDEN = re.compile(r'"[^"]*"|\[[^\]]*\]|vector\(1\)|\b0\.000001\b')
"""Numbers that are no thresholds: in strings and ranges, in the watchdog, and the precision of ``round``."""

_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])")
_COMPARISON = re.compile(r"[<>]=?")
_OPPOSITE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FORECASTS = "_spending:"
"""Paces are at a boundary for a moment at most: whether that counts makes no difference."""

_SMALL = 10
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Mutant:
    """A rule in which one thing is not as it was."""

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
    # Blanks in place of what is hidden keep the positions.
    seen = _HIDDEN.sub(lambda found: " " * len(found[0]), expression)
    comparisons = () if _FORECASTS in expression else _COMPARISON.finditer(seen)
    for found in chain(_NUMBER.finditer(seen), comparisons):
        for to in _others(found[0], is_rank=seen[: found.start()].endswith("quantile_over_time(")):
            changed = f"{expression[: found.start()]}{to}{expression[found.end() :]}"
            line = changed[: found.start()].count("\n") + 1
            yield Mutant(f"line {line}: {found[0]} becomes {to}", {**rule, "expr": changed})


def _others(text: str, *, is_rank: bool) -> list[str]:
    """Return what else could stand there: the other comparison, or a lesser and a greater number."""
    if text in _OPPOSITE:
        return [_OPPOSITE[text]]
    number = float(text)
    if is_rank:  # a few samples have few ranks: a small step may stay within one
        return [f"{number * factor:g}" for factor in (0.6, 1.4)]
    if number < _SMALL and number.is_integer():
        return [f"{number - 1:g}", f"{number + 1:g}"]
    return [f"{number * factor:g}" for factor in (0.8, 1.2)]


def survivors(rule: Rule, failures: Callable[[Document, Document], str]) -> list[str]:
    """Return which changes of a rule no unit test notices.

    ``failures`` runs unit tests over rules and returns what it says of those that fail, or "".
    """
    copied = resting_on(name_of(rule))
    alive = dict(enumerate(mutants(rule)))
    cases = [
        case for document in UNIT_TESTS.values() if (case := unit_test(document, copied & set(ALERT_NAMES)))
    ]
    assert cases, f"no unit test of {rule}"
    # The quick ones first: the others need only look at what is left.
    for case in sorted(cases, key=lambda case: len(str(case["tests"]))):
        told = "not run yet"
        while alive and told:
            rules, tests = _side_by_side(case, rule, alive, copied)
            told = failures(rules, tests)
            failed = {number and int(number) for number in _FAILED.findall(told)}
            assert "" not in failed, f"fails without any change: {told}"
            assert bool(failed) == bool(told), told
            # A rule that cannot be evaluated ends the run: what is left is run once more.
            alive = {number: mutant for number, mutant in alive.items() if number not in failed}
    return [mutant.change for mutant in alive.values()]


_FAILED = re.compile(
    r"(?:alertname: |rule: |expr: .*?alertname=\W*)"
    r"(?:Softswitch[A-Za-z]+|\w+:\w+:[a-z0-9]+)(?:_mutant_(\d+))?"
)


def _side_by_side(
    case: Document, changed: Rule, found: Mapping[int, Mutant], copied: set[str]
) -> tuple[Document, Document]:
    """Return the rules that some unit tests need and these tests, each with a copy for each mutant."""
    alerts = mentions(json.dumps(case["tests"])) & set(ALERT_NAMES)
    wanted = alerts | needed(rule["expr"] for rule in RULES if name_of(rule) in alerts)
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
    """Return a part of a document with names of its own for a mutant; paths of runbooks are no names."""
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
