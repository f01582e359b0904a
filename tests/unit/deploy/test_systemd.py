"""systemd accepts the unit, which sandboxes the service."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "deploy/systemd/softswitch-exporter.service"
PROGRAM = "/opt/softswitch-exporter/bin/softswitch-exporter"
EXPOSURE = 12
"""In tenths; 100 is a service without sandboxing. Stated in docs/installing.md."""


@pytest.fixture
def analyze(require_program: Callable[[str, str], str], tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs systemd-analyze on the unit, with an existing program; it must succeed."""
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


def test_systemd_accepts_the_unit(analyze: Callable[..., str]) -> None:
    """Systemd reports no unknown section, key or value."""
    assert analyze("verify").strip() == ""


def test_the_service_is_hardened(analyze: Callable[..., str]) -> None:
    """Its exposure is not higher than documented."""
    analyze("security", "--offline=true", f"--threshold={EXPOSURE}")
