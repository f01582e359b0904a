"""Set the wall clock of a Python program with libfaketime; its monotonic clock is unchanged."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SITECUSTOMIZE = """\
import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
"""
"""Gives programs a ``time.sleep`` with a relative time.

Python sleeps until an absolute monotonic time, which libfaketime 0.9.10 shifts although it does not fake that
clock. Then each sleep raises OSError or ends at once, depending on the offset and on how long the machine has
been up. The latter made the watchdog end the exporter (seen 2026-12, after 12 hours).
"""


@dataclass(frozen=True)
class FakeClock:
    """A wall clock with an offset."""

    library: Path
    file: Path
    modules: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which the program must be started."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self.modules), os.environ.get("PYTHONPATH")])),
        }

    def jump(self, ahead: float) -> None:
        """Set the offset in seconds. A running program sees it within a second."""
        written = self.file.with_suffix(".new")
        written.write_text(f"{ahead:+.0f}\n")
        written.replace(self.file)


def fake_clock(require_program: Callable[[str, str], str], directory: Path) -> FakeClock:
    """Return a clock without an offset, or skip the test if libfaketime is not installed."""
    require_program("faketime", "faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    modules = directory / "faketime-modules"
    modules.mkdir(exist_ok=True)
    (modules / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    clock = FakeClock(library, directory / "faketime", modules)
    clock.jump(0)
    return clock
