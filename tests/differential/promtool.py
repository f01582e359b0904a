"""Unit tests for promtool from scenarios, and the differences between it and the daemon."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from exporter.alerting import rules
from tests.differential.play import MINUTES, Scenario
from tests.rule_files import RULES, Document, Rule, dependencies, name_of, run_unit_tests

NAMES = tuple(dict.fromkeys(rule.name for rule in rules.RULES if rule.condition))

_TOGETHER = 25
"""Scenarios of one promtool test, each with its own switch: the rules are evaluated once for all."""

_PROCESSES = 2
_WITH_TEXTS = 15
_FIRST_TEXTS, _TEXTS_EVERY = 20, 10
"""Scenarios and minutes for which annotations are compared too, which is slow."""


def rule_file(
    changed: Mapping[int, Rule] | None = None, *, names: Collection[str] = NAMES, texts: bool = False
) -> Document:
    """Return the shipped rules that alerts of the daemon need, with annotations if ``texts``.

    ``changed`` replaces some, by position in ``RULES``.
    """
    alerts = [rule for rule in RULES if rule.get("alert") in names]
    wanted = dependencies(text for rule in alerts for text in (rule["expr"], *rule["annotations"].values()))
    kept = [
        {key: part for key, part in rule.items() if texts or key != "annotations"}
        for rule in ((changed or {}).get(position, rule) for position, rule in enumerate(RULES))
        if name_of(rule) in wanted | set(names)
    ]
    return {"groups": [{"name": "all", "interval": "1m", "rules": kept}]}


def unit_tests(scenarios: Sequence[Scenario]) -> Document:
    """Return unit tests that expect the daemon's alerts at every minute of every scenario."""
    portions = [scenarios[first : first + _TOGETHER] for first in range(0, len(scenarios), _TOGETHER)]
    return _document(
        {**_input(portion), "promql_expr_test": [_state_at(portion, minute) for minute in range(MINUTES)]}
        for portion in portions
    )


def text_tests(scenarios: Sequence[Scenario]) -> Document:
    """Return unit tests of the annotations at some minutes, for scenarios in which no daemon was down."""
    steady = [scenario for scenario in scenarios if None not in scenario.alerts]
    minutes = range(_FIRST_TEXTS, MINUTES, _TEXTS_EVERY)
    cases = [_texts_at(steady, minute, name) for minute in minutes for name in NAMES]
    return _document([{**_input(steady), "alert_rule_test": cases}])


def _document(tests: Iterable[Document]) -> Document:
    return {
        "evaluation_interval": "1m",
        "group_eval_order": ["all"],
        "tests": list(tests),
    }


def _input(scenarios: Sequence[Scenario]) -> Document:
    return {
        "name": f"{scenarios[0].name} to {scenarios[-1].name}",
        "interval": "1m",
        "input_series": [
            {"series": series, "values": " ".join(_runs(values))}
            for scenario in scenarios
            for series, values in scenario.series.items()
        ],
    }


def _runs(values: Sequence[str]) -> Iterator[str]:
    """Return values in promtool's notation: ``1x3`` is a 1 and three more, but ``_x3`` is three gaps."""
    for value, run in groupby(values):
        count = len(list(run))
        yield value if count == 1 else f"{value}x{count if value == '_' else count - 1}"


def _state_at(scenarios: Sequence[Scenario], minute: int) -> Document:
    running = {s.name: alerts for s in scenarios if (alerts := s.alerts[minute]) is not None}
    return {
        "eval_time": f"{minute}m",
        "expr": " or ".join(f'ALERTS{{{label}=~"{"|".join(running)}"}}' for label in ("switch", "instance")),
        "exp_samples": [
            {"labels": _selector({**alert.labels, "alertstate": alert.state}), "value": 1}
            for alerts in running.values()
            for alert in alerts
        ],
    }


def _selector(labels: Mapping[str, str]) -> str:
    return "ALERTS{" + ",".join(f"{name}={json.dumps(text)}" for name, text in labels.items()) + "}"


def _texts_at(scenarios: Sequence[Scenario], minute: int, name: str) -> Document:
    firing = [
        alert
        for scenario in scenarios
        for alert in scenario.alerts[minute] or []
        if alert.state == "firing" and alert.labels["alertname"] == name
    ]
    return {
        "eval_time": f"{minute}m",
        "alertname": name,
        "exp_alerts": [
            {
                "exp_labels": {k: v for k, v in alert.labels.items() if k != "alertname"},
                "exp_annotations": {
                    name: _as_rule(text, alert.labels) for name, text in alert.annotations.items()
                },
            }
            for alert in firing
        ],
    }


def _as_rule(text: str, labels: Mapping[str, str]) -> str:
    """Return a text of the daemon as the rule has it: with the name of the exporter that is meant."""
    return (
        text.replace("The exporter ", f"The exporter {labels['instance']} ") if "instance" in labels else text
    )


def disagreements(promtool: str, rules: Document, tests: Document) -> str:
    """Run unit tests over rules; return the differences minute by minute, or ""."""
    output = run_unit_tests(promtool, rules, tests)
    return "\n".join(_differences(output)) or output


def _differences(output: str) -> Iterator[str]:
    for minute, daemon, prometheus in re.findall(r"time: (\w+),\s+exp: ?(.*)\n\s+got: ?(.*)", output):
        sides = [set(re.findall(r"\{[^}]*\}", side)) for side in (daemon, prometheus)]
        yield from (f"{minute}: only the daemon: {one}" for one in sorted(sides[0] - sides[1]))
        yield from (f"{minute}: only Prometheus: {one}" for one in sorted(sides[1] - sides[0]))


def compare(promtool: str, scenarios: Sequence[Scenario]) -> str:
    """Compare the states in all scenarios, and the texts in some; return the differences, or ""."""
    portions = [scenarios[first::_PROCESSES] for first in range(_PROCESSES)]
    with ThreadPoolExecutor(_PROCESSES + 1) as pool:
        runs = [pool.submit(disagreements, promtool, rule_file(), unit_tests(part)) for part in portions]
        texts = text_tests(scenarios[:_WITH_TEXTS])
        runs.append(pool.submit(disagreements, promtool, rule_file(texts=True), texts))
    return "\n".join(filter(None, (run.result() for run in runs)))
