"""Panels of figures and lines. Each has a title, a description, a unit and words for the case of no data.

A state is told by a word (a mapping), never by colour alone.
"""

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

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, WARNING, CRITICAL, NEUTRAL = "green", "orange", "red", "text"


class Query(NamedTuple):
    """What is asked, and what its series are called in the legend."""

    expression: str
    legend: str


class Word(NamedTuple):
    """What is shown in place of a value, and its colour."""

    text: str
    colour: str


Words = Mapping[int, Word] | Mapping[str, Word]
Steps = Sequence[tuple[float | None, str]]
"""Colours, each with the value from which on it holds; None is the least."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
PLAIN: Steps = ((None, NEUTRAL),)


@dataclass(frozen=True)
class Size:
    """Columns, of 24, and rows of the grid."""

    width: int
    height: int


class _Panel(Protocol):
    """What the builders of all kinds of panels share; the SDK has no type for it."""

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


def described(panel: Kind, title: str, description: str, size: Size, unit: str, no_value: str) -> Kind:
    """Give a panel what every panel has."""
    return (
        panel.title(title)
        .description(description)
        .datasource(SOURCE)
        .span(size.width)
        .height(size.height)
        .unit(unit)
        .no_value(no_value)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


def asked(queries: Sequence[Query], *, instant: bool, table: bool = False) -> list[Builder[Dataquery]]:
    """Return the queries of a panel, for this moment or over the time range."""
    built: list[Builder[Dataquery]] = []
    for number, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)
        query = query.ref_id(chr(ord("A") + number))
        query = query.instant() if instant else query.range()
        built.append(query.format(PromQueryFormat.TABLE) if table else query)
    return built


def mapping(words: Words) -> models.ValueMapping:
    """Return the mapping from values to words."""
    return models.ValueMap(
        {
            str(value): models.ValueMappingResult(text=word.text, color=word.colour, index=number)
            for number, (value, word) in enumerate(words.items())
        }
    )


def thresholds(steps: Steps) -> Builder[models.ThresholdsConfig]:
    """Return colours by value."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def coloured(words: Words, steps: Steps) -> list[models.DynamicConfigValue]:
    """Return the words and the colours of a column, or of the figures of one query."""
    found: list[models.DynamicConfigValue] = []
    if words:
        found.append(models.DynamicConfigValue("mappings", [mapping(words)]))
    if steps:
        found.append(models.DynamicConfigValue("thresholds", thresholds(steps).build()))
    return found


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def figures(
    title: str,
    description: str,
    *queries: Query,
    size: Size,
    no_value: str,
    unit: str = "none",
    decimals: int | None = None,
    steps: Mapping[str, Steps] = NOTHING,
    words: Mapping[str, Words] = NOTHING,
) -> Built:
    """Return a panel of large figures. ``steps`` and ``words`` are by the letter of the query."""
    panel = described(stat.Panel(), title, description, size, unit, no_value)
    panel = panel.targets(asked(queries, instant=True)).thresholds(thresholds(PLAIN))
    panel = panel.reduce_options(_newest())
    panel = panel.graph_mode(looks.BigValueGraphMode.NONE).color_mode(looks.BigValueColorMode.VALUE)
    panel = panel.text_mode(
        looks.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else looks.BigValueTextMode.AUTO
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    for letter in sorted({*words, *steps}):
        panel = panel.override_by_query(letter, coloured(words.get(letter, {}), steps.get(letter, ())))
    return panel


def dial(title: str, description: str, query: Query, *, size: Size, no_value: str, steps: Steps) -> Built:
    """Return a gauge of a ratio between 0 and 1."""
    panel = described(gauge.Panel(), title, description, size, "percentunit", no_value).min(0).max(1)
    panel = panel.reduce_options(_newest())
    return panel.targets(asked([query], instant=True)).thresholds(thresholds(steps))


def bars(title: str, description: str, query: Query, *, size: Size, no_value: str, steps: Steps) -> Built:
    """Return a bar for each series of a ratio between 0 and 1."""
    panel = described(bargauge.Panel(), title, description, size, "percentunit", no_value).min(0).max(1)
    panel = panel.reduce_options(_newest())
    panel = panel.orientation(looks.VizOrientation.HORIZONTAL).display_mode(looks.BarGaugeDisplayMode.BASIC)
    return panel.targets(asked([query], instant=True)).thresholds(thresholds(steps))


def over_time(
    title: str,
    description: str,
    *queries: Query,
    size: Size,
    no_value: str,
    unit: str = "none",
    dashed: str = "",
    steps: Steps | None = None,
    colours: Mapping[str, str] = NOTHING,
) -> Built:
    """Return lines over time. ``dashed`` are the letters of queries to compare with; ``colours`` by name."""
    panel = described(lines.Panel(), title, description, size, unit, no_value)
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


def states(title: str, description: str, query: Query, *, size: Size, no_value: str, words: Words) -> Built:
    """Return a band for each series that shows when it was in which state."""
    panel = described(statetimeline.Panel(), title, description, size, "none", no_value)
    panel = panel.targets(asked([query], instant=False)).mappings([mapping(words)])
    panel = panel.thresholds(thresholds(PLAIN)).show_value(looks.VisibilityMode.AUTO).row_height(0.8)
    return panel.merge_values(True).fill_opacity(70)
