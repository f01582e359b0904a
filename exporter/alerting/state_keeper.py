"""Keeps the state of alerts in a file, and reports errors."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import structlog

from exporter.alerting import state
from exporter.alerting.engine import Engine
from exporter.alerting.state_file import StateFile
from exporter.alerting.status import AlertingMetrics
from exporter.clock import Clock
from exporter.storage.keeper import HANDOVER, Keeper
from exporter.storage.values import boot_id


class StateKeeper(Keeper):
    """Reads the file once, and writes it after each evaluation. Without a path, it does nothing.

    All errors are counted; the first one of a series, and its end, are logged. ``patience``: seconds that the
    first evaluation waits for the disk.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        metrics: AlertingMetrics,
        *,
        patience: float = 10.0,
        opened: Callable[[Path], StateFile] = StateFile,
    ) -> None:
        self.path = path
        self._file = opened(path) if path else None
        super().__init__(self._file, "state file", patience=patience)
        self._clock = clock
        self._metrics = metrics
        self._boot = boot_id()
        self._log = structlog.get_logger("exporter.alerting").bind(state_file=str(path))

    async def load(self) -> tuple[Engine, float] | None:
        """Return the result of ``StateFile.read``, or None if the file cannot be used.

        It waits for another exporter that is about to stand by.
        """
        if self._file is None:
            return None
        left_out: list[str] = []
        read = partial(self._file.read, self._clock, self._boot, left_out.append)
        kept = await self.read(read, handover=HANDOVER)
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
