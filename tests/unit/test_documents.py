"""Every page: its links lead somewhere, and what it names is there."""

import contextlib
import io
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter import catalogue
from exporter.cli import main
from exporter.cli.arguments import parser
from tests.documents import MARKDOWN, ROOT, anchors, blocks, lines, prose
from tests.promql_names import known_series

COMMANDS: tuple[tuple[str, ...], ...] = ((), ("probe",), ("simulate",), ("demo",))
PROGRAM = "softswitch-exporter"

FOREIGN = {
    "--query.max-samples": ("prometheus", "prometheus"),
    "--cluster.peer": ("prometheus-alertmanager", "prometheus-alertmanager"),
    "--rules.alert.for-grace-period": ("prometheus", "prometheus"),
}
"""Flags of other programs that pages speak of: the program, and the package that it is in."""

every_page = pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture(scope="module")
def helps() -> dict[tuple[str, ...], str]:
    """Return the help of each command of the exporter, at the width of a page."""
    told = {}
    for command in COMMANDS:
        output = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
            patch.setenv("COLUMNS", "100")
            with pytest.raises(SystemExit):
                main([*command, "--help"])
        told[command] = output.getvalue()
    return told


@every_page
def test_every_link_resolves(page: Path) -> None:
    """Each relative link leads to a file or folder, and to a heading of the page where it names one."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    for target in re.findall(r"\]\((?!https?:|mailto:)<?([^)>\s]+)", text):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_a_broken_link_is_found() -> None:
    """The anchors are those that GitHub makes, so one that is not among them is broken."""
    found = anchors(ROOT / "docs/configuration.md")
    assert {"the-file", "switches", "switchesqueriespeers"} <= found
    assert "no-such-heading" not in found


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """No page tells of a metric that the catalogue does not declare, or of a part of one."""
    known = {name for name in known_series() if name.startswith("softswitch_")}
    known |= {metric.name for metric in catalogue.METRICS}
    named = re.findall(r"(?<![\w:./-])softswitch_[a-z_]+(?![a-z_]*[:*])", page.read_text())
    assert set(named) <= known


@every_page
def test_every_flag_and_target_in_the_prose_exists(
    page: Path, helps: dict[tuple[str, ...], str], require_program: Callable[[str, str], str]
) -> None:
    """What stands between backticks in the running text can be typed."""
    known = set(re.findall(r"--[a-z][a-z.-]*", "".join(helps.values())))
    for flag in set(re.findall(r"`(--[a-z][a-z.-]*)", prose(page))) - known:
        assert flag in FOREIGN, flag
        program = require_program(*FOREIGN[flag])
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        assert flag in done.stdout + done.stderr
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", prose(page))) <= targets


@every_page
def test_every_command_line_is_taken(page: Path) -> None:
    """The parser of the exporter accepts each line of a shell block that starts it."""
    for line in lines(page):
        program, *words = shlex.split(line, comments=True) or [""]
        if Path(program).name == PROGRAM and "|" not in words:
            parser().parse_args(words)


@every_page
def test_quoted_help_is_the_programs(page: Path, helps: dict[tuple[str, ...], str]) -> None:
    """A block that begins with the usage of a command is the whole help of it, letter for letter."""
    for block in blocks(page, "text"):
        if block.startswith(f"usage: {PROGRAM}"):
            assert block in helps.values()
