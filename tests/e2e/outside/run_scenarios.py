"""Run scenarios, each in its own process: ``run_scenarios.py DIRECTORY PROCESSES SCENARIO…``.

The interpreter is that of the version to record. What was seen of a scenario goes to DIRECTORY/SCENARIO; its
``status`` is written when it has ended. The modules of the program are imported once, on the virtual clock;
each process is a fork.
"""

import importlib
import os
import pkgutil
import signal
import sys
from importlib.metadata import entry_points
from pathlib import Path

import exporter

# After this import: the program must be the one installed for this interpreter, not the one beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.e2e.outside import virtual_time
from tests.e2e.outside.commands import commands
from tests.e2e.outside.daemon import daemons
from tests.e2e.outside.harness import Harness, Scenario

_TIMEOUT = 900
"""Real seconds for one scenario, on a busy machine."""


def _run(scenario: Scenario) -> int:
    """Run the program in the working directory, which is empty, and return its exit status."""
    harness = Harness(Path(".."))
    scenario.prepare(harness)
    virtual_time.start(lambda: harness.drive(scenario.steps))
    ports = {"port": harness.port, "simulator_port": harness.simulator_port}
    scripts = entry_points(group="console_scripts")
    [program] = [script.load() for script in scripts if script.name == "softswitch-exporter"]
    sys.argv = ["softswitch-exporter", *(argument.format(**ports) for argument in scenario.arguments)]
    try:
        return int(program() or 0)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    finally:
        harness.close()


def _fork(scenario: Scenario, directory: Path) -> int:
    """Start a scenario and return its process ID."""
    (directory / "run").mkdir(parents=True)
    child = os.fork()
    if child:
        return child
    signal.alarm(_TIMEOUT)
    for descriptor, file in ((1, "output"), (2, "errors")):
        os.dup2(os.open(directory / file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(directory / "run")
    sys.exit(_run(scenario))


def _main() -> None:
    directory, processes, *names = sys.argv[1:]
    virtual_time.install()
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    scenarios = daemons() | commands()
    running: dict[int, Path] = {}
    while names or running:
        while names and len(running) < int(processes):
            scenario = Path(directory, names.pop(0))
            running[_fork(scenarios[scenario.name], scenario)] = scenario
        child, status, used = os.wait4(-1, 0)
        scenario = running.pop(child)
        (scenario / "status").write_text(str(os.waitstatus_to_exitcode(status)))
        sys.stderr.write(f"{scenario.name}: {used.ru_utime + used.ru_stime:.1f} s of CPU time\n")


if __name__ == "__main__":
    _main()
