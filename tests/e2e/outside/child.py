"""One scenario, in a process of its own: child.py SCENARIO RAW, where RAW is where everything seen goes.

The working directory is empty at first. Output, log and exit status are for the parent to keep.
"""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import exporter


def _main() -> int:
    name, raw = sys.argv[1:]
    # The program is that of the interpreter, whatever stands beside this file.
    assert exporter.__file__
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tests.e2e.outside import virtual_time  # noqa: PLC0415
    from tests.e2e.outside.scenarios import scenarios  # noqa: PLC0415
    from tests.e2e.outside.stage import Stage, companion  # noqa: PLC0415

    scenario = scenarios()[name]
    stage = Stage(Path(raw))
    scenario.prepare(stage)
    virtual_time.install(companion(stage, scenario.story))
    [program] = [
        script for script in entry_points(group="console_scripts") if script.name == "softswitch-exporter"
    ]
    sys.argv[1:] = [
        argument.format(port=stage.port, simulator_port=stage.simulator_port)
        for argument in scenario.arguments
    ]
    try:
        return int(program.load()() or 0)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    finally:
        stage.close()


if __name__ == "__main__":
    sys.exit(_main())
