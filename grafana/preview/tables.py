"""Draws tables."""

from grafana.preview.canvas import EDGE, HEAD, INK, LETTER, PALE, TITLE, Box, NothingToShowError, Scene
from grafana.preview.joining import rows, titles_of
from grafana.preview.wording import Panel, Said, config_of, said

_LINE = 21
"""Pixels of a row."""


def table(panel: Panel, box: Box, scene: Scene) -> None:
    """Draw as many rows as there is room for. Columns that do not fit are said to be there, too."""
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
