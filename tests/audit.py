"""Checks all locked dependencies for known vulnerabilities (OSV database) with uv.

    .venv/bin/python -m tests.audit

Fails if there is a known vulnerability. If the database or the registry cannot be reached, it reports that
nothing was checked and succeeds, so that development works offline.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements-dev.lock"  # includes requirements.lock
_PIN = re.compile(r"^([a-z0-9._-]+==[^\\\n]+?) *\\?$", re.MULTILINE | re.IGNORECASE)
_UNREACHABLE = (
    "error sending request",
    "network access",
    "Failed to fetch",
    "could not connect",
    "timed out",
)


def audit(*options: str) -> int:
    """Audit the lock file, print the result and return the exit status."""
    pins = _PIN.findall(LOCK.read_text(encoding="utf-8"))
    if not pins:
        _tell(f"found no dependencies in {LOCK.name}")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "dependencies.py"
        listed = "".join(f"#   {pin!r},\n" for pin in pins)
        script.write_text(
            f'# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n{listed}# ]\n# ///\n'
        )
        command = ["-m", "uv", "audit", "--preview-features=audit-command", "--no-progress"]
        ended = subprocess.run(
            [sys.executable, *command, f"--script={script}", *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10"},
        )
    said = ended.stdout + ended.stderr
    if ended.returncode == 0:
        _tell(f"checked {len(pins)} dependencies, found no known vulnerability")
        return 0
    if any(words in said for words in _UNREACHABLE):
        _tell(f"NOT DONE: checked 0 of {len(pins)} dependencies, cannot reach the database")
        return 0
    sys.stdout.write(said)
    _tell("failed: see above")
    return 1


def _tell(outcome: str) -> None:
    sys.stdout.write(f"Audit of dependencies: {outcome}.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit; ``--service-url`` selects another database than the public one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service-url", default="")
    service: str = parser.parse_args(arguments).service_url
    return audit(*([f"--service-url={service}"] if service else []))


if __name__ == "__main__":
    sys.exit(main())
