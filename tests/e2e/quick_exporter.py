"""The exporter as it is, but for the durations of its alerts, which go by so many times faster.

python -m tests.e2e.quick_exporter FILE SPEED [HANGING]

Where a name is given as HANGING, whoever opens a file with that text in its name waits for ever, as on a disk
that hangs. Python tells a hook of each file that is opened, before it opens it.
"""

import asyncio
import os
import sys
import threading
from functools import partial
from pathlib import Path

from exporter import app, logs
from exporter.config import load
from exporter.masking import Mask
from tests.e2e.programs import Exporter, Start


def start_quick_exporter(
    run: Start, file: Path, configuration: str, speed: float, *hanging: str, **environment: str
) -> Exporter:
    """Start it with this configuration text, which is written to ``file``, on any port."""
    file.write_text(configuration, encoding="utf-8")
    arguments = (str(file), str(speed), *hanging)
    program = run(sys.executable, "-m", "tests.e2e.quick_exporter", *arguments, **environment)
    port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
    return Exporter(program, f"http://127.0.0.1:{port}")


def _hang(name: str, event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and name in str(arguments[0]):
        threading.Event().wait()


def _main() -> None:
    file, speed, *hanging = sys.argv[1:]
    if hanging:
        sys.addaudithook(partial(_hang, hanging[0]))
    mask = Mask()
    logs.configure("info", "logfmt", mask)
    settings = app.Settings(
        load=lambda: load(Path(file), os.environ),
        listen_addresses=[("127.0.0.1", 0)],
        alerting_speed=float(speed),
    )
    asyncio.run(app.run(settings, mask))


if __name__ == "__main__":
    _main()
