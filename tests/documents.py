"""Reads the Markdown pages that tests compare with the program."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNBOOKS = ROOT / "docs/runbooks"
MARKDOWN = (
    *sorted(ROOT.glob("*.md")),
    *(
        page
        for folder in ("docs", "alerts", "deploy", "tests")
        for page in sorted((ROOT / folder).rglob("*.md"))
    ),
)
"""Every page."""

PAGES = (*sorted(RUNBOOKS.glob("*.md")), ROOT / "docs/alerting.md")
"""Every page about alerts."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language, without their indentation."""
    found = re.findall(r"^( *)```(\w+)\n(.*?)^\1```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, name, text in found if name == language]


def expressions() -> list[tuple[str, str]]:
    """Return every PromQL block, with the name of its page."""
    return [(page.name, block) for page in MARKDOWN for block in blocks(page, "promql")]


def shell_lines() -> list[tuple[str, str]]:
    """Return every shell command of the pages about alerts, with the name of its page."""
    return [(page.name, line) for page in PAGES for line in lines(page)]


def lines(page: Path) -> list[str]:
    """Return the commands in the shell blocks of a page, with continuation lines joined."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        number = 0
        while (name := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(name)
    return found


def make_targets() -> set[str]:
    """Return the documented targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
