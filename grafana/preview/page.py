"""Draws a dashboard."""

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image, ImageColor

from grafana.preview.canvas import BACKGROUND, PALE, PAPER, Box, Scene
from grafana.preview.panels import draw
from grafana.preview.prometheus import Source

_WIDTH = 1500
_CELL = 38
_GAP = 4
_HEAD = 56
_COLUMNS = 24
_DOTS_PER_INCH = 100
_COLOURS = 160
"""Palette size of the image: enough for text and lines, at a third of the file size."""


def picture(dashboard: dict[str, Any], source: Source, file: Path, speed: float = 1) -> None:
    """Draw a dashboard at the end of the time range to a PNG file.

    ``speed`` is the factor by which the monitored simulation runs faster than real time. Raises QueryError.
    """
    panels = dashboard["panels"]
    height = _HEAD + _CELL * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + _GAP
    size = (_WIDTH / _DOTS_PER_INCH, height / _DOTS_PER_INCH)
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor=BACKGROUND)
    whole = Box(figure, 0, 0, _WIDTH, height)
    whole.text(12, 18, dashboard["title"], fontsize=13, weight="bold")
    chosen = "   ".join(
        f"{variable['name']}: {_chosen(variable, source.chosen[variable['name']])}"
        for variable in dashboard["templating"]["list"]
        if variable["name"] != "datasource" and not variable.get("hide")
    )
    whole.text(12, 42, chosen)
    whole.text(_WIDTH - 12, 18, "A preview, not drawn by Grafana", ha="right", color=PALE)
    scene = Scene(source, speed, _marks(dashboard, source))
    for panel in panels:
        place = panel["gridPos"]
        box = Box(
            figure,
            place["x"] * _WIDTH / _COLUMNS + _GAP,
            _HEAD + place["y"] * _CELL + _GAP,
            place["w"] * _WIDTH / _COLUMNS - 2 * _GAP,
            place["h"] * _CELL - 2 * _GAP,
        )
        if panel["type"] == "row":
            box.text(6, box.height / 2, panel["title"], fontsize=11)
        else:
            draw(panel, box, scene)
    drawn = io.BytesIO()
    figure.savefig(drawn, facecolor=BACKGROUND)
    _with_few_colours(Image.open(drawn).convert("RGB")).save(file, optimize=True)


def _with_few_colours(image: Image.Image) -> Image.Image:
    # The default method merges the few green pixels of words into grey; this one the surfaces.
    found = image.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*ImageColor.getrgb(BACKGROUND), *ImageColor.getrgb(PAPER), *found])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _chosen(variable: dict[str, Any], value: str) -> str:
    return "All" if value == variable.get("allValue") else value


def _marks(dashboard: dict[str, Any], source: Source) -> tuple[float, ...]:
    """Return the start times of the annotations."""
    return tuple(
        one.points[0][0]
        for annotation in dashboard["annotations"]["list"]
        for one in source.over_time(annotation["expr"])
        if one.points[0][0] > source.begin + source.step
    )
