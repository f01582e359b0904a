"""Reads and writes the state file in a thread, so that a slow disk never delays an alert."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from exporter.alerting import state
from exporter.alerting.engine import Engine
from exporter.alerting.state_file import BOOT_ID, StateFile
from exporter.alerting.status import AlertingMetrics
from exporter.clock import Clock
from exporter.threads import ThreadLimit

_PATIENCE_AT_STOP = 2.0
"""Seconds that a stop waits for the disk."""


class StateKeeper:
    """Reads the file once, and writes it after each evaluation; without a path, it does nothing.

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
        # One thread: while a read hangs, the file is not replaced.
        self._threads = ThreadLimit("state file", 1)
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._boot = ""
        with contextlib.suppress(OSError):
            self._boot = BOOT_ID.read_text().strip()
        self._log = structlog.get_logger("exporter.alerting").bind(state_file=str(path))
        self._failing = False
        self._writing: asyncio.Task[None] | None = None

    async def load(self) -> tuple[Engine, float] | None:
        """Return the result of ``StateFile.read``, or None if the file cannot be used."""
        if self._file is None:
            return None
        left_out: list[str] = []
        read = partial(self._file.read, self._clock, self._boot, left_out.append)
        try:
            async with asyncio.timeout(self._patience):
                kept = await self._threads.run(read)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            self._metrics.state_file_errors.inc()
            self._log.warning("the state file cannot be used: starting without it", reason=_reason(error))
            return None
        if left_out:
            self._metrics.state_file_errors.inc()
            self._log.warning(
                "alerts in the state file cannot be used: starting without them",
                count=len(left_out),
                reason=left_out[0],
            )
        return kept

    async def keep(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Begin to write the file, with the readings of both clocks at the newest evaluation."""
        if self._file is None or engine.evaluated_at is None:
            return
        lines = []
        for line in state.dump(engine, {"wall": wall, "monotonic": since_boot, "boot": self._boot}):
            lines.append(line.encode())
            await asyncio.sleep(0)
        if self._writing is not None and not self._writing.done():
            self._failed("the disk is still writing the previous state")
            return
        self._writing = asyncio.create_task(self._write(self._file, lines))

    async def close(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Write the file and release it, within 2 seconds."""
        try:
            async with asyncio.timeout(_PATIENCE_AT_STOP):
                await self._is_written()
                await self.keep(engine, since_boot, wall)
                await self._is_written()
                await self.release()
        except TimeoutError:
            self._log.warning("the state file was not written before the end", reason="the disk is too slow")

    async def release(self) -> None:
        """Let another exporter use the file; waits 2 seconds at most."""
        if self._file is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_AT_STOP):
                    await self._threads.run(self._file.release)

    async def _is_written(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self, file: StateFile, lines: Sequence[bytes]) -> None:
        try:
            await self._threads.run(partial(file.write, lines))
        except (OSError, ValueError) as error:
            self._failed(_reason(error))
        else:
            if self._failing:
                self._log.info("the state file is written again")
            self._failing = False

    def _failed(self, reason: str) -> None:
        self._metrics.state_file_errors.inc()
        if not self._failing:
            self._log.warning(
                "the state file cannot be written: a restart would forget alerts", reason=reason
            )
        self._failing = True


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, TimeoutError):
        return "the disk does not answer"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
