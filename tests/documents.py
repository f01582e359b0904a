"""Reads the pages of ``docs/`` that tests hold against the program."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNBOOKS = ROOT / "docs/runbooks"
PAGES = (*sorted(RUNBOOKS.glob("*.md")), ROOT / "docs/alerting.md")
"""Every page about alerts."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def expressions() -> list[tuple[str, str]]:
    """Return every PromQL block of the pages, each with the name of its page."""
    return [(page.name, block) for page in PAGES for block in blocks(page, "promql")]


def shell_lines() -> list[tuple[str, str]]:
    """Return every line of the shell blocks of the pages, each with the name of its page."""
    return [
        (page.name, line) for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()
    ]
