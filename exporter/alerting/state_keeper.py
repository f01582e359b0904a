"""Keeps the state of alerts in a file, and reports errors."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import structlog

from exporter.alerting import state
from exporter.alerting.engine import INTERVAL, Engine
from exporter.alerting.status import AlertingMetrics
from exporter.clock import Clock
from exporter.storage.keeper import HANDOVER, Keeper
from exporter.storage.kept_file import KeptFile
from exporter.storage.values import boot_id, elapsed

_LIMIT = 64 * 2**20
"""Bytes. All alerts of 5,000 tenants are 10 MB."""


def state_file_at(path: Path, setting: str = "state_file") -> KeptFile:
    """Return the file at a path. ``setting``: the flag or key that sets it."""
    return KeptFile(path, noun="state file", setting=setting, limit=_LIMIT)


class StateKeeper(Keeper):
    """Reads the file once, and writes it after each evaluation. Without a file, it does nothing.

    All errors are counted; the first one of a series, and its end, are logged. ``patience``: seconds that the
    first evaluation waits for the disk.
    """

    def __init__(
        self, file: KeptFile | None, clock: Clock, metrics: AlertingMetrics, *, patience: float = 10.0
    ) -> None:
        super().__init__(file, "state file", patience=patience)
        self.path = file.path if file else None
        self._file = file
        self._clock = clock
        self._metrics = metrics
        self._boot = boot_id()
        self._log = structlog.get_logger("exporter.alerting").bind(state_file=str(self.path))

    async def load(self, *, is_taken_over: bool = False) -> tuple[Engine, float] | None:
        """Return the engine in the file, and the seconds since it was written.

        None if there is no file, or it cannot be used. The seconds are negative if the latest evaluation was
        early: its time is that of the whole interval. It waits for another exporter that is about to stand
        by. If ``is_taken_over``, the file is read even if that exporter is paused and keeps its lock.
        """
        if self._file is None:
            return None
        left_out: list[str] = []

        def parse(lines: list[str]) -> tuple[Engine, float]:
            left_out.clear()
            engine, first = state.restore(lines, left_out.append)
            return engine, elapsed(first, self._clock, self._boot, ahead=INTERVAL / 2)

        read = partial(self._file.read_with, parse)
        unlocked = partial(read, needs_lock=False) if is_taken_over else None
        kept = await self.read(read, handover=HANDOVER, unlocked=unlocked)
        if left_out:
            self._metrics.state_file_errors.inc()
            self._log.warning(
                "alerts in the state file cannot be used: starting without them",
                count=len(left_out),
                reason=left_out[0],
            )
        return kept

    async def keep(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Start writing the file. ``since_boot`` and ``wall``: the clocks at the newest evaluation."""
        if engine.evaluated_at is not None:
            await self.write(self._lines(engine, since_boot, wall))

    async def close(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Write the file and unlock it, within 2 seconds."""
        if engine.evaluated_at is None:
            await self.release()
        else:
            await self.finish(partial(self._lines, engine, since_boot, wall))

    def _lines(self, engine: Engine, since_boot: float, wall: float) -> Iterable[str]:
        return state.dump(engine, {"wall": wall, "monotonic": since_boot, "boot": self._boot})

    def on_unusable(self, reason: str) -> None:
        """Count and log the error."""
        self._metrics.state_file_errors.inc()
        self._log.warning("the state file cannot be used: starting without it", reason=reason)

    def on_failure(self, reason: str, *, is_first: bool) -> None:
        """Count the error, and log the first of a series."""
        self._metrics.state_file_errors.inc()
        if is_first:
            self._log.warning(
                "the state file cannot be written: a restart would forget alerts", reason=reason
            )

    def on_recovery(self) -> None:
        """Log that the file can be written again."""
        self._log.info("the state file can be written again")

    def on_unfinished(self, reason: str) -> None:
        """Log the reason."""
        self._log.warning("the state file was not written before the exporter stopped", reason=reason)
