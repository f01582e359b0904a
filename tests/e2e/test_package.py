"""The files that `make dist` builds are complete, and work in an empty environment."""

import os
import re
import subprocess
import sys
import tarfile
import time
import venv
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
from tests.e2e.programs import get, print_result, samples, wait_until

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


def test_the_wheel_works_in_an_empty_environment(
    built: Distribution, tmp_path: Path, run_program: Start
) -> None:
    """With only the locked dependencies, it prints its version, polls and serves."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv/bin/python")
    install = [str(BIN / "uv"), "pip", "install", "--quiet", f"--python={python}"]
    subprocess.run([*install, "--require-hashes", f"--requirement={ROOT / 'requirements.lock'}"], check=True)
    subprocess.run([*install, "--no-deps", str(built.wheel)], check=True)
    program = str(tmp_path / "venv/bin/softswitch-exporter")
    elsewhere = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    version = subprocess.run(
        [program, "--version"], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith(f"softswitch-exporter {exporter.__version__} ")
    rules = subprocess.run(
        [program, "rules"], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=True
    )
    assert rules.stdout == document()
    subprocess.run([program, "assets", "--to=files"], cwd=tmp_path, env=elsewhere, check=True)
    assert {name: (tmp_path / "files" / name).read_bytes() for name in assets()} == assets()

    simulator = run_program(program, "simulate", "--listen=127.0.0.1:0")
    url = simulator.wait_for(r"http://127\.0\.0\.1:\d+/\S+\.php")[0]
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{url}', key: demo-admin}}]")
    running = run_program(program, f"--config.file={file}", "--web.listen-address=127.0.0.1:0")
    port = running.wait_for(r"address=127\.0\.0\.1:(\d+)")[1]

    def up() -> bool:
        scraped = samples(get(f"http://127.0.0.1:{port}/metrics").decode())
        return scraped.get(("softswitch_up", frozenset({("switch", "pbx")}))) == 1

    wait_until(up, 20, "softswitch_up 1")
    assert b"<h1>SoftswitchNodeMissing</h1>" in get(f"http://127.0.0.1:{port}/runbooks/SoftswitchNodeMissing")


def test_uv_runs_the_wheel(built: Distribution, tmp_path: Path, run_program: Start) -> None:
    """With nothing but uv, as an unprepared user: the demo shows live values."""
    started = time.monotonic()
    uv = (str(BIN / "uv"), "tool", "run", f"--python={sys.executable}", f"--from={built.wheel}")
    demo = run_program(
        *uv, "softswitch-exporter", "demo", "--port=0", "--simulator-port=0", HOME=str(tmp_path)
    )
    demo.wait_for(r"  up 1  ")
    print_result(f"from the wheel to live values: {time.monotonic() - started:.1f} s")
    assert demo.stop() == 0
