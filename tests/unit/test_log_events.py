"""The page for operators lists the events that the program logs, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import exporter

PAGE = Path(__file__).parents[2] / "docs/operating.md"
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}


def logged() -> dict[str, str]:
    """Return every event in the source, with its level."""
    [package] = exporter.__path__
    return {event: level for file in Path(package).rglob("*.py") for event, level in _of(file)}


def _of(file: Path) -> Iterator[tuple[str, str]]:
    tree = ast.parse(file.read_text())
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        event = node.args[0]
        if isinstance(event, ast.Name):
            event = constants.get(event.id, event)
        is_event = isinstance(event, ast.Constant) and isinstance(event.value, str)
        logger = ast.unparse(node.func.value).rpartition(".")[2]
        if logger in {"log", "_log"} and node.func.attr in LEVELS and is_event:
            yield ast.literal_eval(event), LEVELS[node.func.attr]


def test_every_event_is_explained() -> None:
    """Each row names events with their level."""
    rows = re.findall(r"^\| (`.+?) \| (info|warning|error) \|", PAGE.read_text(), re.MULTILINE)
    told = {
        event.strip(): level
        for cell, level in rows
        for quoted in re.findall(r"``(.+?)``|`([^`]+)`", cell)
        for event in quoted
        if event
    }
    assert told == logged()
