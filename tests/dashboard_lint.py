"""Checks a dashboard without Grafana and Prometheus.

The rules of Grafana's dashboard-linter (templated data source, job and instance; panels with data source,
title, description, unit and queries; ``$__rate_interval``; counters aggregated after ``rate``), and ours:
variables, links, texts, that two exporters are not counted twice, and that nothing reassures without data: no
text for no data that says more, no constant that looks like a good value, and no trend whose last value may
be old. What the types of the generator exclude, such as misspelled keys, is not checked again.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from grafana_foundation_sdk.models import units

from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Kind
from grafana.preview.panels import KINDS
from grafana.words import UNKNOWN
from tests.dashboard_files import DASHBOARDS, Dashboard, Panel, panels, queries, variables
from tests.promql_names import LABEL_VALUES, TARGET, known_series, unknown_names
from tests.rule_files import RECORD_LABELS
from tests.rule_ranges import fragile

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_UNITS = {unit for name, unit in vars(units).items() if isinstance(unit, str) and not name.startswith("_")}
_BUILT_IN = {"__rate_interval", "__url_time_range", "__data", "__all"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
_OVERRIDABLE = {
    *("unit", "decimals", "mappings", "thresholds", "links", "color"),
    *("custom.cellOptions", "custom.lineStyle", "custom.fillOpacity"),  # custom.filterable is a default
}
"""The properties that our overrides set. Grafana's types accept any text."""

_GAUGES = {metric.name for metric in METRICS if metric.kind is Kind.GAUGE}
_COUNTERS = {metric.name for metric in METRICS if metric.kind is Kind.COUNTER} | {
    f"{metric.name}{suffix}"
    for metric in METRICS
    if metric.kind is Kind.HISTOGRAM
    for suffix in ("_bucket", "_count", "_sum")
}
_OF_A_SCRAPE = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
_SERIES = (
    known_series()
    | RECORD_LABELS
    | dict.fromkeys(_OF_A_SCRAPE, TARGET | {"switch"})
    | {"ALERTS_FOR_STATE": known_series()["ALERTS"]}
)

NO_INSTANCE = "merges the values of two exporters; to select one would hide the values of the other"
EXEMPT = {
    ("instance", "softswitch-overview"): NO_INSTANCE,
    ("instance", "softswitch-tenant"): NO_INSTANCE,
    ("instance", "softswitch-tenants"): NO_INSTANCE,
    ("instance", "softswitch-nodes"): NO_INSTANCE,
}
"""(rule of dashboard-linter, uid) with the reason for the exemption.

Only scraped series must select a job: recorded series and alerts have none. They must select an instance if
there is such a variable.
"""


def problems(dashboard: Dashboard) -> list[str]:
    """Return all problems, each with its location."""
    return [problem for rule in _RULES for problem in rule(dashboard)]


def _variables(dashboard: Dashboard) -> Iterator[str]:
    found = variables(dashboard)
    using = [*panels(dashboard), *dashboard["annotations"]["list"], *dashboard["links"], *found.values()]
    text = json.dumps(using)
    used = {one or other for one, other in _VARIABLE.findall(text)}
    yield from (f"undefined variable {name}" for name in used - found.keys() - _BUILT_IN)
    yield from (f"unused variable {name}" for name in found.keys() - used)
    source = found.get("datasource", {})
    if [source.get(key) for key in ("type", "query", "label")] != ["datasource", "prometheus", "Data source"]:
        yield "no variable for the data source"
    for name in ("job", "instance"):
        if name not in found and (name, dashboard["uid"]) not in EXEMPT:
            yield f"no variable for {name}"


