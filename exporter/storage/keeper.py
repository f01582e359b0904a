"""Reads and writes a kept file in a thread, so that a slow disk delays nothing."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from exporter.storage.kept_file import KeptFile
from exporter.threads import ThreadLimit

NO_ANSWER = "the disk does not answer"
"""The reason if a read takes too long."""

_PATIENCE_AT_STOP = 2.0
"""Seconds that a stop waits for the disk."""

_Read = TypeVar("_Read")


class Keeper(ABC):
    """Reads a file once, and writes it again and again; without a file, it does nothing.

    A subclass logs and counts what goes wrong. ``patience``: seconds that ``read`` waits for the disk.
    """

    def __init__(self, file: KeptFile | None, purpose: str, *, patience: float = 10.0) -> None:
        self._kept = file
        # One thread: while a read hangs, the file is not replaced.
        self._threads = ThreadLimit(purpose, 1)
        self._patience = patience
        self._failing = False
        self._writing: asyncio.Task[None] | None = None

    @abstractmethod
    def on_unusable(self, reason: str) -> None:
        """Report that the file cannot be read."""

    @abstractmethod
    def on_failure(self, reason: str, *, is_first: bool) -> None:
        """Report that the file could not be written. ``is_first``: of a series."""

    @abstractmethod
    def on_recovery(self) -> None:
        """Report that the file is written again."""

    @abstractmethod
    def on_unfinished(self, reason: str) -> None:
        """Report that the file was not written at the end."""

    async def read(self, read: Callable[[], _Read]) -> _Read | None:
        """Return what ``read`` returns in a thread, or None if the file cannot be used."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._threads.run(read)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            self.on_unusable(reason_of(error))
            return None

    async def write(self, lines: Iterable[str]) -> None:
        """Begin to write these lines, and yield to the event loop between them."""
        if self._kept is None:
            return
        encoded = []
        for line in lines:
            encoded.append(line.encode())
            await asyncio.sleep(0)
        if self.is_writing:
            self.failed("the disk is still writing the previous state")
            return
        self._writing = asyncio.create_task(self._write(self._kept, encoded))

    async def finish(
        self, lines: Callable[[], Iterable[str]], *, patience: float = _PATIENCE_AT_STOP
    ) -> None:
        """Write the file a last time and release it, within ``patience`` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self.is_written()
                await self.write(lines())
                await self.is_written()
                await self.release()
        except TimeoutError:
            self.on_unfinished("the disk is too slow")

    async def release(self) -> None:
        """Let another exporter use the file; waits 2 seconds at most."""
        if self._kept is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_AT_STOP):
                    await self._threads.run(self._kept.release)

    @property
    def is_writing(self) -> bool:
        """Whether the disk is still writing."""
        return self._writing is not None and not self._writing.done()

    async def is_written(self) -> None:
        """Wait until nothing is being written."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self, file: KeptFile, lines: Sequence[bytes]) -> None:
        try:
            await self._threads.run(partial(file.write, lines))
        except (OSError, ValueError) as error:
            self.failed(reason_of(error))
        else:
            if self._failing:
                self.on_recovery()
            self._failing = False

    def failed(self, reason: str) -> None:
        """Report that the file is not written, until a write succeeds."""
        is_first, self._failing = not self._failing, True
        self.on_failure(reason, is_first=is_first)


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file cannot be used."""
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
