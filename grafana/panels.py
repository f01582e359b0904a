"""Panels. Each has a title, a description, a unit and a text for no data, which says nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    gauge,
    prometheus,
    stat,
    statetimeline,
)
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.words import PLAIN, UNKNOWN, Numbered, Steps, Words

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_DATA_TEXT = "No data"
_LAST_HOUR = "1h"


class Query(NamedTuple):
    """A PromQL expression and the legend of its series."""

    expression: str
    legend: str


NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Size:
    """Columns (of 24) and rows of the grid."""

    width: int
    height: int


HALF = Size(12, 8)


class _Panel(Protocol):
    """The methods that all panel builders share; the SDK has no type for it."""

    def title(self, title: str, /) -> Self: ...
    def description(self, description: str, /) -> Self: ...
    def datasource(self, datasource: models.DataSourceRef, /) -> Self: ...
    def targets(self, targets: list[Builder[Dataquery]], /) -> Self: ...
    def unit(self, unit: str, /) -> Self: ...
    def no_value(self, no_value: str, /) -> Self: ...
    def span(self, w: int, /) -> Self: ...
    def height(self, h: int, /) -> Self: ...
    def color_scheme(self, color: Builder[models.FieldColor], /) -> Self: ...
    def mappings(self, mappings: list[models.ValueMapping], /) -> Self: ...
    def thresholds(self, thresholds: Builder[models.ThresholdsConfig], /) -> Self: ...
    def build(self) -> models.Panel: ...


Kind = TypeVar("Kind", bound=_Panel)
Built = Builder[models.Panel]


def described(panel: Kind, title: str, description: str, size: Size, unit: str, missing: str = "") -> Kind:
    """Set the properties that every panel has. ``missing`` is why there may be no data."""
    return (
        panel.title(title)
        .description(description)
        .datasource(SOURCE)
        .span(size.width)
        .height(size.height)
        .unit(unit)
        .no_value(f"{NO_DATA_TEXT}: {missing}" if missing else NO_DATA_TEXT)
        .mappings([mapping(UNKNOWN)])
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


def asked(queries: Sequence[Query], *, instant: bool, table: bool = False) -> list[Builder[Dataquery]]:
    """Return the queries of a panel, instant or over the time range."""
    built: list[Builder[Dataquery]] = []
    for number, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)
        query = query.ref_id(chr(ord("A") + number))
        query = query.instant() if instant else query.range()
        built.append(query.format(PromQueryFormat.TABLE) if table else query)
    return built


def mapping(words: Words) -> models.ValueMapping:
    """Return the value mapping."""
    return models.ValueMap(
        {
            str(value): models.ValueMappingResult(text=word.text, color=word.colour, index=number)
            for number, (value, word) in enumerate(words.items())
        }
    )


def thresholds(steps: Steps) -> Builder[models.ThresholdsConfig]:
    """Return the thresholds."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def coloured(words: Words, steps: Steps) -> list[models.DynamicConfigValue]:
    """Return the overrides with the mapping and thresholds of a column or query."""
    found: list[models.DynamicConfigValue] = []
    if words:
        of_numbers = [] if isinstance(next(iter(words)), str) else [mapping(UNKNOWN)]
        found.append(models.DynamicConfigValue("mappings", [mapping(words), *of_numbers]))
    if steps:
        found.append(models.DynamicConfigValue("thresholds", thresholds(steps).build()))
    return found


def _reduced(to: str) -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs([to]).values(False)


