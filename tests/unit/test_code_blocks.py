"""Every code block of the pages is run or validated by a test, or listed with the reason why none does."""

import importlib.util
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from exporter.config import load
from tests.certificates import Authority
from tests.documents import ROOT, blocks, make_targets
from tests.e2e.test_pasted_commands import ELSEWHERE, PAGES
from tests.unit.deploy.test_systemd import PROGRAM, UNIT

ALL = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "deploy/helm/softswitch-exporter/README.md",
    ROOT / "mixin/README.md",
)

_SHELL = {
    "README.md": "e2e/test_first_configuration.py",
    "docs/security.md": "e2e/test_security_page.py",
    "docs/simulator.md": "unit/simulator/test_docs.py",
    # Neither a cluster nor, on Debian 12, a jsonnet that is new enough: these tests use libraries.
    "deploy/helm/softswitch-exporter/README.md": "unit/deploy/test_helm_chart.py",
    "mixin/README.md": "unit/mixin/test_mixin.py",
}
"""The tests that run all commands of a page."""

_OTHERS = {
    ("README.md", "text"): ("e2e/test_readme.py", "e2e/test_first_configuration.py"),
    ("docs/alerting.md", "json"): ("e2e/test_notifications.py",),
    ("docs/installing.md", "ini"): ("unit/test_code_blocks.py",),
    ("docs/simulator.md", "python"): ("unit/test_code_blocks.py",),
    ("mixin/README.md", "jsonnet"): ("unit/mixin/test_mixin.py",),
}
"""The tests that run the blocks in another language than sh, promql and yaml."""

_DEVELOPERS = {ROOT / "docs" / f"{name}.md" for name in ("dependencies", "performance", "reliability")}
"""Their commands take minutes to hours, so they are only checked, below."""

_SWITCH = """\
switches:
  - name: pbx-eu
    url: https://pbx.example.com/pbx/proxyapi.php
    key: made-up
"""


def _languages() -> Iterator[tuple[Path, str]]:
    for page in ALL:
        for language in sorted(set(re.findall(r"^ *```(\w+)$", page.read_text(), re.MULTILINE))):
            yield page, language


def test_every_language_has_a_test() -> None:
    """Blocks in yaml, and those in promql and sh on the pages for operators, have one for all pages."""
    for page, language in _languages():
        name = str(page.relative_to(ROOT))
        if language == "yaml" or (language in {"promql", "sh"} and page in {*PAGES, *_DEVELOPERS}):
            continue
        tests = (_SHELL[name],) if language == "sh" else _OTHERS[name, language]
        assert all((ROOT / "tests" / test).exists() for test in tests)


def test_every_exception_is_on_a_page() -> None:
    """Each block that is not run is on one of the pages."""
    first = {block.splitlines()[0] for page in PAGES for block in blocks(page, "sh")}
    assert ELSEWHERE.keys() <= first


@pytest.mark.parametrize("page", sorted(_DEVELOPERS), ids=lambda page: page.stem)
def test_commands_for_developers_exist(page: Path) -> None:
    """Each is a target of make, a test file, or a module of this repository."""
    found = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert found
    for line in found:
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert set(words) <= make_targets(), line
        elif program.endswith("/pytest"):
            files = [word for word in words if not word.startswith("-")]
            assert files
            assert all((ROOT / file).exists() for file in files), line
        else:
            assert words[0] == "-m", line
            assert importlib.util.find_spec(words[1]), line


def _yaml_blocks() -> list[tuple[str, str]]:
    return [(page.stem, block) for page in ALL for block in blocks(page, "yaml")]