def _panels(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        title = panel.get("title") or f"panel {panel['id']}"
        if panel["type"] not in KINDS:
            yield f"{title}: unknown kind {panel['type']}"
        defaults = panel["fieldConfig"]["defaults"]
        for key, value in (("title", panel.get("title")), ("description", panel.get("description"))):
            if not value:
                yield f"{title}: no {key}"
        if not re.fullmatch(r"No data(: .+)?", defaults.get("noValue", "")):
            yield f"{title}: no text for no data (noValue), or one that says more"
        if panel.get("datasource") != _SOURCE:
            yield f"{title}: its data source is not the selected one"
        yield from (f"{title}: {problem}" for problem in _targets(panel))
        yield from (f"{title}: {problem}" for problem in _looks(panel))
        yield from (f"{title}: {problem}" for problem in _reassurances(panel))


def _targets(panel: Panel) -> Iterator[str]:
    targets = panel.get("targets") or []
    if not targets:
        yield "no query"
    if len({target["refId"] for target in targets}) < len(targets):
        yield "two queries with the same letter"
    for target in targets:
        if target.get("datasource") != _SOURCE:
            yield f"the data source of {target['refId']} is not the selected one"
        over_time = panel["type"] in {"timeseries", "state-timeline", "stat"}
        if bool(target.get("range")) is not over_time or bool(target.get("instant")) is over_time:
            yield f"{target['refId']} is instant or a range query, contrary to the panel type"
        if (target.get("format") == "table") is not (panel["type"] == "table"):
            yield f"{target['refId']} has the wrong format for the panel type"
        if panel["type"] != "table" and not target.get("legendFormat"):
            yield f"{target['refId']} has no legend"


def _reassurances(panel: Panel) -> Iterator[str]:
    """Find what would look like good news without data."""
    for target in panel.get("targets") or []:
        constants = [float(found) for found in re.findall(r"\bvector\(([^()]+)\)", target["expr"])]
        if any(constant not in UNKNOWN for constant in constants):
            yield f"{target['refId']} returns a constant that does not say what is unknown"
        if panel["type"] == "stat" and not re.search(r" or vector\([^()]+\)\)*$", target["expr"]):
            yield f"{target['refId']} may end before the time range: the last value would be an old one"
    of_panel = [panel["fieldConfig"]["defaults"]] + [
        {one["id"]: one["value"] for one in override["properties"]}
        for override in panel["fieldConfig"].get("overrides") or []
    ]
    for setting in of_panel:
        for mapping in setting.get("mappings") or []:
            if mapping["type"] != "value":
                yield f"a mapping of type {mapping['type']}: may match missing values"
                continue
            for value, word in mapping["options"].items():
                constant = UNKNOWN.get(_number(value))
                if constant is not None and (constant.text, constant.colour) != (word["text"], word["color"]):
                    yield f"{value} is not shown as {constant.text}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _looks(panel: Panel) -> Iterator[str]:
    settings = [panel["fieldConfig"]["defaults"]]
    for override in panel["fieldConfig"].get("overrides") or []:
        changes = {change["id"]: change["value"] for change in override["properties"]}
        settings.append(changes)
        yield from (f"unknown override {change}" for change in changes.keys() - _OVERRIDABLE)
        names = _columns(panel) if panel["type"] == "table" else _names(panel)
        if override["matcher"]["id"] == "byName" and override["matcher"]["options"] not in names:
            yield f"no column or series {override['matcher']['options']}"
    for setting in settings:
        unit = setting.get("unit", "none")
        if unit not in _UNITS and not unit.startswith("suffix:"):
            yield f"unknown unit {unit}"
        for mapping in setting.get("mappings") or []:
            words = mapping["options"].values() if mapping["type"] == "value" else []
            if not all(word.get("text") for word in words):
                yield "a state is shown by color alone"
    if panel["type"] == "table":
        unknown = {key["displayName"] for key in panel["options"].get("sortBy") or []} - _columns(panel)
        yield from (f"sorted by an unknown column: {name}" for name in sorted(unknown))


def _columns(panel: Panel) -> set[str]:
    """Return the titles of the columns of a table."""
    options: list[dict[str, Any]] = [
        one["options"] for one in panel.get("transformations") or [] if one["id"] == "organize"
    ]
    return {one["renameByName"].get(name, name) for one in options for name in one["indexByName"]}


def _names(panel: Panel) -> set[str]:
    """Return the possible names of a panel's series, from its legends."""
    legends = {target.get("legendFormat", "") for target in panel["targets"]}
    told = (LABEL_VALUES.get(legend.removeprefix("{{").removesuffix("}}"), {legend}) for legend in legends)
    return set().union(*told)


def _queries(dashboard: Dashboard) -> Iterator[str]:
    for place, expression in queries(dashboard):
        plain = _VARIABLE.sub("x", expression.replace("[$__rate_interval]", "[5m]"))
        yield from (f"{place}: {problem}" for problem in unknown_names(plain, _SERIES))
        yield from (f"{place}: {problem}" for problem in fragile(expression))
        for window in re.findall(r"\b(?:rate|irate|increase)\([^\[]*\[([^\]]+)\]", expression):
            if window != "$__rate_interval":
                yield f"{place}: a rate over {window}, expected $__rate_interval"
        if not place.startswith("variable"):
            by_instance = "instance" in variables(dashboard)
            yield from (f"{place}: {problem}" for problem in _selectors(expression, by_instance=by_instance))


def _selectors(expression: str, *, by_instance: bool) -> Iterator[str]:
    for found in re.finditer(r"([a-zA-Z_][\w]*)\{([^}]*)\}", expression):
        name, matchers, before = found[1], found[2], expression[: found.start()]
        ours = name in _GAUGES | _COUNTERS | _OF_A_SCRAPE and ":" not in before[-1:]
        if ours and 'job=~"$job"' not in matchers:
            yield f"{name} does not select the job"
        if ours and by_instance and 'instance=~"$instance"' not in matchers:
            yield f"{name} does not select the instance"
        if (
            ours
            and name not in _COUNTERS
            and not re.search(r"\b(max|min)( (by|without) \([^)]*\) )?\((last_over_time\()?$", before)
        ):
            yield f"{name} counts two exporters twice: expected max or min around it"
        if name in _COUNTERS and not re.search(r"\b(max|sum) by \([^)]*\) \(rate\($", before):
            yield f"{name} is a counter: expected an aggregated rate around it"


def _links(dashboard: Dashboard) -> Iterator[str]:
    for link in dashboard["links"]:
        if link["type"] == "link" and not link["url"].startswith("${exporter_url}/tenant?switch=${switch:"):
            yield f"a link to an unknown place: {link['url']}"
    for panel in panels(dashboard):
        for override in panel["fieldConfig"].get("overrides") or []:
            for change in override["properties"]:
                for link in change["value"] if change["id"] == "links" else []:
                    yield from (
                        f"{panel['title']}: {problem}" for problem in _link(link["url"], _columns(panel))
                    )


def _link(url: str, columns: set[str]) -> Iterator[str]:
    for name in set(re.findall(r"\$\{__data\.fields\.(\w+)", url)) - columns:
        yield f"a link with the unknown column {name}"
    inside = re.match(r"/d/([\w-]+)\?", url)
    if inside is None:
        if not url.startswith(
            "https://github.com/softswitch-exporter/softswitch-exporter/blob/main/docs/runbooks/"
        ):
            yield f"a link to an unknown place: {url}"
        return
    target = DASHBOARDS.get(inside[1])
    if target is None:
        yield f"a link to an unknown dashboard: {inside[1]}"
        return
    for name in set(re.findall(r"[?&]var-(\w+)=", url)) - variables(target).keys():
        yield f"a link sets an unknown variable of {inside[1]}: {name}"
    for kept in ("${datasource:queryparam}", "${job:queryparam}", "${__url_time_range}"):
        if kept not in url:
            yield f"a link does not keep {kept}"


_RULES: tuple[Callable[[Dashboard], Iterator[str]], ...] = (
    _variables,
    _panels,
    _queries,
    _links,
)
