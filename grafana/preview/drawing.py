"""Draws a panel into its box."""

from collections.abc import Callable, Mapping

from grafana.preview.canvas import EDGE, PALE, PAPER, Box, NothingToShowError, Scene
from grafana.preview.figures import bars, gauge, stat
from grafana.preview.lines import lines
from grafana.preview.tables import table
from grafana.preview.timelines import timeline
from grafana.preview.wording import Panel

KINDS: Mapping[str, Callable[[Panel, Box, Scene], None]] = {
    "stat": stat,
    "gauge": gauge,
    "bargauge": bars,
    "table": table,
    "timeseries": lines,
    "state-timeline": timeline,
}
"""Every kind of panel that is drawn."""


def draw(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw a panel, or name its kind where it is not one of ``KINDS``."""
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
