"""Draws bands of states over time."""

from collections.abc import Iterator

from grafana.preview.asking import Series
from grafana.preview.canvas import BACKGROUND, HEAD, LETTER, Box, Scene, legend, series_of
from grafana.preview.wording import Panel, said

_TIMES = 24
_HIGHEST = 30


def timeline(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw for each series in which state it was when. A gap is left where that is not known."""
    bands = [(legend(target, one.labels), one) for target, one in series_of(panel, scene)]
    left = 20 + max(len(name) for name, _ in bands) * LETTER
    scale = (box.width - left - 14) / scene.source.seconds
    high = min(_HIGHEST, (box.height - HEAD - _TIMES) / len(bands))
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
    """Yield from when to when a series had which value."""
    since, value = one.points[0]
    last = since
    for at, found in one.points[1:]:
        if found != value or at - last > 1.5 * step:
            yield since, last + step, value
            since, value = at, found
        last = at
    yield since, last + step, value
