"""Draws panels, one function per panel type."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from matplotlib.patches import Wedge

from grafana.preview.canvas import (
    BACKGROUND,
    EDGE,
    HEAD,
    LETTER,
    PALE,
    PAPER,
    TITLE,
    Box,
    NothingToShowError,
    Scene,
    legend,
    rgb,
    series_of,
)
from grafana.preview.lines import lines, trend
from grafana.preview.prometheus import Series
from grafana.preview.values import Panel, Said, config_of, rows, said, titles_of

_LARGEST = 24
_NAMES, _VALUES = 120, 80
"""Pixels: width of names and values beside bars."""
_LINE = 36
"""Pixels: height of a row of a table in Grafana."""
_TIME_AXIS = 24


class _Shown(NamedTuple):
    """The name of a series, its value, and how the value is displayed."""

    name: str
    said: Said
    value: float
    points: Series


def _now(panel: Panel, scene: Scene, *, over_time: bool = False) -> list[_Shown]:
    """Return what is shown of each series: its last value."""
    asked = scene.source.over_time if over_time else scene.source.now
    found = [
        _Shown(legend(target, one.labels), said(one.newest, config, scene.source.end), one.newest, one)
        for target in panel["targets"]
        for config in [config_of(panel, query=target["refId"])]
        for one in asked(target["expr"])
    ]
    if not found:
        raise NothingToShowError
    return found


def stat(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw values with their trend, side by side, or below each other in a narrow panel."""
    hour = replace(scene.source, seconds=min(scene.source.seconds, 3600 / scene.speed))
    found = _now(panel, replace(scene, source=hour), over_time=True)
    across, down = _tiles(len(found), box)
    wide, high = box.width / across, (box.height - HEAD) / down
    for number, shown in enumerate(found):
        tile = replace(
            box,
            x=box.x + wide * (number % across),
            y=box.y + high * (number // across),
            width=wide,
            height=HEAD + high,
        )
        trend(tile, shown.points, shown.said.colour)
        size = min(_LARGEST, high / 3.4, wide / max(4, len(shown.said.text)))
        middle = HEAD + high * 0.42
        tile.text(wide / 2, middle, shown.said.text, ha="center", fontsize=size, color=shown.said.colour)
        if len(found) > 1:
            below = middle + size * 0.7 + 12
            tile.text(wide / 2, below, shown.name, ha="center", color=PALE)


def _tiles(number: int, box: Box) -> tuple[int, int]:
    """Return columns and rows of the tiles: as square as possible."""

    def ratio(across: int) -> float:
        wide, high = box.width / across, (box.height - HEAD) / -(-number // across)
        return max(wide / high, high / wide) + 0.01 * (across * -(-number // across) - number)

    across = min(range(1, number + 1), key=ratio)
    return across, -(-number // across)


def gauge(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a gauge of a ratio."""
    (shown, *_) = _now(panel, scene)
    colour = rgb(shown.said.colour)
    axes = box.axes(20, HEAD, 20, 6)
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-0.15, 1.1)
    axes.add_patch(Wedge((0, 0), 1, 0, 180, width=0.28, fc=EDGE))
    if shown.value > 0:
        axes.add_patch(Wedge((0, 0), 1, 180 - 180 * min(1, shown.value), 180, width=0.28, fc=colour))
    size = min(15, 100 / max(4, len(shown.said.text)))
    axes.text(0, 0.05, shown.said.text, ha="center", fontsize=size, color=colour)


def bars(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a bar per ratio."""
    found = _now(panel, scene)
    high = (box.height - HEAD - 8) / len(found)
    wide = box.width - _NAMES - _VALUES
    for number, shown in enumerate(found):
        y = HEAD + 4 + number * high
        box.text(10, y + high / 2, shown.name)
        box.block(_NAMES, y + 3, wide, high - 6, fc=EDGE)
        part = min(1, max(0, shown.value))
        box.block(_NAMES, y + 3, wide * part, high - 6, fc=shown.said.colour, zorder=0)
        box.text(
            box.width - _VALUES + 12, y + high / 2, shown.said.text, fontsize=10, color=shown.said.colour
        )


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
        box.text(x, HEAD + _LINE / 2, title, color=TITLE, weight="bold")
        for number, cell in enumerate(cells[:room]):
            box.text(x, HEAD + _LINE * (number + 1.5), cell.text, color=cell.colour)
        x, drawn = x + width * letter, drawn + 1
    for number in range(min(room, len(found))):
        box.block(8, HEAD + _LINE + number * _LINE, box.width - 16, 0.5, fc=EDGE)
    hidden = {"rows": len(found) - room, "columns": len(columns) - drawn}
    more = ", ".join(f"{count} more {kind}" for kind, count in hidden.items() if count > 0)
    box.text(box.width - 10, 14, more, ha="right", color=PALE)


def _column(panel: Panel, title: str, found: list[dict[str, float | str]], scene: Scene) -> list[Said]:
    config = config_of(panel, name=title)
    return [said(row[title], config, scene.source.end) if title in row else Said("", "text") for row in found]


def timeline(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a band of states per series, with gaps for missing values."""
    bands = [(legend(target, one.labels), one) for target, one in series_of(panel, scene)]
    left = 20 + max(len(name) for name, _ in bands) * LETTER
    scale = (box.width - left - 14) / scene.source.seconds
    high = (box.height - HEAD - _TIME_AXIS - 6) / len(bands)
    for number, (name, one) in enumerate(bands):
        y = HEAD + 6 + number * high
        box.text(10, y + high / 2, name)
        for at, until, value in _runs(one, scene.source.step):
            state = said(value, panel["fieldConfig"]["defaults"], scene.source.end)
            x = left + scale * (at - scene.source.begin)
            width = scale * (min(until, scene.source.end) - at)
            box.block(x, y + 0.1 * high, max(1, width), 0.8 * high, fc=state.colour, alpha=0.7, zorder=0)
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
    """Draw a panel. Raises KeyError if its type is not in ``KINDS``."""
    box.block(0, 0, box.width, box.height, fc=PAPER, ec=EDGE, zorder=-5)
    box.text(9, 14, panel["title"], fontsize=9, weight="bold")
    try:
        KINDS[panel["type"]](panel, box, scene)
    except NothingToShowError:
        text = panel["fieldConfig"]["defaults"]["noValue"]
        box.text(box.width / 2, box.height / 2 + 6, text, ha="center", fontsize=10, color=PALE)
