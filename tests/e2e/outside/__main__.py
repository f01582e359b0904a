"""The command: see the docstring of the package."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.outside.comparison import compare
from tests.e2e.outside.recording import Seen
from tests.e2e.outside.scenarios import scenarios

_CHILD = Path(__file__).with_name("child.py")


def _recorded(name: str, directory: Path, scratch: Path) -> str:
    """Keep what was seen of a scenario; return what went wrong, or ""."""
    place = scratch / name
    errors = (place / "errors").read_bytes().decode("utf-8", "surrogateescape")
    status = (place / "status").read_text()
    if not (place / "raw" / "addresses.json").is_file():
        return f"{name}: exit status {status}\n{errors[-3000:]}"
    output = (place / "output").read_bytes().decode("utf-8", "surrogateescape")
    seen = Seen(place / "raw", output, errors, int(status), {str(place / "run"): "RUN"})
    try:
        seen.recording().write(directory, name)
    except ValueError as error:  # what was seen has another form than `recording` knows
        return f"{name}: {type(error).__name__}: {error}"
    return ""


def _record(directory: Path, python: str, only: str, at_a_time: int) -> int:
    if directory.exists():
        shutil.rmtree(directory)
    chosen = [name for name in scenarios() if only in name]
    with tempfile.TemporaryDirectory(prefix="outside-") as scratch:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "0",
            "PYTHONPYCACHEPREFIX": f"{scratch}/compiled",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
            "TZ": "UTC",
        }
        place = Path(scratch, "scenarios")
        command = [python, "-P", str(_CHILD), str(place), str(at_a_time), *chosen]
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
        failures = [failure for name in chosen if (failure := _recorded(name, directory, place))]
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
