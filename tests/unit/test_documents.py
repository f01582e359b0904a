"""The links, names, commands and examples of every Markdown page are valid."""

import contextlib
import io
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.arguments import parser
from exporter.config import load
from exporter.metrics import catalogue
from tests.certificates import Authority
from tests.documents import MARKDOWN, ROOT, anchors, blocks, lines, make_targets, prose
from tests.promql_names import known_series

COMMANDS: tuple[tuple[str, ...], ...] = (
    (), ("probe",), ("simulate",), ("demo",), ("healthcheck",), ("test-alert",), ("rules",), ("assets",)
)  # fmt: skip
PROGRAM = "softswitch-exporter"

FOREIGN = {
    "--query.max-samples": ("prometheus", "prometheus"),
    "--cluster.peer": ("prometheus-alertmanager", "prometheus-alertmanager"),
    "--cluster.peer-timeout": ("prometheus-alertmanager", "prometheus-alertmanager"),
    "--rules.alert.for-grace-period": ("prometheus", "prometheus"),
}
"""Flags of other programs that pages mention: the program, and the package that contains it."""

CREATED = frozenset({"dist/"})
"""Directories that the Makefile creates."""

every_page = pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture(scope="module")
def helps() -> dict[tuple[str, ...], str]:
    """Return the help of each command, 100 columns wide."""
    texts = {}
    for command in COMMANDS:
        output = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
            patch.setenv("COLUMNS", "100")
            with pytest.raises(SystemExit):
                main([*command, "--help"])
        texts[command] = output.getvalue()
    return texts


def test_the_readme_stays_short() -> None:
    """It has at most 120 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@every_page
def test_every_link_resolves(page: Path) -> None:
    """Each relative link leads to an existing file, and to an existing heading if it names one."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    for target in re.findall(r"\]\((?!https?:|mailto:)<?([^)>\s]+)", text):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@every_page
def test_every_module_that_is_named_exists(page: Path) -> None:
    """Modules and directories are named by their path from the root or from ``exporter/``."""
    named = re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:/|\.py))`", prose(page))
    packages = ("", "exporter/", "exporter/queries/", "exporter/poll/", "exporter/simulator/", "tests/e2e/")
    missing = {name for name in named if not any((ROOT / package / name).exists() for package in packages)}
    assert missing <= CREATED


def test_a_broken_link_is_found() -> None:
    """A heading that does not exist has no anchor."""
    found = anchors(ROOT / "docs/configuration.md")
    assert {"the-file", "switches", "switchesqueriespeers"} <= found
    assert "no-such-heading" not in found


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """Each metric on a page is declared in the catalogue."""
    known = {name for name in known_series() if name.startswith("softswitch_")}
    known |= {metric.name for metric in catalogue.METRICS}
    named = re.findall(r"(?<![\w:./-])softswitch_[a-z_]+(?![a-z_]*[:*])", page.read_text())
    assert set(named) <= known


def test_every_flag_and_target_in_the_prose_exists(
    helps: dict[tuple[str, ...], str], require_program: Callable[[str, str], str]
) -> None:
    """Flags and make targets between backticks exist."""
    text = "\n".join(map(prose, MARKDOWN))
    ours = set(re.findall(r"--[a-z][a-z.-]*", "".join(helps.values())))
    foreign = set(re.findall(r"`(--[a-z][a-z.-]*)", text)) - ours
    assert foreign <= FOREIGN.keys()
    for flag in foreign:
        program = require_program(*FOREIGN[flag])
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        assert flag in done.stdout + done.stderr
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= make_targets()


def test_every_command_line_is_accepted() -> None:
    """The parser accepts each line of a shell block that runs the exporter."""
    accepted = 0
    for line in (line for page in MARKDOWN for line in lines(page)):
        program, *words = shlex.split(line, comments=True) or [""]
        # --version exits.
        if Path(program).name == PROGRAM and not {"|", "&&", ">", "--version"} & set(words):
            parser().parse_args(words)
            accepted += 1
    assert accepted > len(COMMANDS)


def test_every_configuration_loads(tmp_path: Path, authority: Authority) -> None:
    """Each configuration on a page, and each file with tenants, is valid if the files it names exist."""
    (tmp_path / "tenants").mkdir()
    included = [block for page in MARKDOWN for block in blocks(page, "yaml") if block.startswith("tenants:")]
    assert included
    for number, block in enumerate(included):
        (tmp_path / "tenants" / f"{number}.yaml").write_text(block)
    secret = tmp_path / "secret"
    secret.write_text("made-up")
    file = tmp_path / "config.yaml"
    shown = [(page.name, block) for page in MARKDOWN for block in blocks(page, "yaml") if _is_ours(block)]
    assert shown
    for page, block in shown:
        text = re.sub(r"(\bkey_file:) [^\s,}]+", rf"\1 {secret}", block)
        file.write_text(re.sub(r"(\bca_file:) [^\s,}]+", rf"\1 {authority.certificate}", text))
        assert load(file, defaultdict(lambda: "made-up")).switches, page


def _is_ours(block: str) -> bool:
    return re.match(r"(#.*\n)*switches:", block) is not None


def test_quoted_help_is_exact(helps: dict[tuple[str, ...], str]) -> None:
    """A block that begins with the usage of a command is its exact help."""
    for page in MARKDOWN:
        for block in blocks(page, "text"):
            assert not block.startswith("usage: ") or block in helps.values(), page.name
