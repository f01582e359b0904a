"""Debian's checker accepts the package."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.e2e.debian import build_packages


def test_lintian_finds_nothing(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """Nor does it find an override that is not needed."""
    lintian = require_program("lintian", "lintian")
    [package] = build_packages(tmp_path, "1+deb12")
    command = [lintian, "--allow-root", "--fail-on=error,warning", str(package)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
