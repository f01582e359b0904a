"""The command: see the docstring of the package."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.outside.comparison import compare
from tests.e2e.outside.recording import Seen
from tests.e2e.outside.scenarios import scenarios

_LONGEST = 300.0
"""Real seconds that a scenario may take."""

_CHILD = Path(__file__).with_name("child.py")


def _record_one(name: str, python: str, directory: Path, scratch: Path) -> str:
    """Record one scenario; return what went wrong, or ""."""
    place = scratch / name
    working = place / "run"
    working.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
        "PYTHONPYCACHEPREFIX": str(scratch / "compiled"),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
        "TZ": "UTC",
    }
    try:
        ended = subprocess.run(
            [python, "-P", str(_CHILD), name, str(place / "raw")],
            cwd=working,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name}: it did not end within {_LONGEST:g} s"
    errors = ended.stderr.decode("utf-8", "surrogateescape")
    if not (place / "raw" / "addresses.json").is_file():
        return f"{name}: exit status {ended.returncode}\n{errors[-3000:]}"
    output = ended.stdout.decode("utf-8", "surrogateescape")
    seen = Seen(place / "raw", output, errors, ended.returncode, {str(working): "RUN"})
    try:
        seen.recording().write(directory, name)
    except ValueError as error:  # what was seen has another form than `recording` knows
        return f"{name}: {type(error).__name__}: {error}"
    return ""


def _record(directory: Path, python: str, only: str, at_a_time: int) -> int:
    if directory.exists():
        shutil.rmtree(directory)
    chosen = [name for name in scenarios() if only in name]
    with tempfile.TemporaryDirectory(prefix="outside-") as scratch, ThreadPoolExecutor(at_a_time) as pool:
        failures = [
            failure
            for failure in pool.map(lambda name: _record_one(name, python, directory, Path(scratch)), chosen)
            if failure
        ]
    _say([*failures, f"{len(chosen) - len(failures)} of {len(chosen)} scenarios recorded"])
    return 1 if failures else 0


def _compare(before: Path, after: Path) -> int:
    found = compare(before, after)
    _say(found.report())
    return 0 if found.is_identical else 1


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def main() -> int:
    """Run the command; return 1 where a scenario failed or values differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outside")
    commands = parser.add_subparsers(required=True)
    record = commands.add_parser("record", help="run every scenario and keep what is seen from outside")
    record.add_argument("directory", type=Path, help="is emptied first")
    record.add_argument("--python", default=sys.executable, help="that has the version to record")
    record.add_argument("--only", default="", help="scenarios with this in their name")
    record.add_argument("--at-a-time", type=int, default=3, help="processes (default 3)")
    record.set_defaults(run=lambda said: _record(said.directory, said.python, said.only, said.at_a_time))
    comparing = commands.add_parser("compare", help="exit status 1 where values differ")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.set_defaults(run=lambda said: _compare(said.before, said.after))
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
