"""Tables: each query is a column of values, and rows with equal labels are joined."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models

from grafana.panels import Built, Query, Size, asked, coloured, described
from grafana.words import Steps, Words

RUNBOOKS = "https://github.com/softswitch-exporter/softswitch-exporter/blob/main/docs/runbooks"
_KEPT = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
_SWITCH = "var-switch=${__data.fields.switch:percentencode}"

TO_TENANT = (
    "Open the tenant",
    f"/d/softswitch-tenant?{_SWITCH}&var-tenant=${{__data.fields.tenant:percentencode}}&{_KEPT}",
)
TO_NODE = (
    "Open the node",
    f"/d/softswitch-nodes?{_SWITCH}&var-node=${{__data.fields.node:percentencode}}&{_KEPT}",
)
TO_SWITCH = ("Show this switch alone", f"/d/softswitch-overview?{_SWITCH}&{_KEPT}")
TO_RUNBOOK = ("Open the runbook", RUNBOOKS + "/${__data.fields.alertname}.md")

WHERE = {"switch": TO_SWITCH, "tenant": TO_TENANT, "node": TO_NODE}
"""Links of cells by label."""


@dataclass(frozen=True)
class Label:
    """A column for a label, hidden if no row has it."""

    name: str
    words: Words = field(default_factory=dict)
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Column:
    """A column for the values of an expression."""

    title: str
    expression: str
    unit: str = "none"
    decimals: int | None = None
    words: Words = field(default_factory=dict)
    steps: Steps = ()
    hidden: bool = False


def rows(
    title: str,
    description: str,
    labels: Sequence[Label],
    columns: Sequence[Column],
    *,
    size: Size,
    missing: str = "",
    order: Sequence[tuple[str, bool]] = (),
    filterable: bool = False,
) -> Built:
    """Return a table. ``order`` are column titles to sort by, with True for descending."""
    panel = described(table.Panel(), title, description, size, "none", missing)
    panel = panel.targets(
        asked([Query(column.expression, "") for column in columns], instant=True, table=True)
    )
    panel = panel.align(looks.FieldTextAlignment.AUTO).filterable(filterable)
    panel = panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(
        models.DataTransformerConfig("organize", options=_organized(labels, columns))
    )
    panel = panel.sort_by(
        [common.TableSortByFieldState().display_name(name).desc(down) for name, down in order]
    )
    for label in labels:
        link = label.link or WHERE.get(label.name)
        panel = panel.override_by_name(label.name, [*_in_colour(label.words, ()), *_linked(link)])
    for column in columns:
        if not column.hidden:
            panel = panel.override_by_name(column.title, _properties(column))
    return panel


def _organized(labels: Sequence[Label], columns: Sequence[Column]) -> dict[str, Any]:
    # Grafana names the values of a single query differently.
    fields = {
        f"Value #{chr(ord('A') + n)}" if len(columns) > 1 else "Value": c for n, c in enumerate(columns)
    }
    shown = {name: column.title for name, column in fields.items() if not column.hidden}
    hidden = ["Time", "__name__", *(name for name, column in fields.items() if column.hidden)]
    return {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {
            name: place for place, name in enumerate([*(label.name for label in labels), *shown])
        },
        "renameByName": shown,
    }


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    found = [models.DynamicConfigValue("unit", column.unit), *_in_colour(column.words, column.steps)]
    if column.decimals is not None:
        found.append(models.DynamicConfigValue("decimals", column.decimals))
    return found


def _in_colour(words: Words, steps: Steps) -> list[models.DynamicConfigValue]:
    found = coloured(words, steps)
    if found:
        found.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return found


def _linked(link: tuple[str, str] | None) -> list[models.DynamicConfigValue]:
    if link is None:
        return []
    title, url = link
    return [models.DynamicConfigValue("links", [{"title": title, "url": url, "targetBlank": False}])]
