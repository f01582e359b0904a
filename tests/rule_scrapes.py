"""Runs the unit tests of the rules again as if Prometheus scraped at another pace, between the evaluations.

promtool takes a sample at each multiple of an interval, where it evaluates the rules as well. A real Prometheus
does not: its scrapes lie somewhere between two evaluations, and are as far apart as it is told.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

_RUN = re.compile(r"(-?[\d.]+)(?:([+-][\d.]+))?x(\d+)")
_GAP = re.compile(r"_x(\d+)")
_FIRED = "group by (alertname, severity, scope, switch, tenant, node, extension, job, instance, query, reason, team, rule_group)"


@dataclass(frozen=True)
class Scrapes:
    """Seconds between two scrapes, and from an evaluation to the scrape after it."""

    interval: int
    offset: int

    def series(self, values: str, interval: int) -> tuple[str, int]:
        """Return what is scraped of a series, in the notation of promtool, and the interval of that."""
        held = list(expanded(values))
        step = math.gcd(self.interval, self.offset)
        slots = ["_"] * (len(held) * interval // step)
        gone = True
        for at in range(self.offset, len(held) * interval, self.interval):
            passed = held[max(0, at - self.interval) // interval : at // interval + 1]
            value = held[at // interval]
            if value == "_" and not gone and "stale" in passed:
                value = "stale"
            gone = value == "stale" or (gone and value == "_")
            slots[at // step] = value
        return " ".join(_runs(slots)), step


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
