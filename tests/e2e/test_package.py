"""What `make dist` builds is complete, and works where nothing else is installed."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import exporter
from tests.e2e.conftest import Start
from tests.e2e.programs import get, samples, wait_until

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Distribution:
    """The two files that were built."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Build as `make dist` does, into a directory of its own: the sdist, and from it the wheel."""
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
        pytest.skip("this is no clone: what should be packed is not known")
    return {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}


def test_the_sdist_holds_every_file(built: Distribution, tracked: set[str]) -> None:
    """Whoever has it can do what can be done with a clone, tests included."""
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive}
    assert tracked - names == set()


def test_the_wheel_holds_the_package_and_nothing_else(built: Distribution, tracked: set[str]) -> None:
    """Every file of exporter/ is in it, data files too, and no test."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked if name.startswith("exporter/")}


def test_the_wheel_works_in_an_empty_environment(
    built: Distribution, tmp_path: Path, run_program: Start
) -> None:
    """With the locked dependencies and nothing else it tells its version, and serves what it polls."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv/bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    subprocess.run([*install, "--require-hashes", f"--requirement={ROOT / 'requirements.lock'}"], check=True)
    subprocess.run([*install, "--no-deps", str(built.wheel)], check=True)
    program = str(tmp_path / "venv/bin/softswitch-exporter")
    elsewhere = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    told = subprocess.run(
        [program, "--version"], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith(f"softswitch-exporter {exporter.__version__} ")

    simulator = run_program(program, "simulate", "--listen=127.0.0.1:0")
    url = simulator.wait_for(r"http://127\.0\.0\.1:\d+/\S+\.php")[0]
    file = tmp_path / "config.yaml"
    file.write_text(f"switches: [{{name: pbx, url: '{url}', key: demo-admin}}]")
    running = run_program(program, f"--config.file={file}", "--web.listen-address=127.0.0.1:0")
    port = running.wait_for(r"address=127\.0\.0\.1:(\d+)")[1]

    def up() -> bool:
        scraped = samples(get(f"http://127.0.0.1:{port}/metrics").decode())
        return scraped.get(("softswitch_up", frozenset({("switch", "pbx")}))) == 1

    wait_until(up, 20, "an answer of the switch")
