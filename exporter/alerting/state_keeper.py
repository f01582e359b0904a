"""Keeps the state file up to date, without ever holding up an alert for a slow disk."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog

from exporter.alerting import state, state_file
from exporter.alerting.engine import Engine
from exporter.alerting.instruments import AlertingInstruments
from exporter.alerting.own_thread import in_own_thread
from exporter.clock import Clock

_AT_THE_END = 2.0
"""Seconds that a stop waits for the disk."""


class StateKeeper:
    """Reads the file once and then writes it anew after each evaluation; without a path it does nothing.

    A trouble is logged when it begins and when it has ended, and counted each time. ``patience``: the seconds
    that a start waits for the disk.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        instruments: AlertingInstruments,
        *,
        patience: float = 10.0,
    ) -> None:
        self.path = path
        self._patience = patience
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
            async with asyncio.timeout(self._patience):
                return await in_own_thread(partial(state_file.read, self.path, self._clock, self._boot))
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            self._instruments.state_file_errors.inc()
            self._log.warning("the state file cannot be used: starting without it", reason=_reason(error))
            return None

    async def keep(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Write down what is remembered, and what both clocks showed at the newest evaluation.

        Returns when it is on its way to the disk, not when it is there.
        """
        if self.path is None or engine.evaluated_at is None:
            return
        lines = []
        for line in state.dump(engine, {"wall": wall, "monotonic": since_boot, "boot": self._boot}):
            lines.append(line.encode())
            await asyncio.sleep(0)
        if self._writing is not None and not self._writing.done():
            self._failed("the disk has not finished writing the one before")
            return
        self._writing = asyncio.create_task(self._write(self.path, lines))

    async def close(self, engine: Engine, since_boot: float, wall: float) -> None:
        """Write a last time, unless the disk does not even finish what it was given before."""
        if await self._is_written():
            await self.keep(engine, since_boot, wall)
            await self._is_written()

    async def _is_written(self) -> bool:
        if self._writing is None:
            return True
        done, _ = await asyncio.wait({self._writing}, timeout=_AT_THE_END)
        return bool(done)

    async def _write(self, path: Path, lines: Sequence[bytes]) -> None:
        try:
            await in_own_thread(partial(state_file.write, path, lines))
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
    if isinstance(error, TimeoutError):
        return "the disk does not answer"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
