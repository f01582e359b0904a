"""The examples in README.md and the pages for newcomers match the program."""

import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

import exporter
from exporter.cli import main
from exporter.cli.arguments import DEFAULT_LISTEN_ADDRESS, parser
from tests.documents import make_targets
from tests.e2e.conftest import Start, StartExporter
from tests.e2e.programs import get, print_result, running_programs, start_simulator, wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
HOW_IT_WORKS = (ROOT / "docs/how-it-works.md").read_text()
PROGRAM = "softswitch-exporter"
CONFIGURATION = "switches: [{{name: pbx-eu, url: '{url}', key: demo-admin, tenants: [{{code: ACME}}]}}]"


def blocks(language: str, beginning: str = "") -> list[str]:
    """Return the code blocks of README in a language that start with ``beginning``."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language and text.startswith(beginning)]


def commands() -> list[list[str]]:
    """Return the words of every shell command in README."""
    return [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]


def without_numbers(text: str) -> str:
    """Replace numbers and the name of the temporary folder, which differ between runs."""
    return re.sub(r"\d[\d.]*", "N", re.sub(r"\S+/softswitch-exporter-\w+/", "/folder/", text)).strip()


def test_every_command_of_the_readme_exists() -> None:
    """Each is a target of make, or a valid command line of the program."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert PROGRAM in scripts
    assert commands()
    for program, *arguments in commands():
        if program == "make":
            assert set(arguments) <= make_targets()
        elif program != "export":
            assert program == PROGRAM
            parser().parse_args(arguments)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a simulated switch and return its URL."""
    with running_programs(tmp_path_factory.mktemp("switch")) as run:
        yield start_simulator(run).url


def test_the_other_probes(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    """The flags in README show a response, and the state of a phone."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION.format(url=url))
    text = " ".join(README.split())
    for flags, query in (
        ("--query=license", "LICENSEDAYS"),
        ("--tenant=ACME --extension=100", "info=regstate"),
    ):
        assert f"`{flags}`" in text
        assert main(["probe", f"--config.file={file}", *flags.split()]) == 0
        assert query in capsys.readouterr().out


@pytest.mark.timeout(300)  # make installs all libraries
def test_the_demo(tmp_path: Path, run_program: Start, require_program: Callable[[str, str], str]) -> None:
    """In the environment that make creates: what README shows, URLs that work, and values that change."""
    started = time.monotonic()
    environment = tmp_path / "venv"
    make = [require_program("make", "make"), "--silent", f"VENV={environment}", f"PYTHON={sys.executable}"]
    subprocess.run([*make, f"{environment}/.program"], cwd=ROOT, check=True)
    demo = run_program(
        str(environment / "bin/softswitch-exporter"), "demo", "--port=0", "--simulator-port=0", PYTHONPATH=""
    )
    [shown] = blocks("text", "softswitch-exporter polls")
    introduction, live = shown.split("\n\n")
    names = [re.escape(entry.rpartition(" ")[0]) for entry in live.splitlines()[-1].split("  ")[1:]]
    values = r"  (" + r" -?[\d.]+  ".join(names) + r" \S+)\n"
    demo.wait_for(values)
    print_result(f"from make demo to live values: {time.monotonic() - started:.1f} s")
    assert without_numbers(demo.text().split("\n\n")[0]) == without_numbers(introduction)
    before, first = re.split(r"^.*(?=  up )", demo.text().split("\n\n")[1], maxsplit=1, flags=re.MULTILINE)
    assert re.fullmatch(r"([\d:]{8}  first sweep: \d of 5 tenants\n)*", before)
    assert re.match(values, first)
    for url in re.findall(r"http://127\.0\.0\.1:\d+\S*", demo.text()):
        assert get(url)
    assert Path(re.findall(r"Configuration: (.+)", demo.text())[0]).exists()
    wait_until(lambda: len(set(re.findall(values, demo.text()))) > 1, 30, "values that change")
    assert demo.stop(signal.SIGINT) == 0
    # Standard error goes to the same file: nothing was logged.
    assert "Traceback" not in demo.text()
    assert "level=" not in demo.text()


def test_every_endpoint_of_the_readme_is_served(url: str, run_exporter: StartExporter) -> None:
    """The exporter serves each path in the section on endpoints."""
    running = run_exporter(CONFIGURATION.format(url=url))
    section = README.partition("## Endpoints")[2].partition("\n## ")[0]
    paths = [path.replace("NAME", "pbx-eu") for path in re.findall(r"`(/\S*)`", section)]
    assert "/metrics" in paths
    assert {path: _status(running.base_url + path) for path in paths if path != "/-/ready"} == {
        path: 200 for path in paths if path != "/-/ready"
    }
    assert _status(f"{running.base_url}/-/ready") in {200, 503}


def _status(url: str) -> int:
    try:
        with urlopen(url, timeout=30) as response:
            status: int = response.status
            return status
    except HTTPError as error:
        with error:
            return error.code


def test_the_scrape_configuration_is_valid(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """Promtool accepts it, and its target is the default address of the exporter."""
    [text] = blocks("yaml", "scrape_configs:")
    assert f'127.0.0.1{DEFAULT_LISTEN_ADDRESS}"' in text
    file = tmp_path / "prometheus.yml"
    file.write_text(text)
    promtool = require_program("promtool", "prometheus")
    checked = subprocess.run([promtool, "check", "config", file], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_module_is_documented() -> None:
    """docs/how-it-works.md names each module and, with a slash, each package."""
    [package] = exporter.__path__
    paths = [path for path in Path(package).iterdir() if not path.name.startswith(("_", "py.typed"))]
    names = {f"{path.stem}/" if path.is_dir() else path.stem for path in paths}
    assert {"store/", "model"} <= names
    assert {name for name in names if f"`{name}`" not in HOW_IT_WORKS} == set()


def test_every_dependency_is_documented() -> None:
    """The tables of docs/dependencies.md have exactly the dependencies of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = (ROOT / "docs/dependencies.md").read_text()
    sections = [part for part in page.split("\n## ") if part.startswith(("At run time", "For development"))]
    optional = project["project"]["optional-dependencies"]["kubernetes"]
    wanted = [project["project"]["dependencies"] + optional, project["dependency-groups"]["dev"]]
    for requirements, section in zip(wanted, sections, strict=True):
        named = re.findall(r"^\| `([a-z0-9-]+)`", section, re.MULTILINE)
        assert sorted(named) == sorted(re.split("[<>=]", requirement)[0] for requirement in requirements)
