"""The files for keepalived are valid. tests/e2e/test_keepalived_*.py run them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

DEPLOY = Path(__file__).parents[3] / "deploy/keepalived"
SCRIPT = DEPLOY / "softswitch-exporter-pair"
DROP_IN = DEPLOY / "keepalived.service.d/softswitch-exporter.conf"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False
    )


def test_the_script_is_portable(require_program: Callable[[str, str], str]) -> None:
    """Shellcheck finds nothing to improve in it as a script for any POSIX shell."""
    done = _run(require_program("shellcheck", "shellcheck"), "--shell=sh", SCRIPT)
    assert done.stdout == ""


def test_the_script_explains_its_arguments() -> None:
    """Without a known argument, it prints how it is used and fails."""
    for arguments in ((), ("INSTANCE", "softswitch_exporter", "UNKNOWN", "100")):
        done = _run(SCRIPT, *arguments)
        assert (done.returncode, done.stdout) == (
            2,
            f"usage: {SCRIPT} check | stopped | INSTANCE NAME STATE PRIORITY\n",
        )


def test_systemd_accepts_the_drop_in(require_program: Callable[[str, str], str], tmp_path: Path) -> None:
    """Systemd reports no unknown section, key or value in the drop-in, which it applies to the unit."""
    unit = tmp_path / "softswitch-keepalived.service"
    unit.write_text("[Service]\nType=notify\nExecStart=/bin/true\n")
    folder = tmp_path / f"{unit.name}.d"
    folder.mkdir()
    installed = "/etc/keepalived/softswitch-exporter-pair"
    (folder / DROP_IN.name).write_text(DROP_IN.read_text().replace(installed, "/bin/true"))
    analyze = require_program("systemd-analyze", "systemd")
    assert _run(analyze, "verify", unit).stdout.strip() == ""
    (folder / DROP_IN.name).write_text(DROP_IN.read_text().replace("RestartSec", "RestartSeconds"))
    assert "RestartSeconds" in _run(analyze, "verify", unit).stdout
