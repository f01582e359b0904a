"""systemd accepts the units, which sandbox the service."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.documents import ROOT

UNIT = ROOT / "deploy/systemd/softswitch-exporter.service"
DEBIAN = ROOT / "deploy/debian/softswitch-exporter.service"
PROGRAM = "/opt/softswitch-exporter/bin/softswitch-exporter"
EXPOSURE = 12
"""In tenths; 100 is a service without sandboxing. Stated in docs/installing.md."""

_IMPLIED = {"NoNewPrivileges", "PrivateTmp", "ProtectSystem", "RemoveIPC", "RestrictSUIDSGID"}
"""What DynamicUser implies."""

_OTHER = {
    *("ConfigurationDirectory", "DynamicUser", "EnvironmentFile", "ExecStart"),
    *("Group", "LoadCredential", "User"),
}
"""How the program is started, as whom, and how it gets its keys."""


@pytest.mark.parametrize(
    ("unit", "program"),
    [
        (UNIT, PROGRAM),
        (DEBIAN, "/usr/bin/softswitch-exporter"),
    ],
    ids=["general", "debian"],
)
def test_systemd_accepts_the_unit(
    unit: Path, program: str, require_program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """It reports no unknown section, key or value, and the exposure is not higher than documented."""
    analyze = require_program("systemd-analyze", "systemd")
    file = tmp_path / unit.name
    assert unit.read_text().count(program) == 1
    file.write_text(unit.read_text().replace(program, "/bin/true"))
    for arguments in (["verify"], ["security", "--offline=true", f"--threshold={EXPOSURE}"]):
        done = subprocess.run([analyze, *arguments, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert arguments != ["verify"] or not done.stdout + done.stderr


def _settings(unit: Path) -> list[str]:
    service = unit.read_text().partition("[Service]\n")[2].partition("[Install]")[0].replace("\\\n", "")
    return [line for line in service.splitlines() if line and not line.startswith("#")]


def test_the_unit_of_debian_is_the_general_one_with_another_user() -> None:
    """Every other setting is equal, so the sandbox is the same."""
    ours, general = (
        [line for line in _settings(unit) if line.partition("=")[0] not in _OTHER | _IMPLIED]
        for unit in (DEBIAN, UNIT)
    )
    assert ours == general
    assert {line.partition("=")[0] for line in _settings(DEBIAN)} >= _IMPLIED
