"""Finds PromQL ranges whose result depends on when samples were taken, and ranges that are too short.

A range must not be a multiple of the distance of its samples. Prometheus 3 excludes a sample that is exactly
as old as the range, 2.x includes it (prometheus/prometheus#13904, 2024-06), and a recorded series is sampled
at exact multiples of its group's interval. So each range is a second longer than whole minutes.

A range must contain two samples, so that one missed scrape or evaluation leaves no gap.
"""

import re
from collections.abc import Iterator, Mapping

from tests.rule_files import GROUPS

SLOWEST_SCRAPES = 120
"""Seconds between two scrapes: the maximum that docs/alerting.md supports."""

LOOKBACK = 300
"""Default lookback of Prometheus for a selector without a range, in seconds."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = r"(?:\d+[smhdw])+"
_SELECTOR = re.compile(
    rf"(?<![\w:\"])(?P<name>(?:\w+:\w+:\w+)|(?:softswitch|prometheus)_\w+|up|ALERTS|ALERTS_FOR_STATE)\b(?!:)"
    rf"(?:{{[^}}]*}})?\s*(?:\[(?P<range>{_DURATION}|\$__rate_interval)\])?"
)
_RANGE = re.compile(rf"\[(?:(?P<range>{_DURATION})(?::(?:{_DURATION})?)?|\$__rate_interval)\]|\[")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_OF_COUNTERS = re.compile(r"\b(?:rate|increase)\s*\(\s*$")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")


def seconds(duration: str) -> int:
    """Return a Prometheus duration in seconds."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", duration))


INTERVALS: Mapping[str, int] = {
    rule["record"]: seconds(group["interval"])
    for group in GROUPS
    for rule in group["rules"]
    if "record" in rule
}
"""Seconds between two samples of each recorded series."""


def fragile(expression: str) -> Iterator[str]:
    """Yield the problems with the ranges of an expression."""
    expression = _GROUPING.sub(" ", _STRING.sub('""', expression))
    for found in _RANGE.finditer(expression):
        if found[0] == "[":
            yield f"cannot parse this range: {expression[found.start() :][:20]}"
        elif found["range"] and seconds(found["range"]) % 60 != 1:
            yield f"[{found['range']}] is not a second longer than whole minutes"
    for found in _SELECTOR.finditer(expression):
        if found["range"] == "$__rate_interval":
            continue  # at least four scrape intervals of the data source (Grafana 7.2)
        name, interval = found["name"], INTERVALS.get(found["name"], SLOWEST_SCRAPES)
        reach = seconds(found["range"]) if found["range"] else LOOKBACK
        needed = 4 if _OF_COUNTERS.search(expression[: found.start()]) else 2
        if reach <= needed * interval:
            yield f"{name} is sampled every {interval} s: {reach} s is not longer than {needed} times that"