@pytest.fixture
def accepts(
    tmp_path: Path, require_program: Callable[[str, str], str], authority: Authority
) -> Callable[[str, str], None]:
    """Return a function that lets the program that reads a YAML document check it."""
    for name in ("pbx-eu.key", "alertmanager.password", "prometheus.password"):
        (tmp_path / name).write_text("made-up")
    (tmp_path / "softswitch.yaml").write_text("groups: []")
    (tmp_path / "tenants").mkdir()
    issued = authority.issue("prometheus")
    for name, file in {
        "authority.pem": authority.certificate,
        "prometheus.pem": issued.certificate,
        "prometheus.key": issued.key,
    }.items():
        (tmp_path / name).write_bytes(file.read_bytes())

    def configuration(text: str) -> None:
        (tmp_path / "config.yaml").write_text(text)
        assert load(tmp_path / "config.yaml", {}).switches

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    def promtool(kind: str, text: str) -> None:
        (tmp_path / "prometheus.yml").write_text(text)
        run(require_program("promtool", "prometheus"), "check", kind, "prometheus.yml")

    def kubernetes(text: str) -> None:
        (tmp_path / "resource.yaml").write_text(text)
        run(sys.executable, "-m", "kubernetes_validate", "--strict", "resource.yaml")

    def check(key: str, text: str) -> None:
        {
            "switches": lambda: configuration(re.sub(r"key_file: \S+", "key_file: pbx-eu.key", text)),
            "tenants": lambda: configuration(_SWITCH + textwrap.indent(text, "    ")),
            "queries": lambda: configuration(_SWITCH + textwrap.indent(text, "    ")),
            "watch_peers": lambda: configuration(_SWITCH + textwrap.indent(text, "    ")),
            "alerting": lambda: configuration(_SWITCH + text),
            "high_availability": lambda: configuration(_SWITCH + text),
            "rule_files": lambda: promtool("config", text),
            "global": lambda: promtool("config", text),
            "scrape_configs": lambda: promtool("config", text),
            "relabel_configs": lambda: promtool(
                "config", "scrape_configs:\n  - job_name: softswitch\n" + textwrap.indent(text, "    ")
            ),
            "groups": lambda: promtool("rules", text),
            "apiVersion": lambda: kubernetes(text),
        }[key]()

    return check


_BY_OTHER_TESTS = {
    "services": "unit/grafana/test_dashboards_page.py",
    "image": "unit/deploy/test_helm_chart.py",
    "tls_server_config": "e2e/test_security_page.py",
    "key_file": "unit/test_code_blocks.py",  # a file that only systemd creates: below
}


@pytest.mark.parametrize(("page", "block"), _yaml_blocks())
def test_every_yaml_block_is_valid(page: str, block: str, accepts: Callable[[str, str], None]) -> None:
    """The program that reads it accepts it. Its first key shows which one that is."""
    document = yaml.safe_load(block)
    if document is None:  # only a comment for an editor
        assert (ROOT / re.search(r"\$schema=(\S+)", block)[1]).exists()  # type: ignore[index]  # else it fails
        return
    key = next(iter(document))
    if key in _BY_OTHER_TESTS:
        assert (ROOT / "tests" / _BY_OTHER_TESTS[key]).exists(), page
    else:
        accepts(key, block)


def test_the_key_of_the_systemd_unit() -> None:
    """The unit loads the credential at whose path the page expects it."""
    [block] = [text for text in blocks(ROOT / "docs/installing.md", "yaml") if text.startswith("key_file:")]
    path = Path(yaml.safe_load(block)["key_file"])
    assert path.parent == Path("/run/credentials") / UNIT.name
    assert f"LoadCredential={path.name}:" in UNIT.read_text()


def test_the_drop_in_of_systemd(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """Systemd accepts the unit with it."""
    [drop_in] = blocks(ROOT / "docs/installing.md", "ini")
    assert PROGRAM in drop_in
    unit = tmp_path / UNIT.name
    unit.write_text(f"{UNIT.read_text()}\n{drop_in}".replace(PROGRAM, "/bin/true"))
    done = subprocess.run(
        [require_program("systemd-analyze", "systemd"), "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def test_the_example_in_python() -> None:
    """It starts a simulated switch with a fault, and stops it."""
    [example] = blocks(ROOT / "docs/simulator.md", "python")
    imports = (
        "from exporter.simulator.faults import Fault, FaultKind\n"
        "from exporter.simulator.options import Options\n"
        "from exporter.simulator.server import create_application, start\n"
        "from exporter.simulator.world import Size, World\n"
    )
    scope: dict[str, object] = {}
    exec(f"{imports}async def example():\n{textwrap.indent(example, '    ')}", scope)  # noqa: S102  # our own page
    await scope["example"]()  # type: ignore[operator]  # defined by the example
