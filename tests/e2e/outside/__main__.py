"""The command line. The docstring of the package shows its use."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.outside.commands import commands
from tests.e2e.outside.comparison import compare
from tests.e2e.outside.daemon import daemons
from tests.e2e.outside.recording import read_recording


def _save(scenario: Path, directory: Path) -> str:
    """Save the recording of a scenario. Return an error message, or "" if it succeeded."""
    try:
        read_recording(scenario).write(directory, scenario.name)
    except FileNotFoundError:  # the program was killed before the end
        status, errors = (scenario / "status").read_text(), (scenario / "errors").read_text(errors="replace")
        return f"{scenario.name}: exit status {status}\n{errors[-3000:]}"
    except ValueError as error:
        return f"{scenario.name}: {type(error).__name__}: {error}"
    return ""


def _record(directory: Path, python: str, only: str, processes: int) -> int:
    if directory.exists():
        shutil.rmtree(directory)
    names = [name for name in daemons() | commands() if only in name]
    with tempfile.TemporaryDirectory(prefix="outside-") as temporary:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "0",
            "PYTHONPYCACHEPREFIX": f"{temporary}/compiled",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
            "TZ": "UTC",
        }
        scenarios = Path(temporary, "scenarios")
        script = Path(__file__).with_name("run_scenarios.py")
        command = [python, "-P", str(script), str(scenarios), str(processes), *names]
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
        failures = [failure for name in names if (failure := _save(scenarios / name, directory))]
    _print([*failures, f"{len(names) - len(failures)} of {len(names)} scenarios recorded"])
    return 1 if failures else 0


def _compare(before: Path, after: Path) -> int:
    found = compare(before, after)
    _print(found.report())
    return 0 if found.is_identical else 1


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def main() -> int:
    """Run the command. Return 1 if a scenario failed or values differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outside")
    subparsers = parser.add_subparsers(required=True)
    record = subparsers.add_parser("record", help="run the scenarios and record what they show")
    record.add_argument("directory", type=Path, help="it is emptied first")
    record.add_argument("--python", default=sys.executable, help="interpreter of the version to record")
    record.add_argument("--only", default="", help="only scenarios whose name contains this")
    record.add_argument("--processes", type=int, default=3, help="how many run concurrently (default 3)")
    record.set_defaults(run=lambda given: _record(given.directory, given.python, given.only, given.processes))
    comparing = subparsers.add_parser(
        "compare", help="compare two recordings; exit status 1 if values differ"
    )
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.set_defaults(run=lambda given: _compare(given.before, given.after))
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
