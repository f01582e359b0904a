"""The file with the state of alerts. ``KeptFile`` reads and writes it."""

from collections.abc import Callable
from pathlib import Path

from exporter.alerting import state
from exporter.alerting.engine import INTERVAL, Engine
from exporter.clock import Clock
from exporter.storage.kept_file import KeptFile
from exporter.storage.values import elapsed

_LIMIT = 64 * 2**20
"""Bytes. All alerts of 5,000 tenants are 10 MB."""


class StateFile(KeptFile):
    """The state file of an exporter. ``setting``: the flag or key that sets its path."""

    def __init__(self, path: Path, setting: str = "state_file") -> None:
        super().__init__(path, noun="state file", setting=setting, limit=_LIMIT)

    def read(
        self, clock: Clock, boot: str, leave_out: Callable[[str], None] = lambda _: None
    ) -> tuple[Engine, float] | None:
        """Return the engine and the seconds since the file was written; None if there is no file.

        They are negative if the latest evaluation was early: its time is that of the whole interval.
        ``leave_out`` is called with the reason for each skipped alert. Raises OSError or ValueError if the
        file cannot be used.
        """

        def parse(lines: list[str]) -> tuple[Engine, float]:
            engine, first = state.restore(lines, leave_out)
            return engine, elapsed(first, clock, boot, ahead=INTERVAL / 2)

        return self.read_with(parse)
