"""Errors in dashboards that the checks must find."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.dashboard_files import DASHBOARDS, Dashboard, Panel, panels, variables


class Mistake(NamedTuple):
    """A change of a dashboard, by default the overview, and a part of the expected message."""

    make: Callable[[Dashboard], object]
    finding: str
    uid: str = "softswitch-overview"


def made(mistake: Mistake) -> Dashboard:
    """Return a dashboard with the error."""
    dashboard = copy.deepcopy(DASHBOARDS[mistake.uid])
    mistake.make(dashboard)
    return dashboard


def _panel(dashboard: Dashboard, title: str) -> Panel:
    (found,) = (panel for panel in panels(dashboard) if panel["title"] == title)
    return found


def _place(dashboard: Dashboard, title: str, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path in a panel."""
    place: Any = _panel(dashboard, title)
    for key in path:
        place = place[key]
    return place


def _set(title: str, *path: str | int, to: Any) -> Callable[[Dashboard], None]:
    """Replace the value at a path in a panel."""

    def change(dashboard: Dashboard) -> None:
        _place(dashboard, title, path[:-1])[path[-1]] = to

    return change


def _ask(title: str, old: str, new: str) -> Callable[[Dashboard], None]:
    """Replace text in the queries of a panel."""

    def change(dashboard: Dashboard) -> None:
        for target in _panel(dashboard, title)["targets"]:
            assert old in target["expr"], target["expr"]
            target["expr"] = target["expr"].replace(old, new)

    return change


def _vary(name: str, **keys: Any) -> Callable[[Dashboard], None]:
    return lambda dashboard: variables(dashboard)[name].update(keys)


def _without(name: str) -> Callable[[Dashboard], None]:
    def change(dashboard: Dashboard) -> None:
        listed = dashboard["templating"]["list"]
        listed.remove(variables(dashboard)[name])

    return change


