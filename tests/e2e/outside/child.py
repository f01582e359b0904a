"""Runs scenarios, each in a process of its own.

``child.py DIRECTORY AT_A_TIME SCENARIO…`` is started with the interpreter of the version to record. What
is seen of a scenario goes to DIRECTORY/SCENARIO: ``raw``, ``output``, ``errors``, and ``status`` once it has
ended. Modules are loaded once, on the virtual clock, and each process begins as a copy.
"""

import importlib
import os
import pkgutil
import resource
import signal
import sys
from importlib.metadata import entry_points
from pathlib import Path

import exporter

# The program is that of the interpreter, by now, whatever stands beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.e2e.outside import virtual_time
from tests.e2e.outside.scenarios import Scenario, scenarios
from tests.e2e.outside.stage import Stage, companion

_LONGEST = 900
"""Real seconds that a scenario may take: the machine may be busy."""


def _run(scenario: Scenario) -> int:
    """Run the program in the working directory, which is empty, and return its exit status."""
    stage = Stage(Path("../raw"))
    scenario.prepare(stage)
    virtual_time.start(companion(stage, scenario.story))
    ports = {"port": stage.port, "simulator_port": stage.simulator_port}
    scripts = entry_points(group="console_scripts")
    [program] = [script.load() for script in scripts if script.name == "softswitch-exporter"]
    sys.argv = ["softswitch-exporter", *(argument.format(**ports) for argument in scenario.arguments)]
    try:
        return int(program() or 0)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    finally:
        stage.close()


def _start(name: str, scenario: Scenario, directory: Path) -> int:
    """Start a scenario in a process of its own; return its number."""
    place = directory / name
    (place / "run").mkdir(parents=True)
    child = os.fork()
    if child:
        return child
    signal.alarm(_LONGEST)
    for number, file in ((1, "output"), (2, "errors")):
        os.dup2(os.open(place / file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(place / "run")
    sys.exit(_run(scenario))


def _load_all() -> None:
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _main() -> None:
    directory, at_a_time, *names = sys.argv[1:]
    virtual_time.install()
    _load_all()
    known = scenarios()
    running: dict[int, str] = {}
    while names or running:
        while names and len(running) < int(at_a_time):
            name = names.pop(0)
            running[_start(name, known[name], Path(directory))] = name
        ended, status, used = os.wait4(-1, 0)
        name = running.pop(ended)
        (Path(directory) / name / "status").write_text(str(os.waitstatus_to_exitcode(status)))
        sys.stderr.write(f"{name}: {used.ru_utime + used.ru_stime:.1f} s of a processor\n")
    sys.stderr.write(f"in all {sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]):.0f} s\n")


if __name__ == "__main__":
    _main()
