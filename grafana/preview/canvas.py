"""Drawing in pixels, and the data shared by all panels."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grafana.preview.prometheus import Series, Source
from grafana.preview.values import Panel

BACKGROUND, PAPER, EDGE, INK, PALE, TITLE = "#111217", "#181B1F", "#2C3235", "#CCCCDC", "#8E8E99", "#6E9FFF"
"""Colors of surfaces and texts, as of Grafana's dark theme."""

_NAMED = {"green": "#73BF69", "orange": "#FF9830", "red": "#F2495C", "text": "#D8D9DA"}

HEAD = 26
LETTER = 5.9
"""Pixels: height of a panel title, and approximate width of a small letter."""

_STEPS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48)
_TICKS = 5
"""Hours between ticks of the time axis, and the maximum number of ticks."""


def rgb(name: str) -> str:
    """Return the color for a name in a dashboard; a color that has no name is returned as it is."""
    return _NAMED.get(name, name)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, from the top left corner."""

    figure: Figure
    x: float
    y: float
    width: float
    height: float

    def text(self, x: float, y: float, text: str, **look: Any) -> None:  # noqa: ANN401 (of matplotlib)
        """Write text at a position in the box."""
        wide, high = self.figure.bbox.size
        look = {"color": INK, "fontsize": 8, "va": "center", **look}
        look["color"] = rgb(look["color"])
        self.figure.text((self.x + x) / wide, 1 - (self.y + y) / high, text, **look)

    def block(self, x: float, y: float, width: float, height: float, **look: Any) -> None:  # noqa: ANN401 (likewise)
        """Fill a part of the box."""
        wide, high = self.figure.bbox.size
        place = ((self.x + x) / wide, 1 - (self.y + y + height) / high)
        look = {"zorder": -1, **look, "fc": rgb(look["fc"])}
        self.figure.add_artist(
            Rectangle(place, width / wide, height / high, transform=self.figure.transFigure, **look)
        )

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Return axes in the box, with these margins."""
        wide, high = self.figure.bbox.size
        axes = self.figure.add_axes(
            (
                (self.x + left) / wide,
                1 - (self.y + self.height - bottom) / high,
                (self.width - left - right) / wide,
                (self.height - top - bottom) / high,
            ),
            facecolor="none",
        )
        axes.tick_params(colors=PALE, labelsize=7, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes


@dataclass(frozen=True)
class Scene:
    """Data shared by all panels: the source of values, and times to mark.

    ``speed`` is the factor by which the monitored simulation runs faster than real time.
    """

    source: Source
    speed: float
    marks: tuple[float, ...]

    def ticks(self) -> list[tuple[float, str]]:
        """Return times and labels for the time axis, in simulated hours before the end."""
        hours = self.source.seconds * self.speed / 3600
        every = min((step for step in _STEPS if hours / step <= _TICKS), default=_STEPS[-1])
        back = [number * every for number in range(int(hours / every) + 1)]
        return [(self.source.end - ago * 3600 / self.speed, f"-{ago:g} h" if ago else "now") for ago in back]


class NothingToShowError(Exception):
    """There are no series: the panel shows its ``noValue``."""


def legend(target: dict[str, Any], labels: Mapping[str, str]) -> str:
    """Return the legend of a series."""
    return re.sub(
        r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), target["legendFormat"]
    ).strip()


def series_of(panel: Panel, scene: Scene) -> Iterator[tuple[dict[str, Any], Series]]:
    """Yield each query and series of a panel over the time range. Raises NothingToShowError."""
    found = [(target, one) for target in panel["targets"] for one in scene.source.over_time(target["expr"])]
    if not found:
        raise NothingToShowError
    yield from found