def figures(
    title: str,
    description: str,
    *queries: Query,
    size: Size,
    unit: str = "none",
    decimals: int | None = None,
    steps: Mapping[str, Steps] = NOTHING,
    words: Mapping[str, Numbered] = NOTHING,
) -> Built:
    """Return a stat panel with the trend of the last hour. ``steps`` and ``words`` are by query letter.

    Each query must always have a result (see ``known``): of a range of values, Grafana shows the last one,
    even if it is old. The range is an hour so that the last value is not older than a scrape: Grafana rounds
    the end of a range down to its step.
    """
    description = f"{description} The trend is of the last hour."
    panel = described(stat.Panel(), title, description, size, unit)
    panel = panel.targets(asked(queries, instant=False)).thresholds(thresholds(PLAIN))
    panel = panel.reduce_options(_reduced("last")).time_from(_LAST_HOUR).hide_time_override(True)
    panel = panel.graph_mode(looks.BigValueGraphMode.AREA).color_mode(looks.BigValueColorMode.VALUE)
    panel = panel.text_mode(
        looks.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else looks.BigValueTextMode.AUTO
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    for letter in sorted({*words, *steps}):
        panel = panel.override_by_query(letter, coloured(words.get(letter, {}), steps.get(letter, ())))
    return panel


def dial(title: str, description: str, query: Query, *, size: Size, steps: Steps) -> Built:
    """Return a gauge of a ratio between 0 and 1."""
    panel = described(gauge.Panel(), title, description, size, "percentunit").min(0).max(1)
    panel = panel.reduce_options(_reduced("lastNotNull"))
    return panel.targets(asked([query], instant=True)).thresholds(thresholds(steps))


def bars(title: str, description: str, query: Query, *, size: Size, missing: str, steps: Steps) -> Built:
    """Return a bar gauge of ratios between 0 and 1."""
    panel = described(bargauge.Panel(), title, description, size, "percentunit", missing).min(0).max(1)
    panel = panel.reduce_options(_reduced("lastNotNull"))
    panel = panel.orientation(looks.VizOrientation.HORIZONTAL).display_mode(looks.BarGaugeDisplayMode.BASIC)
    return panel.targets(asked([query], instant=True)).thresholds(thresholds(steps))


def over_time(
    title: str,
    description: str,
    *queries: Query,
    size: Size,
    missing: str = "",
    unit: str = "none",
    dashed: str = "",
    steps: Steps | None = None,
    colours: Mapping[str, str] = NOTHING,
) -> lines.Panel:
    """Return a time series panel. ``dashed`` are letters of queries; ``colours`` are by series name."""
    panel = described(lines.Panel(), title, description, size, unit, missing).mappings([])
    panel = panel.targets(asked(queries, instant=False)).line_width(1).fill_opacity(5)
    panel = panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    panel = panel.show_points(looks.VisibilityMode.NEVER)
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
    )
    panel = panel.legend(
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if steps:
        panel = panel.thresholds(thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        )
    panel = panel.axis_soft_min(0)
    if unit == "percentunit":
        panel = panel.axis_soft_max(1)
    style: object = {"fill": "dash", "dash": [6, 6]}
    for letter in dashed:
        panel = panel.override_by_query(
            letter,
            [
                models.DynamicConfigValue("custom.lineStyle", style),
                models.DynamicConfigValue("custom.fillOpacity", 0),
            ],
        )
    for name, colour in colours.items():
        fixed: object = {"mode": models.FieldColorModeId.FIXED.value, "fixedColor": colour}
        panel = panel.override_by_name(name, [models.DynamicConfigValue("color", fixed)])
    return panel


def scrolling(panel: lines.Panel) -> Built:
    """Give a panel of many series a legend that scrolls at the right, with the largest values first."""
    return panel.legend(
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.RIGHT)
        .show_legend(True)
        .calcs(["last"])
        .sort_by("Last")
        .sort_desc(True)
    )


def states(
    title: str,
    description: str,
    *queries: Query,
    size: Size,
    missing: str = "",
    words: Numbered,
) -> Built:
    """Return a state timeline."""
    panel = described(statetimeline.Panel(), title, description, size, "none", missing)
    panel = panel.targets(asked(queries, instant=False)).mappings([mapping(words), mapping(UNKNOWN)])
    panel = panel.thresholds(thresholds(PLAIN)).show_value(looks.VisibilityMode.AUTO).row_height(0.8)
    return panel.merge_values(True).fill_opacity(70)
