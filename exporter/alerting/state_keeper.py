"""Keeps the state file up to date, without ever holding up an alert for a slow disk."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from exporter.alerting import state, state_file
from exporter.alerting.engine import Engine
from exporter.alerting.instruments import AlertingInstruments
from exporter.clock import Clock

_AT_THE_END = 2.0
"""Seconds that a stop waits for the disk."""


class StateKeeper:
    """Reads the file once and then writes it anew after each evaluation; without a path it does nothing.

    A trouble is logged when it begins and when it has ended, and counted each time.
    """

    def __init__(self, path: Path | None, clock: Clock, instruments: AlertingInstruments) -> None:
        self.path = path
        self._clock = clock
        self._instruments = instruments
        self._boot = state_file.boot_id()
        self._log = structlog.get_logger("exporter.alerting").bind(state_file=str(path))
        self._failing = False
        self._writing: asyncio.Task[None] | None = None

    async def load(self) -> tuple[Engine, float] | None:
        """Return what was kept, and for how many seconds nobody did; None for a fresh start."""
        if self.path is None:
            return None
        try:
            return await asyncio.to_thread(state_file.read, self.path, self._clock, self._boot)
        except (OSError, ValueError) as error:
            self._instruments.state_file_errors.inc()
            self._log.warning("the state file cannot be used: starting without it", reason=_reason(error))
            return None

    async def keep(self, engine: Engine, monotonic: float, wall: float) -> None:
        """Write down what is remembered, and what both clocks showed at the newest evaluation.

        Returns when it is on its way to the disk, not when it is there.
        """
        if self.path is None or engine.evaluated_at is None:
            return
        lines = []
        for line in state.dump(engine, {"wall": wall, "monotonic": monotonic, "boot": self._boot}):
            lines.append(line.encode())
            await asyncio.sleep(0)
        if self._writing is not None and not self._writing.done():
            self._failed("the disk has not finished writing the one before")
            return
        self._writing = asyncio.create_task(self._write(self.path, lines))

    async def close(self, engine: Engine, monotonic: float, wall: float) -> None:
        """Write a last time, as long as the disk does not take too long."""
        for last in (False, True):
            if last:
                await self.keep(engine, monotonic, wall)
            if self._writing is not None:
                await asyncio.wait({self._writing}, timeout=_AT_THE_END)

    async def _write(self, path: Path, lines: Sequence[bytes]) -> None:
        try:
            await asyncio.to_thread(state_file.write, path, lines)
        except OSError as error:
            self._failed(_reason(error))
        else:
            if self._failing:
                self._log.info("the state file is written again")
            self._failing = False

    def _failed(self, reason: str) -> None:
        self._instruments.state_file_errors.inc()
        if not self._failing:
            self._log.warning(
                "the state file cannot be written: a restart would forget alerts", reason=reason
            )
        self._failing = True


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
