"""Runs the unit tests of the rules with another scrape interval, and with scrapes between the evaluations.

promtool takes samples exactly when it evaluates the rules. A real Prometheus scrapes between two evaluations.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from tests.rule_files import Document, rules_for, run_unit_tests
from tests.rule_ranges import seconds

_RUN = re.compile(r"(-?[\d.]+)(?:([+-][\d.]+))?x(\d+)")
_GAP = re.compile(r"_x(\d+)")
_DIFFERS = re.compile(r'exp: \{test="(\d+)"\}.*\n\s+got: (.*)')
_EVER_FIRED = 'max_over_time(ALERTS{alertstate="firing",alertname!="SoftswitchWatchdog"}[1w])'

Fired = dict[str, set[str]]
"""Labels of all alerts that fired, by name of the test."""


@dataclass(frozen=True)
class Scrapes:
    """Seconds between two scrapes, and from an evaluation to the next scrape."""

    interval: int
    offset: int

    @property
    def step(self) -> int:
        """Seconds between two values in the notation of promtool."""
        return math.gcd(self.interval, self.offset)

    def scraped(self, values: str, interval: int) -> str:
        """Return the samples of a series that changes every ``interval`` seconds, in promtool's notation."""
        source = list(expanded(values))
        slots = ["_"] * (len(source) * interval // self.step)
        exists = False
        for at in range(self.offset, len(source) * interval, self.interval):
            value = source[at // interval]
            skipped = source[max(0, at - self.interval) // interval : at // interval]
            if value == "_" and exists and "stale" in skipped:
                value = "stale"
            exists = value != "stale" and (exists or value != "_")
            slots[at // self.step] = value
        return " ".join(_runs(slots))


def expanded(values: str) -> Iterator[str]:
    """Yield the values of promtool's notation: ``1+1x2`` is 1, 2 and 3."""
    for word in values.split():
        if gap := _GAP.fullmatch(word):
            yield from ["_"] * int(gap[1])
        elif run := _RUN.fullmatch(word):
            for number in range(int(run[3]) + 1):
                yield f"{float(run[1]) + number * float(run[2] or 0):.10g}"
        else:
            yield word


def _runs(values: list[str]) -> Iterator[str]:
    for value, run in groupby(values):
        count = len(list(run))
        yield value if count == 1 else f"{value}x{count if value == '_' else count - 1}"


def fired(promtool: str, document: Document, scrapes: Callable[[str], Scrapes]) -> tuple[Fired, Fired]:
    """Return the alerts that fire in the tests of a file as it is, and with other scrapes of its series.

    ``scrapes`` returns how to scrape in the test of a name.
    """
    tests = document["tests"]
    changed = [
        *(_probe(test, None) for test in tests),
        *(_probe(test, scrapes(test["name"])) for test in tests),
    ]
    for number, test in enumerate(changed):
        test["promql_expr_test"][0]["exp_samples"] = [{"labels": f'{{test="{number}"}}', "value": 1}]
    output = run_unit_tests(promtool, rules_for(document), {**document, "tests": changed})
    found = {int(number): set(re.findall(r"\{[^}]*\}", got)) for number, got in _DIFFERS.findall(output)}
    assert found.keys() == set(range(len(changed))), output
    names = [test["name"] for test in tests]
    alerts = [found[number] for number in range(len(changed))]
    return dict(zip(names, alerts, strict=False)), dict(zip(names, alerts[len(names) :], strict=True))


def _probe(test: Document, scrapes: Scrapes | None) -> Document:
    """Return a test that always fails, so that promtool prints every alert that has fired."""
    interval = seconds(test["interval"])
    cases = [*test.get("alert_rule_test", []), *test.get("promql_expr_test", [])]
    last = max((case["eval_time"] for case in cases), key=seconds)
    series = test.get("input_series", [])
    if scrapes:
        series = [{**one, "values": scrapes.scraped(one["values"], interval)} for one in series]
    return {
        "interval": f"{scrapes.step if scrapes else interval}s",
        "input_series": series,
        "promql_expr_test": [{"eval_time": last, "expr": _EVER_FIRED}],
    }
