"""The exporter with alert durations divided by SPEED.

python -m tests.e2e.accelerated_exporter FILE SPEED [HANGING]

The environment variable STORAGE_PATH is ``--storage.path``. Opening a file whose name contains HANGING never
returns, as on a disk that hangs. Python calls an audit hook before it opens a file.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from exporter import app, logs
from exporter.config import load
from exporter.config_file import CHECK_EVERY
from exporter.masking import Mask
from tests.e2e.programs import Exporter, Start


def start_accelerated_exporter(
    run: Start, file: Path, configuration: str, speed: float, *hanging: str, **environment: str
) -> Exporter:
    """Start it on a free port with this configuration, which is written to ``file``."""
    return prepare_accelerated_exporter(run, file, configuration, speed, *hanging, **environment)()


def prepare_accelerated_exporter(
    run: Start, file: Path, configuration: str, speed: float, *hanging: str, **environment: str
) -> Callable[[], Exporter]:
    """Start a process that has loaded all modules, and return a function that starts the exporter in it.

    On a busy machine, loading them takes longer than an alert outlasts a gap.
    """
    file.write_text(configuration, encoding="utf-8")
    arguments = (str(file), str(speed), *hanging)
    program = run(sys.executable, "-m", "tests.e2e.accelerated_exporter", *arguments, **environment)
    program.wait_for("prepared")

    def start() -> Exporter:
        program.process.send_signal(signal.SIGUSR1)
        port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
        return Exporter(program, f"http://127.0.0.1:{port}")

    return start


def _hang(name: str, event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and name in str(arguments[0]):
        threading.Event().wait()


def _main() -> None:
    file, speed, *hanging = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    sys.stdout.write("prepared\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGUSR1})
    if hanging:
        sys.addaudithook(partial(_hang, hanging[0]))
    mask = Mask()
    logs.configure("info", "logfmt", mask)
    settings = app.Settings(
        load=lambda: load(Path(file), os.environ),
        listen_addresses=[("127.0.0.1", 0)],
        storage_path=Path(os.environ["STORAGE_PATH"]) if "STORAGE_PATH" in os.environ else None,
        alerting_speed=float(speed),
        config_file=Path(file),
        config_check_period=CHECK_EVERY / float(speed),
    )
    asyncio.run(app.run(settings, mask))


if __name__ == "__main__":
    _main()
