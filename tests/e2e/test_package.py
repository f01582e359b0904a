"""The files that `make dist` builds are complete, and work in an empty environment."""

import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trove_classifiers

import exporter
from exporter.cli.rules import document
from exporter.shipped import assets
from tests.e2e.conftest import Start
from tests.e2e.programs import get, print_result

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Distribution:
    """The built files."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Build the sdist and, from it, the wheel, as `make dist` does."""
    directory = tmp_path_factory.mktemp("dist")
    command = [str(BIN / "uv"), "build", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, f"--out-dir={directory}"], cwd=ROOT, check=True, capture_output=True)
    [sdist], [wheel] = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return Distribution(sdist, wheel)


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """Return the files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone: the list of files is unknown")
    return {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}


def test_the_sdist_has_every_file(built: Distribution, tracked: set[str]) -> None:
    """It is as complete as a clone, including tests."""
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive}
    assert tracked - names == set()


def test_the_wheel_has_only_the_package(built: Distribution, tracked: set[str]) -> None:
    """It has every file of exporter/, including data files, the files for other programs, and no tests."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked if name.startswith("exporter/")} | {
        f"exporter/data/{name}" for name in assets()
    }


def test_the_wheel_describes_itself(built: Distribution) -> None:
    """As an index shows it: the links of the readme lead to the repository, and its classifiers exist."""
    with zipfile.ZipFile(built.wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        described = Parser().parsestr(archive.read(name).decode())
    links = re.findall(r"\]\(([^)]*)\)", str(described.get_payload()))
    assert len(links) > 10
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    pages = {urlsplit(link).path.partition("/main/")[2] for link in links if "/main/" in link}
    assert {page for page in pages if not (ROOT / page).exists()} == set()
    assert set(described.get_all("Classifier", [])) <= trove_classifiers.classifiers
    assert {text.partition(",")[0] for text in described.get_all("Project-URL", [])} == {
        "Homepage", "Documentation", "Changelog", "Issues", "Source"
    }  # fmt: skip


def test_uv_installs_the_wheel(built: Distribution, tmp_path: Path, run_program: Start) -> None:
    """With nothing but uv: the demo shows live values, and the program has all its files."""
    started = time.monotonic()
    elsewhere = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    elsewhere |= {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}

    def run(*command: str) -> str:
        return subprocess.run(
            command, cwd=tmp_path, env=elsewhere, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    run(str(BIN / "uv"), "tool", "install", "--quiet", f"--python={sys.executable}", str(built.wheel))
    program = str(tmp_path / "bin/softswitch-exporter")
    demo = run_program(program, "demo", "--port=0", "--simulator-port=0", PYTHONPATH="")
    demo.wait_for(r"  up 1  ")
    print_result(f"from the wheel to live values: {time.monotonic() - started:.1f} s")
    version = (
        rf"softswitch-exporter {re.escape(exporter.__version__)} \(Python 3\.\d+\.\d+, OpenSSL \d[\w.]+\)\n"
    )
    assert re.fullmatch(version, run(program, "--version"))
    assert run(program, "rules") == document()
    run(program, "assets", "--to=files")
    assert {name: (tmp_path / "files" / name).read_bytes() for name in assets()} == assets()
    [url] = re.findall(r"(http://\S+)/metrics", demo.text())
    assert b"<h1>SoftswitchNodeMissing</h1>" in get(f"{url}/runbooks/SoftswitchNodeMissing")
    assert demo.stop() == 0
