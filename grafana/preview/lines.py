"""Draws lines over time."""

from itertools import pairwise

from matplotlib.axes import Axes

from grafana.preview.asking import Series
from grafana.preview.canvas import HEAD, INK, PALE, Box, Scene, legend, series_of
from grafana.preview.wording import Panel, colour, config_of, worded

_PALETTE = (
    "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C",
    "#5794F2", "#B877D9", "#96D98D", "#CA95E5", "#FFB357",
)  # fmt: skip
_DASHED = (0, (4, 3))
_LEFT, _RIGHT = 62, 14
_LEGEND_ROWS = 3
_BELOW = 34 + 13 * _LEGEND_ROWS
"""Pixels around the axes: the legend and the times are below."""


def lines(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw each series as a line, dashed where the panel has it so, and thresholds where they are shown."""
    axes = box.axes(_LEFT, HEAD + 8, _RIGHT, _BELOW)
    for number, (target, one) in enumerate(series_of(panel, scene)):
        name = legend(target, one.labels)
        config = config_of(panel, query=target["refId"], name=name)
        style = config["custom"].get("lineStyle") or {}
        fixed = config["color"].get("fixedColor")
        axes.plot(
            *_with_gaps(one, scene.source.step),
            color=colour(fixed) if fixed else _PALETTE[number % len(_PALETTE)],
            linewidth=1.3,
            linestyle=_DASHED if style.get("fill") == "dash" else "-",
            label=name,
        )
    defaults = panel["fieldConfig"]["defaults"]
    if "thresholdsStyle" in defaults["custom"]:
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None:
                axes.axhline(step["value"], color=colour(step["color"]), linestyle=_DASHED, linewidth=1)
    for mark in scene.marks:
        axes.axvline(mark, color=colour("red"), linestyle=":", linewidth=0.8)
    _scale(axes, scene, panel)
    _name(axes, box)


def _with_gaps(one: Series, step: float) -> tuple[list[float], list[float]]:
    """Return times and values, with a break where values are missing."""
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


def _name(axes: Axes, box: Box) -> None:
    named = {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    widest = max(len(name) for name in named) * 4.9 + 34
    across = max(1, int((box.width - 20) // widest))
    shown = list(named)[: across * _LEGEND_ROWS]
    if len(shown) < len(named):
        box.text(box.width - 10, 14, f"{len(named) - len(shown)} more in the legend", ha="right", color=PALE)
    axes.legend(
        [named[name] for name in shown],
        shown,
        loc="upper left",
        bbox_to_anchor=(-50 / (box.width - _LEFT - _RIGHT), -20 / (box.height - HEAD - 8 - _BELOW)),
        ncols=across,
        frameon=False,
        fontsize=7,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1,
        borderaxespad=0,
    )
