"""Draws time series: lines with a legend, and the trend of a stat panel."""

from itertools import pairwise
from math import isnan
from typing import Any

from matplotlib.axes import Axes

from grafana.preview.canvas import HEAD, LETTER, PALE, Box, Scene, legend, rgb, series_of
from grafana.preview.prometheus import Series
from grafana.preview.values import Panel, config_of, worded

_PALETTE = (
    "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C",
    "#5794F2", "#B877D9", "#96D98D", "#CA95E5", "#FFB357",
)  # fmt: skip
_DASHED = (0, (4, 3))
_LEFT, _RIGHT, _TIMES = 62, 14, 22
"""Pixels around the axes."""
_ROW = 14
_MOST_ROWS = 5
_SMALL = 4.9
_KEY = 22
_SHARE = 0.4
"""Of the legend: height and maximum number of rows, width of a letter and of the line before a name, and the
maximum share of the panel at the right."""


def trend(box: Box, one: Series, colour: str) -> None:
    """Draw the trend behind a value, without axes."""
    axes = box.axes(4, HEAD, 4, 3)
    axes.set_axis_off()
    times, values = zip(*one.points, strict=True)
    low, high = min(values), max(values)
    height = high - low or max(abs(high), 1)
    axes.set_ylim(low - 0.1 * height, high + 3 * height)
    axes.set_xlim(times[0], max(times[-1], times[0] + 1))
    axes.plot(times, values, color=rgb(colour), linewidth=0.9, alpha=0.7)
    axes.fill_between(times, values, axes.get_ylim()[0], color=rgb(colour), alpha=0.12, linewidth=0)
    axes.set_zorder(-2)


def lines(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a line per series, and the thresholds."""
    found = [(legend(target, one.labels), target, one) for target, one in series_of(panel, scene)]
    last = {name: one.newest for name, _, one in found}
    at_right = panel["options"]["legend"]["placement"] == "right"
    wide = min(_SHARE * box.width, max(map(len, last)) * _SMALL + 90) if at_right else 0
    rows = 0 if at_right else _rows(list(last), box)
    axes = box.axes(_LEFT, HEAD + 8, _RIGHT + wide, _TIMES + _ROW * rows)
    colours = {}
    for number, (name, target, one) in enumerate(found):
        config = config_of(panel, query=target["refId"], name=name)
        fixed = config["color"].get("fixedColor")
        colours[name] = rgb(fixed) if fixed else _PALETTE[number % len(_PALETTE)]
        axes.plot(*_with_gaps(one, scene.source.step), **_style(config), color=colours[name])
    _thresholds(panel, axes)
    for mark in scene.marks:
        axes.axvline(mark, color=rgb("red"), linestyle=":", linewidth=0.8)
    _scale(axes, scene, panel)
    if at_right:
        _table(panel, box, scene, {name: (colours[name], last[name]) for name in last}, wide)
    else:
        _below(box, colours, rows)


def _style(config: dict[str, Any]) -> dict[str, Any]:
    style = config["custom"].get("lineStyle") or {}
    return {"linewidth": 1.3, "linestyle": _DASHED if style.get("fill") == "dash" else "-"}


def _thresholds(panel: Panel, axes: Axes) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    if "thresholdsStyle" in defaults["custom"]:
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None:
                axes.axhline(step["value"], color=rgb(step["color"]), linestyle=_DASHED, linewidth=1)


def _with_gaps(one: Series, step: float) -> tuple[list[float], list[float]]:
    """Return times and values, with NaN for missing values."""
    times, values = [one.points[0][0]], [one.points[0][1]]
    for (before, _), (at, value) in pairwise(one.points):
        if at - before > 1.5 * step:
            times.append(before + step / 2)
            values.append(float("nan"))
        times.append(at)
        values.append(value)
    return times, values


def _scale(axes: Axes, scene: Scene, panel: Panel) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    ticks = scene.ticks()
    axes.set_xlim(scene.source.begin, scene.source.end)
    axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    low, high = axes.get_ylim()
    low = min(low, defaults["custom"].get("axisSoftMin", low))
    high = max(high, defaults["custom"].get("axisSoftMax", high))
    axes.set_ylim(low, high if high > low else low + 1)
    unit = defaults.get("unit", "none")
    axes.yaxis.set_major_formatter(lambda value, _: worded(value, unit, None, scene.source.end))
    axes.grid(alpha=0.15, color=PALE)


def _across(names: list[str], box: Box) -> tuple[int, float]:
    """Return how many names are in a row of the legend, and the pixels for each."""
    widest = max(map(len, names)) * _SMALL + _KEY + 14
    return max(1, int((box.width - 20) // widest)), widest


def _rows(names: list[str], box: Box) -> int:
    across, _ = _across(names, box)
    return min(_MOST_ROWS, -(-len(names) // across))


def _below(box: Box, colours: dict[str, str], rows: int) -> None:
    across, wide = _across(list(colours), box)
    names = list(colours)[: across * rows]
    for number, name in enumerate(names):
        row, column = divmod(number, across)
        _entry(box, 12 + column * wide, box.height - _ROW * (rows - row) + 4, name, colours[name])
    _say_hidden(box, len(colours) - len(names))


def _table(panel: Panel, box: Box, scene: Scene, found: dict[str, tuple[str, float]], wide: float) -> None:
    """Draw the names and last values at the right, the largest first."""
    room = int((box.height - HEAD - 10) // _ROW)
    ordered = sorted(found, key=lambda name: (isnan(found[name][1]), -found[name][1]))
    x, unit = box.width - wide, panel["fieldConfig"]["defaults"].get("unit", "none")
    for number, name in enumerate(ordered[:room]):
        colour, value = found[name]
        letters = int((wide - _KEY - 52) / _SMALL)
        y = HEAD + 12 + number * _ROW
        _entry(box, x, y, name if len(name) <= letters else name[: letters - 1] + "…", colour)
        text = worded(value, unit, None, scene.source.end)
        box.text(box.width - 8, y, text, ha="right", fontsize=7)
    _say_hidden(box, len(found) - room)


def _entry(box: Box, x: float, y: float, name: str, colour: str) -> None:
    box.block(x, y - 1, _KEY - 8, 2, fc=colour, zorder=0)
    box.text(x + _KEY - 4, y, name, fontsize=7)


def _say_hidden(box: Box, hidden: int) -> None:
    if hidden > 0:
        text = f"{hidden} more: scroll the legend"
        box.text(box.width - 10, 14, text, ha="right", color=PALE, fontsize=min(8, box.width / LETTER))
