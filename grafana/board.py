"""Builds a dashboard: variables, links, annotations, rows and panel ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana.panels import SOURCE, Built
from grafana.promql import ONE_SWITCH, SWITCHES, TEAM, firing, select

EXPLAINED = (
    "https://github.com/softswitch-exporter/softswitch-exporter/blob/main/docs/dashboards.md"
    "#link-to-the-pages-of-the-exporter"
)
_TAG = "softswitch"
_SCHEMA_OF_GRAFANA_11 = 39


@dataclass(frozen=True)
class Row:
    """Panels under a heading, from left to right; ``title`` may be "" in the first row."""

    title: str
    panels: Sequence[Built]


class _Annotation(models.AnnotationQuery):
    """An annotation with text, in keys that the SDK does not know (Grafana 11.0 to 11.6)."""

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "titleFormat": "{{alertname}}",
            "textFormat": "{{switch}} {{node}} {{tenant}}",
            "step": "60s",
        }


class _CriticalAlerts(dashboard.AnnotationQuery):
    def __init__(self, *matchers: str) -> None:
        super().__init__()
        self._internal = _Annotation(
            name="Critical alerts",
            datasource=SOURCE,
            icon_color="red",
            expr=firing('severity="critical"', *matchers),
        )


def job() -> dashboard.QueryVariable:
    """Return the variable for the job of the exporters."""
    return _several("job", f"label_values({catalogue.BUILD_INFO.name}, job)")


def instance() -> dashboard.QueryVariable:
    """Return the variable for the exporters of a job."""
    return _several("instance", f"label_values({select(catalogue.BUILD_INFO)}, instance)")


def switches() -> dashboard.QueryVariable:
    """Return the variable for switches, from a metric that exists before the first response."""
    return _several("switch", f"label_values({select(catalogue.QUERY_INTERVAL)}, switch)")


def one_switch() -> dashboard.QueryVariable:
    """Return the variable for a single switch."""
    return _query("switch", f"label_values({select(catalogue.QUERY_INTERVAL)}, switch)")


def tenant() -> dashboard.QueryVariable:
    """Return the variable for a tenant of the selected switch and team."""
    return _query("tenant", f"label_values({select(catalogue.TENANT_INFO, ONE_SWITCH, TEAM)}, tenant)")


def team() -> dashboard.QueryVariable:
    """Return the variable for the label ``team`` of tenants, which is optional."""
    return _several("team", f"label_values({select(catalogue.TENANT_INFO)}, team)").all_value(".*")


def exporter_url() -> dashboard.QueryVariable:
    """Return the hidden variable for the address of the exporter that polls the selected switch.

    Without ``--web.external-url``, it is the address of the documentation of the flag. Links append to its
    fragment then, which browsers do not send, so no tenant name is sent there.
    """
    polled = f"max by (job, instance) ({select(catalogue.QUERY_INTERVAL, ONE_SWITCH)})"
    address = f'{catalogue.WEB_INFO.name}{{job=~"$job"}} and on (job, instance) {polled}'
    explained = f'label_replace(vector(1), "external_url", "{EXPLAINED}", "", "")'
    query = f"query_result(({address}) or on () {explained})"
    return (
        _query("exporter_url", query)
        .regex('/external_url="([^"]+)"/')
        .hide(models.VariableHide.HIDE_VARIABLE)
    )


def nodes() -> dashboard.QueryVariable:
    """Return the variable for nodes of the selected switches, including missing nodes."""
    return _several("node", f"label_values({select(catalogue.NODE_PRESENT, SWITCHES)}, node)")


def exporter_page() -> dashboard.DashboardLink:
    """Return the link to the exporter's page of the selected tenant."""
    page = "${exporter_url}/tenant?switch=${switch:percentencode}&tenant=${tenant:percentencode}"
    link = dashboard.DashboardLink("Page of the exporter").type(models.DashboardLinkType.LINK).url(page)
    return (
        link.icon("external link")
        .target_blank(True)
        .tooltip("Newest values and problems of this tenant, from the exporter (needs --web.external-url)")
    )


def board(
    name: str,
    description: str,
    variables: Sequence[dashboard.QueryVariable],
    rows: Sequence[Row],
    *,
    alerts: Sequence[str],
    links: Sequence[dashboard.DashboardLink] = (),
) -> models.Dashboard:
    """Return a dashboard. ``alerts`` are matchers for the critical alerts marked in its graphs."""
    made = (
        dashboard.Dashboard(f"Soft-switch / {name}")
        .uid(f"softswitch-{name.lower()}")
        .description(description)
    )
    made = made.tags([_TAG]).timezone("browser").refresh("30s").time("now-6h", "now").readonly()
    made = made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    made = made.link(
        dashboard.DashboardLink("Soft-switch")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .keep_time(True)
        .include_vars(True)
    )
    for link in links:
        made = made.link(link)
    made = made.annotation(_CriticalAlerts(*alerts))
    made = made.with_variable(
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    for variable in variables:
        made = made.with_variable(variable)
    for row in rows:
        if row.title:
            made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(panel)
    built = made.build()
    # Of Grafana 11.0; later versions migrate it.
    built.schema_version = _SCHEMA_OF_GRAFANA_11
    for number, placed in enumerate(built.panels or [], 1):
        placed.id_val = number
    return built


def _query(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.replace("_", " ").capitalize())
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.NATURAL_ASC)
    )


def _several(name: str, query: str) -> dashboard.QueryVariable:
    chosen = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return _query(name, query).multi(True).include_all(True).all_value(".+").current(chosen)
