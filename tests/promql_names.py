"""Finds the metrics and labels in a PromQL expression that do not exist in the catalogue."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.metrics import catalogue
from exporter.metrics.metric import Kind
from exporter.model import Query, Reason, Scope
from exporter.queries.call_records import DIRECTIONS, DISPOSITIONS, OTHER
from exporter.queries.queue import AGENTS, CALLS

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])")
_WORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without", "on", "ignoring"}
    | {"group_left", "group_right", "sum", "min", "max", "avg", "count", "group", "topk", "quantile"}
)

TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus adds to every scraped series."""

CONFIGURED = frozenset({"team"})
"""Tenant labels in the example configurations."""

_ALERT = frozenset(
    {"alertname", "alertstate", "severity", "scope"}
    | {"switch", "node", "trunk", "tenant", "extension", "queue", "query", "team"}
)

OF_PROMETHEUS = {
    "up": TARGET | {"switch"},  # with one target per switch
    "ALERTS": _ALERT | TARGET,
    "scrape_samples_scraped": TARGET | {"switch"},
    "prometheus_rule_evaluation_failures_total": TARGET | {"rule_group"},
    "prometheus_rule_group_last_duration_seconds": TARGET | {"rule_group"},
    "prometheus_notifications_alertmanagers_discovered": TARGET,
    "prometheus_notifications_errors_total": TARGET | {"alertmanager"},
}
"""Other series than the exporter's, with their labels."""

LABEL_VALUES = {
    "query": {query.value for query in Query},
    "scope": {scope.value for scope in Scope},
    "reason": {reason.value for reason in Reason} | {"in_flight", "backoff", "breaker", "budget"},
    "state": {"registered", "unregistered", "unknown", "firing", "pending"} | set(AGENTS),
    "outcome": set(CALLS),
    "severity": {"critical", "warning"},
    "direction": {*DIRECTIONS, OTHER},
    "disposition": {*DISPOSITIONS, OTHER},
}
"""Labels with a fixed set of values."""


@dataclass(frozen=True)
class Mentioned:
    """Metrics, (metric, label, value) of selectors, and labels of groupings in an expression."""

    metrics: frozenset[str]
    matchers: frozenset[tuple[str, str, str]]
    groupings: frozenset[str]


def mentioned(expression: str) -> Mentioned:
    """Parse an expression, without checking its syntax."""
    matchers = {
        (metric, label, value[1:-1])
        for metric, body in _SELECTOR.findall(expression)
        for label, value in _MATCHER.findall(body)
    }
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", _STRING.sub('""', expression))
    groupings = {label.strip() for body in _GROUPING.findall(bare) for label in body.split(",")} - {""}
    names = set(_NAME.findall(_GROUPING.sub(" ", bare))) - _WORDS
    durations = {name for name in names if re.fullmatch(r"[smhdwy]", name)}
    return Mentioned(frozenset(names - durations), frozenset(matchers), frozenset(groupings))


def known_series() -> dict[str, frozenset[str]]:
    """Return every existing series name with its labels."""
    series = dict(OF_PROMETHEUS)
    for metric in catalogue.METRICS:
        labels = frozenset(metric.labels) | TARGET
        if metric is catalogue.TENANT_INFO:
            labels |= CONFIGURED
        if metric.kind is Kind.HISTOGRAM:
            series |= {f"{metric.name}_count": labels, f"{metric.name}_sum": labels}
            series[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            series[metric.name] = labels
    return series


def unknown_names(expression: str, series: dict[str, frozenset[str]]) -> Iterator[str]:
    """Yield a message for each metric, label and label value that does not exist."""
    found = mentioned(expression)
    for metric in sorted(found.metrics - series.keys()):
        yield f"no metric {metric}"
    for metric, label, value in sorted(found.matchers):
        if label not in series.get(metric, {label}):
            yield f"no label {label} on {metric}"
        if metric != "ALERTS" and label in LABEL_VALUES and value not in {"", ".+"}:
            yield from (f"no {label} {one}" for one in value.split("|") if one not in LABEL_VALUES[label])
    of_all = frozenset().union(*(series.get(metric, frozenset()) for metric in found.metrics))
    for label in sorted(found.groupings - of_all):
        yield f"no label {label} on any of {sorted(found.metrics)}"
