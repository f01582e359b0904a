"""Looks every locked dependency up in the database of known vulnerabilities (OSV), through uv.

    .venv/bin/python -m tests.audit

A known vulnerability is a failure. Where the database, or the registry, cannot be asked, nothing was checked:
that is said, and is no failure, so that a commit can be made on a train.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements-dev.lock"  # it holds those of requirements.lock as well
_PIN = re.compile(r"^([a-z0-9._-]+==[^\\\n]+?) *\\?$", re.MULTILINE | re.IGNORECASE)
_UNREACHABLE = (
    "error sending request",
    "network access",
    "Failed to fetch",
    "could not connect",
    "timed out",
)


def audit(*options: str) -> int:
    """Audit the lock file; tell how it went and return the exit status."""
    pins = _PIN.findall(LOCK.read_text(encoding="utf-8"))
    if not pins:
        _tell(f"no dependency found in {LOCK.name}")
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
        _tell(f"{len(pins)} dependencies looked up, no known vulnerability")
        return 0
    if any(words in said for words in _UNREACHABLE):
        _tell(f"NOT DONE: 0 of {len(pins)} dependencies looked up, the database cannot be asked from here")
        return 0
    sys.stdout.write(said)
    _tell("failed: see above")
    return 1


def _tell(outcome: str) -> None:
    sys.stdout.write(f"Audit of dependencies: {outcome}.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit; ``--service-url`` is another database than the public one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service-url", default="")
    service: str = parser.parse_args(arguments).service_url
    return audit(*([f"--service-url={service}"] if service else []))


if __name__ == "__main__":
    sys.exit(main())
