"""Draws large figures, gauges and bars: what a series is now."""

from matplotlib.patches import Wedge

from grafana.preview.canvas import EDGE, HEAD, PALE, Box, NothingToShowError, Scene, legend
from grafana.preview.wording import Panel, Said, config_of, said

_LARGEST = 24
_NAMES, _VALUES = 120, 80
_HIGHEST = 34
"""Pixels: of the names and the values beside bars, and of a bar."""


def _now(panel: Panel, scene: Scene) -> list[tuple[str, Said, float]]:
    """Return of each series its name, its value in words, and its value."""
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
    """Draw figures side by side, or one below the other where the panel is narrow."""
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
    """Draw a half circle that a ratio fills."""
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
    """Draw a bar for each ratio."""
    found = _now(panel, scene)
    high = min(_HIGHEST, (box.height - HEAD - 8) / len(found))
    wide = box.width - _NAMES - _VALUES
    for number, (name, value, ratio) in enumerate(found):
        y = HEAD + 4 + number * high
        box.text(10, y + high / 2, name)
        box.block(_NAMES, y + 3, wide, high - 6, fc=EDGE)
        box.block(_NAMES, y + 3, wide * min(1, max(0, ratio)), high - 6, fc=value.colour, zorder=0)
        box.text(box.width - _VALUES + 12, y + high / 2, value.text, fontsize=10, color=value.colour)
