"""The unit is one that systemd takes, and lets the service do little."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "deploy/systemd/softswitch-exporter.service"
PROGRAM = "/opt/softswitch-exporter/bin/softswitch-exporter"
EXPOSURE = 12
"""In tenths; 100 is a service without any bounds. docs/installing.md names it."""


@pytest.fixture
def analyze(require_program: Callable[[str, str], str], tmp_path: Path) -> Callable[..., str]:
    """Return a function that analyzes the unit, its program being one that is here; it must succeed."""
    executable = require_program("systemd-analyze", "systemd")
    file = tmp_path / UNIT.name
    assert UNIT.read_text().count(PROGRAM) == 1
    file.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))

    def run(*arguments: str) -> str:
        command = [executable, *arguments, str(file)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_systemd_takes_the_unit(analyze: Callable[..., str]) -> None:
    """No section, key or value is unknown: systemd has no remark about it."""
    assert analyze("verify").strip() == ""


def test_the_service_is_hardened(analyze: Callable[..., str]) -> None:
    """Its exposure is rated as low as the documentation says."""
    analyze("security", "--offline=true", f"--threshold={EXPOSURE}")
