"""The page for operators lists the events that the program logs, and no others."""

import ast
import re
from pathlib import Path

import exporter

PAGE = Path(__file__).parents[2] / "docs/operating.md"
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}


def logged() -> dict[str, str]:
    """Return every event in the source, with its level."""
    found: dict[str, str] = {}
    [package] = exporter.__path__
    for file in Path(package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            about = ast.unparse(node.func.value)
            event = node.args[0]
            is_event = isinstance(event, ast.Constant) and isinstance(event.value, str)
            if about in {"log", "self._log", "_log"} and node.func.attr in LEVELS and is_event:
                found[ast.literal_eval(event)] = LEVELS[node.func.attr]
    return found


def test_every_event_is_explained() -> None:
    """Each row names events with their level; those that are not built to stay are left out."""
    rows = re.findall(r"^\| (`.+?) \| (info|warning|error) \|", PAGE.read_text(), re.MULTILINE)
    told = {
        event.strip(): level
        for cell, level in rows
        for quoted in re.findall(r"``(.+?)``|`([^`]+)`", cell)
        for event in quoted
        if event
    }
    passing = {event for event in logged() if "is not built yet" in event}
    assert told == {event: level for event, level in logged().items() if event not in passing}
