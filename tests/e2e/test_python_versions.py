"""Every supported Python that this machine has: the program starts, polls and serves.

Tests of the image run with the Python of the image; workflows run the unit tests with each version.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import exporter
from tests.e2e.conftest import Start

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def _supported() -> list[str]:
    """Return the versions in the metadata of the package, without the one of these tests."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    versions = [text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)]
    return [version for version in versions if version != THIS]


def _found(version: str) -> str:
    """Return an installed Python of this version, also one of pyenv, or skip the test."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    candidates = [*([on_path] if on_path else []), *map(str, pyenv.glob(f"versions/{version}.*/bin/python"))]
    for candidate in candidates:
        # A shim of pyenv exists for versions that are not in use, and fails.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip(f"this machine has no Python {version}")


@pytest.mark.parametrize("version", _supported())
def test_it_polls_and_serves(version: str, run_program: Start) -> None:
    """With the locked dependencies, and with warnings as errors."""
    uv = (UV, "run", "--quiet", "--isolated", "--no-project", f"--python={_found(version)}")
    lock = f"--with-requirements={ROOT / 'requirements.lock'}"
    program = (*uv, lock, "python", "-W", "error", "-m", "exporter")
    said = subprocess.run(
        [*program, "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(f"softswitch-exporter {exporter.__version__} (Python {version}.")
    demo = run_program(*program, "demo", "--port=0", "--simulator-port=0", PYTHONPATH=str(ROOT))
    demo.wait_for(r"  up 1  ")
    assert demo.stop() == 0
