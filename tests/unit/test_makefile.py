"""What the targets of the Makefile install."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents import ROOT


def _installed_by(target: str, environment: Path) -> set[str]:
    """Return the lock files that a target installs into an environment that does not exist yet."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed: apt-get install make")
    command = [make, "--dry-run", "--no-print-directory", f"VENV={environment}", target]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    installs = [line.split() for line in lines if " install " in line]
    assert installs
    return {word for words in installs for word in words if word.endswith(".lock")}


def test_the_demo_installs_no_development_tools(tmp_path: Path) -> None:
    """A newcomer waits for what the program needs, and for nothing else."""
    assert _installed_by("demo", tmp_path / "new") == {"requirements.lock"}


def test_the_tests_install_the_development_tools(tmp_path: Path) -> None:
    """They add the tools to the same environment."""
    assert "requirements-dev.lock" in _installed_by("lint", tmp_path / "new")
