"""Runs the unit tests of the rules as if Prometheus scraped at another interval, between the evaluations.

promtool takes a sample at each multiple of an interval, at the moment at which it evaluates the rules. A real
Prometheus scrapes at some moment between two evaluations, at the interval that it is configured for.
"""

import json
import math
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.rule_files import Document, rules_for
from tests.rule_ranges import seconds

_RUN = re.compile(r"(-?[\d.]+)(?:([+-][\d.]+))?x(\d+)")
_GAP = re.compile(r"_x(\d+)")
_DIFFERS = re.compile(r'exp: \{test="(\d+)"\}.*\n\s+got: (.*)')
_EVER_FIRED = 'max_over_time(ALERTS{alertstate="firing",alertname!="SoftswitchWatchdog"}[1w])'

Fired = dict[int, set[str]]
"""The labels of every alert that ever fired, by the number of the test."""


@dataclass(frozen=True)
class Scrapes:
    """Seconds between two scrapes, and from an evaluation to the scrape after it."""

    interval: int
    offset: int

    @property
    def step(self) -> int:
        """Seconds between two values in the notation of promtool."""
        return math.gcd(self.interval, self.offset)

    def scraped(self, values: str, interval: int) -> str:
        """Return what is scraped of a series that changes each ``interval`` seconds, as promtool reads it."""
        held = list(expanded(values))
        slots = ["_"] * (len(held) * interval // self.step)
        is_there = False
        for at in range(self.offset, len(held) * interval, self.interval):
            value = held[at // interval]
            passed = held[max(0, at - self.interval) // interval : at // interval]
            if value == "_" and is_there and "stale" in passed:
                value = "stale"
            is_there = value != "stale" and (is_there or value != "_")
            slots[at // self.step] = value
        return " ".join(_runs(slots))


def expanded(values: str) -> Iterator[str]:
    """Return the values of a series of promtool one by one: ``1+1x2`` is 1, 2 and 3."""
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


def fired(promtool: str, document: Document, scrapes: Scrapes | None = None) -> Fired:
    """Return what ever fired in each test of a file, with its series scraped like this."""
    tests = [_asked(number, test, scrapes) for number, test in enumerate(document["tests"])]
    with tempfile.TemporaryDirectory() as directory:
        # What is JSON is YAML as well.
        (Path(directory) / "rules.json").write_text(json.dumps(rules_for(document)))
        file = Path(directory) / "tests.json"
        file.write_text(json.dumps({**document, "tests": tests, "rule_files": ["rules.json"]}))
        done = subprocess.run(
            [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
        )
    said = done.stdout + done.stderr
    found = {int(number): set(re.findall(r"\{[^}]*\}", got)) for number, got in _DIFFERS.findall(said)}
    assert found.keys() == set(range(len(tests))), said
    return found


def _asked(number: int, test: Document, scrapes: Scrapes | None) -> Document:
    """Return a test that fails, so that promtool says what it found in place of an impossible series."""
    interval = seconds(test["interval"])
    cases = [*test.get("alert_rule_test", []), *test.get("promql_expr_test", [])]
    series = [
        {
            "series": one["series"],
            "values": scrapes.scraped(one["values"], interval) if scrapes else one["values"],
        }
        for one in test.get("input_series", [])
    ]
    return {
        "interval": f"{scrapes.step if scrapes else interval}s",
        "input_series": series,
        "promql_expr_test": [
            {
                "eval_time": max((case["eval_time"] for case in cases), key=seconds),
                "expr": _EVER_FIRED,
                "exp_samples": [{"labels": f'{{test="{number}"}}', "value": 1}],
            }
        ],
    }
