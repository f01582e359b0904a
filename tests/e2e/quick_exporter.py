"""The exporter as it is, but for the durations of its alerts, which go by so many times faster.

python -m tests.e2e.quick_exporter FILE SPEED
"""

import asyncio
import os
import sys
from pathlib import Path

from exporter import app, logs
from exporter.config import load
from exporter.masking import Mask
from tests.e2e.programs import Exporter, Start


def start_quick_exporter(
    run: Start, file: Path, configuration: str, speed: float, **environment: str
) -> Exporter:
    """Start it with this configuration text, which is written to ``file``, on any port."""
    file.write_text(configuration, encoding="utf-8")
    program = run(sys.executable, "-m", "tests.e2e.quick_exporter", str(file), str(speed), **environment)
    port = program.wait_for(r'address"?[=:]\s*"?127\.0\.0\.1:(\d+)')[1]
    return Exporter(program, f"http://127.0.0.1:{port}")


def _main() -> None:
    file, speed = sys.argv[1:]
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
