"""Draws panels, one function per panel type."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import Wedge

from grafana.preview.canvas import (
    BACKGROUND,
    EDGE,
    HEAD,
    INK,
    LETTER,
    PALE,
    PAPER,
    TITLE,
    Box,
    NothingToShowError,
    Scene,
    legend,
    series_of,
)
from grafana.preview.prometheus import Series
from grafana.preview.values import Panel, Said, colour, config_of, rows, said, titles_of, worded

_LARGEST = 24
_NAMES, _VALUES = 120, 80
_HIGHEST_BAR = 34
"""Pixels: width of names and values beside bars, and height of a bar."""
_LINE = 21
"""Pixels: height of a row."""
_PALETTE = (
    "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C",
    "#5794F2", "#B877D9", "#96D98D", "#CA95E5", "#FFB357",
)  # fmt: skip
_DASHED = (0, (4, 3))
_LEFT, _RIGHT = 62, 14
_LEGEND_ROWS = 3
_BELOW = 34 + 13 * _LEGEND_ROWS
"""Pixels around the axes, with the legend and times below."""
_TIME_AXIS = 24
_HIGHEST_BAND = 30


def _now(panel: Panel, scene: Scene) -> list[tuple[str, Said, float]]:
    """Return name, displayed value and value of each series."""
    found = [
        (legend(target, one.labels), said(one.newest, config, scene.source.end), one.newest)
        for target in panel["targets"]
        for config in [config_of(panel, query=target["refId"])]
        for one in scene.source.now(target["expr"])
    ]
    if not found:
        raise NothingToShowError
    return found


def stat(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw values side by side, or below each other in a narrow panel."""
    found = _now(panel, scene)
    across, down = (1, len(found)) if box.height > box.width else (len(found), 1)
    for number, (name, value, _) in enumerate(found):
        x = box.width * (number % across + 0.5) / across
        y = HEAD + (box.height - HEAD) * (number // across + 0.5) / down - 4
        size = min(_LARGEST, box.width / across / max(4, len(value.text)))
        box.text(x, y, value.text, ha="center", fontsize=size, color=value.colour)
        if len(found) > 1:
            box.text(x, y + 25, name, ha="center", color=PALE)


def gauge(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a gauge of a ratio."""
    ((_, value, ratio), *_) = _now(panel, scene)
    axes = box.axes(20, HEAD, 20, 6)
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-0.15, 1.1)
    axes.add_patch(Wedge((0, 0), 1, 0, 180, width=0.28, fc=EDGE))
    axes.add_patch(Wedge((0, 0), 1, 180 - 180 * min(1, ratio), 180, width=0.28, fc=value.colour))
    axes.text(0, 0.05, value.text, ha="center", fontsize=15, color=value.colour)


def bars(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a bar per ratio."""
    found = _now(panel, scene)
    high = min(_HIGHEST_BAR, (box.height - HEAD - 8) / len(found))
    wide = box.width - _NAMES - _VALUES
    for number, (name, value, ratio) in enumerate(found):
        y = HEAD + 4 + number * high
        box.text(10, y + high / 2, name)
        box.block(_NAMES, y + 3, wide, high - 6, fc=EDGE)
        box.block(_NAMES, y + 3, wide * min(1, max(0, ratio)), high - 6, fc=value.colour, zorder=0)
        box.text(box.width - _VALUES + 12, y + high / 2, value.text, fontsize=10, color=value.colour)


def table(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw the rows and columns that fit, and the number of the others."""
    found = rows(panel, scene.source)
    if not found:
        raise NothingToShowError
    columns = {title: _column(panel, title, found, scene) for title in titles_of(panel, found)}
    widths = [max(len(title), *(len(cell.text) for cell in cells)) + 2.5 for title, cells in columns.items()]
    letter = max(LETTER, (box.width - 18) / sum(widths))
    room = int((box.height - HEAD - _LINE) // _LINE)
    x, drawn = 10.0, 0
    for (title, cells), width in zip(columns.items(), widths, strict=True):
        if x + width * LETTER > box.width + 12:
            break
        box.text(x, HEAD + 10, title, color=TITLE, weight="bold")
        for number, cell in enumerate(cells[:room]):
            box.text(x, HEAD + _LINE + 10 + number * _LINE, cell.text, color=cell.colour)
        x, drawn = x + width * letter, drawn + 1
    for number in range(min(room, len(found))):
        box.block(8, HEAD + _LINE + number * _LINE, box.width - 16, 0.5, fc=EDGE)
    hidden = {"rows": len(found) - room, "columns": len(columns) - drawn}
    more = ", ".join(f"{count} more {kind}" for kind, count in hidden.items() if count > 0)
    box.text(box.width - 10, 14, more, ha="right", color=PALE)


def _column(panel: Panel, title: str, found: list[dict[str, float | str]], scene: Scene) -> list[Said]:
    config = config_of(panel, name=title)
    return [said(row[title], config, scene.source.end) if title in row else Said("", INK) for row in found]


def lines(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a line per series, and the thresholds."""
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


def timeline(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a band of states per series, with gaps for missing values."""
    bands = [(legend(target, one.labels), one) for target, one in series_of(panel, scene)]
    left = 20 + max(len(name) for name, _ in bands) * LETTER
    scale = (box.width - left - 14) / scene.source.seconds
    high = min(_HIGHEST_BAND, (box.height - HEAD - _TIME_AXIS) / len(bands))
    for number, (name, one) in enumerate(bands):
        y = HEAD + 6 + number * high
        box.text(10, y + high / 2, name)
        for at, until, value in _runs(one, scene.source.step):
            state = said(value, panel["fieldConfig"]["defaults"], scene.source.end)
            x = left + scale * (at - scene.source.begin)
            width = scale * (min(until, scene.source.end) - at)
            box.block(x, y + 2, max(1, width), high - 4, fc=state.colour, alpha=0.7, zorder=0)
            if width > len(state.text) * LETTER + 6:
                box.text(x + width / 2, y + high / 2, state.text, ha="center", color=BACKGROUND)
    for at, text in scene.ticks():
        box.text(left + scale * (at - scene.source.begin), box.height - 10, text, ha="center", fontsize=7)


def _runs(one: Series, step: float) -> Iterator[tuple[float, float, float]]:
    """Yield start, end and value of each run of equal values."""
    since, value = one.points[0]
    last = since
    for at, found in one.points[1:]:
        if found != value or at - last > 1.5 * step:
            yield since, last + step, value
            since, value = at, found
        last = at
    yield since, last + step, value


KINDS: Mapping[str, Callable[[Panel, Box, Scene], None]] = {
    "stat": stat,
    "gauge": gauge,
    "bargauge": bars,
    "table": table,
    "timeseries": lines,
    "state-timeline": timeline,
}
"""The supported panel types."""


def draw(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a panel, or the name of its type if it is not in ``KINDS``."""
    box.block(0, 0, box.width, box.height, fc=PAPER, ec=EDGE, zorder=-5)
    box.text(9, 14, panel["title"], fontsize=9, weight="bold")
    kind = KINDS.get(panel["type"])
    if kind is None:
        _in_the_middle(box, f"{panel['type']}: not drawn in this preview")
        return
    try:
        kind(panel, box, scene)
    except NothingToShowError:
        _in_the_middle(box, panel["fieldConfig"]["defaults"].get("noValue", "No data"))


def _in_the_middle(box: Box, text: str) -> None:
    box.text(box.width / 2, box.height / 2 + 6, text, ha="center", fontsize=10, color=PALE)