def _property(title: str, name: str, **changed: Any) -> Callable[[Dashboard], None]:
    """Change the first override with this property."""

    def change(dashboard: Dashboard) -> None:
        for override in _panel(dashboard, title)["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == name:
                    one.update(changed)
                    return

    return change


_EXPORTER = "softswitch-exporter"
_TENANT = "softswitch-tenant"
_NULL_IS_GOOD = [
    {"type": "special", "options": {"match": "null", "result": {"text": "ok", "color": "green"}}}
]
_UNKNOWN_IS_GOOD = [{"type": "value", "options": {"-0.001": {"text": "none", "color": "green"}}}]
_WORDLESS = [{"type": "value", "options": {"0": {"text": "", "color": "red"}}}]

MISTAKES = {
    "unknown kind of panel": Mistake(_set("Calls", "type", to="timeserie"), "unknown kind"),
    "wrong kind of panel": Mistake(_set("Switches", "type", to="stat"), "for the panel type"),
    "misspelled override": Mistake(
        _property("Calls", "custom.lineStyle", id="custom.linestyle"), "unknown override"
    ),
    "override of no column": Mistake(
        _set("Switches", "fieldConfig", "overrides", 0, "matcher", "options", to="swich"),
        "no column or series swich",
    ),
    "override of no series": Mistake(
        _set("Phones by state", "fieldConfig", "overrides", 0, "matcher", "options", to="offline"),
        "no column or series offline",
        _TENANT,
    ),
    "sorted by no column": Mistake(
        _set("Switches", "options", "sortBy", 0, "displayName", to="up"), "sorted by"
    ),
    "no title": Mistake(_set("Calls", "title", to=""), "no title"),
    "no description": Mistake(_set("Calls", "description", to=""), "no description"),
    "no words for no data": Mistake(_set("Calls", "fieldConfig", "defaults", "noValue", to=""), "noValue"),
    "good news for no data": Mistake(
        _set("Alerts", "fieldConfig", "defaults", "noValue", to="Nothing fires"), "noValue"
    ),
    "zero for no data": Mistake(
        _ask("Firing alerts", "vector(-0.001)", "vector(0)"), "does not say what is unknown"
    ),
    "a negative constant without a word": Mistake(
        _ask("Firing alerts", "vector(-0.001)", "vector(-1)"), "does not say what is unknown"
    ),
    "good news for a constant": Mistake(
        _set("Firing alerts", "fieldConfig", "defaults", "mappings", to=_UNKNOWN_IS_GOOD),
        "-0.001 is not shown as NO DATA",
    ),
    "good news for a constant in one column": Mistake(
        _property("Switches", "mappings", value=_UNKNOWN_IS_GOOD), "-0.001 is not shown as NO DATA"
    ),
    "good news for a missing value": Mistake(
        _set("Alerts", "fieldConfig", "defaults", "mappings", to=_NULL_IS_GOOD), "may match missing values"
    ),
    "old value of a trend": Mistake(
        _set("Firing alerts", "targets", 0, "expr", to='count(ALERTS{alertname=~"Softswitch.+"})'),
        "would be an old one",
    ),
    "link to another place": Mistake(
        lambda dashboard: dashboard["links"][1].update(url="/tenant"), "unknown place: /tenant", _TENANT
    ),
    "unknown unit": Mistake(_set("Calls", "fieldConfig", "defaults", "unit", to="calls"), "unknown unit"),
    "unknown unit of a column": Mistake(_property("Switches", "unit", value="sec"), "unknown unit"),
    "fixed data source": Mistake(_set("Calls", "datasource", "uid", to="prometheus"), "data source"),
    "fixed data source of a query": Mistake(
        _set("Calls", "targets", 0, "datasource", "uid", to="prometheus"), "data source"
    ),
    "no query": Mistake(_set("Calls", "targets", to=[]), "no query"),
    "one letter twice": Mistake(_set("Calls", "targets", 1, "refId", to="A"), "two queries with the same"),
    "no legend": Mistake(_set("Calls", "targets", 0, "legendFormat", to=""), "no legend"),
    "a table asks over time": Mistake(_set("Switches", "targets", 0, "instant", to=False), "is instant or"),
    "colour alone": Mistake(_property("Switches", "mappings", value=_WORDLESS), "color alone"),
    "undefined variable": Mistake(_ask("Calls", "$switch", "$pbx"), "undefined variable pbx"),
    "variable that is gone": Mistake(_without("switch"), "undefined variable switch"),
    "no variable for the job": Mistake(_without("job"), "no variable for job"),
    "no variable for the instance": Mistake(_without("instance"), "no variable for instance", _EXPORTER),
    "no variable for the data source": Mistake(_without("datasource"), "no variable for the data source"),
    "variable over no metric": Mistake(
        _vary("switch", query={"query": "label_values(softswitch_upp, switch)", "refId": "switch"}),
        "softswitch_upp",
    ),
    "renamed metric": Mistake(_ask("Calls", "softswitch_calls", "softswitch_active_calls"), "no metric"),
    "unknown label": Mistake(_ask("Calls", 'switch=~"$switch"', 'pbx=~"$switch"'), "no label pbx"),
    "unknown value of a label": Mistake(
        _ask(
            "Phones by state",
            "softswitch_tenant_extensions{",
            'softswitch_tenant_extensions{state="offline",',
        ),
        "no state offline",
        _TENANT,
    ),
    "any job": Mistake(_ask("Calls", 'job=~"$job",', ""), "not select the job"),
    "any instance": Mistake(_ask("Series", 'instance=~"$instance",', ""), "the instance", _EXPORTER),
    "doubled by a pair": Mistake(_ask("Calls", "max by", "sum by"), "counts two exporters twice"),
    "not joined": Mistake(_ask("Calls", "max by (switch) ", ""), "counts two exporters twice"),
    "rate over a fixed time": Mistake(
        _ask("Failures by reason", "$__rate_interval", "1m"), "expected $__rate_interval", _EXPORTER
    ),
    "range on the boundary of samples": Mistake(
        _ask("Registrations lost", "[1h1s]", "[1h]"), "not a second longer"
    ),
    "too short a look at a record": Mistake(
        _ask("Balance lasts", "[1h1s]", "[5m1s]"), "sampled every 300 s", "softswitch-tenant"
    ),
    "no range over a slow record": Mistake(
        _ask("Balance lasts", "[1h1s]", ""), "sampled every 300 s", "softswitch-tenant"
    ),
    "bare counter": Mistake(
        _ask(
            "Failures by reason",
            "rate(softswitch_request_failures_total",
            "(softswitch_request_failures_total",
        ),
        "is a counter",
        _EXPORTER,
    ),
    "rate that is not aggregated": Mistake(
        _ask("Failures by reason", "sum by (switch", "count by (switch"), "is a counter", _EXPORTER
    ),
    "link to nowhere": Mistake(
        _property(
            "Balance below its threshold", "links", value=[{"title": "x", "url": "/d/softswitch-renters?a=b"}]
        ),
        "unknown dashboard",
    ),
    "link that sets nothing": Mistake(
        _property(
            "Balance below its threshold",
            "links",
            value=[{"title": "x", "url": "/d/softswitch-tenant?var-pbx=1"}],
        ),
        "sets an unknown variable",
    ),
    "link with no column": Mistake(
        _property(
            "Balance below its threshold",
            "links",
            value=[{"title": "x", "url": "/d/softswitch-tenant?var-tenant=${__data.fields.code}"}],
        ),
        "with the unknown column",
    ),
}
"""By the error. Those that Prometheus must detect are below."""

CARELESS = Mistake(
    lambda dashboard: _panel(dashboard, "Firing alerts").update(
        targets=[{"refId": "A", "expr": 'count(ALERTS{alertname=~"Softswitch.+"}) or vector(0)'}]
    ),
    "",
)
INVALID = Mistake(_ask("Calls", "max by (switch)", "max by switch"), "")
NO_DATA = Mistake(_ask("Calls", 'switch=~"$switch"', 'switch="nowhere"'), "")
DOUBLED = Mistake(_ask("Calls", "max by", "sum by"), "")
