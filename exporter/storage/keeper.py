"""Reads and writes a ``KeptFile`` in a thread, so that a slow disk does not block the event loop."""

import asyncio
import contextlib
import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from exporter.storage.kept_file import InUseError, KeptFile
from exporter.threads import ThreadLimit

NO_ANSWER = "the disk does not respond"
"""The reason that is reported when a read or write takes too long."""

_ADVICE = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space, or raise the quota",
    errno.EACCES: "make the directory and its files writable",
    errno.EPERM: "make the directory and its files writable",
    errno.EROFS: "make the directory and its files writable",
    errno.ENOENT: "create the directory",
}
"""What to do if a file cannot be written. Other errors say it, or have many causes."""

_PATIENCE_AT_STOP = 2.0
"""Seconds that shutdown waits for the disk."""

HANDOVER = 3.0
"""Seconds that an exporter that takes over waits for the files. The other one may be told at the same time to
stand by; it stops its requests and writes its files first."""

_TRIED_EVERY = 0.05

_Read = TypeVar("_Read")


class Keeper(ABC):
    """Reads a file once, then replaces it repeatedly. Without a file, it does nothing.

    A subclass logs and counts the errors. ``patience``: seconds that ``read`` waits for the disk.
    """

    def __init__(self, file: KeptFile | None, purpose: str, *, patience: float = 10.0) -> None:
        self._kept = file
        # One thread, so that the file is not replaced while a read hangs.
        self._threads = ThreadLimit(purpose, 1)
        self._patience = patience
        self._failing = False
        self._writing: asyncio.Task[None] | None = None
        self._releasing: asyncio.Task[None] | None = None

    @abstractmethod
    def on_unusable(self, reason: str) -> None:
        """Report that the file cannot be read."""

    @abstractmethod
    def on_failure(self, reason: str, *, is_first: bool) -> None:
        """Report that the file could not be written. ``is_first``: of a series of failures."""

    @abstractmethod
    def on_recovery(self) -> None:
        """Report that the file can be written again."""

    @abstractmethod
    def on_unfinished(self, reason: str) -> None:
        """Report that the file was not written before the exporter stopped."""

    async def read(
        self,
        read: Callable[[], _Read],
        *,
        handover: float = 0.0,
        unlocked: Callable[[], _Read] | None = None,
    ) -> _Read | None:
        """Run ``read`` in a thread and return its result, or None if the file cannot be used.

        ``handover``: seconds to wait while another exporter has locked the file. ``unlocked`` runs instead if
        the file is locked even then.
        """
        try:
            async with asyncio.timeout(self._patience):
                try:
                    return await self._read(read, asyncio.get_running_loop().time() + handover)
                except InUseError:
                    if unlocked is None:
                        raise
                    return await self._threads.run(unlocked)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            self.on_unusable(reason_of(error))
            return None

    async def _read(self, read: Callable[[], _Read], end: float) -> _Read:
        while True:
            try:
                return await self._threads.run(read)
            except Exception as error:
                is_locked = isinstance(error, InUseError) or isinstance(error.__cause__, InUseError)
                if not is_locked or asyncio.get_running_loop().time() >= end:
                    raise
            await asyncio.sleep(_TRIED_EVERY)

    async def write(self, lines: Iterable[str]) -> None:
        """Start a write of these lines. Yields to the event loop between lines."""
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
        """Write the file one last time and unlock it, within ``patience`` seconds.

        If the disk is slower, the file is unlocked as soon as the disk responds.
        """
        try:
            async with asyncio.timeout(patience):
                await self.is_written()
                await self.write(lines())
                await self.is_written()
                await self.release()
        except TimeoutError:
            self.on_unfinished("the disk is too slow")
            if self._kept is not None:
                # An exporter that stands by must not keep the lock, and a write may still be running.
                self._releasing = asyncio.create_task(self._threads.run(self._kept.release))

    async def release(self) -> None:
        """Unlock the file, so that another exporter can use it. Waits at most 2 seconds."""
        if self._kept is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_AT_STOP):
                    await self._threads.run(self._kept.release)

    @property
    def is_writing(self) -> bool:
        """Whether a write is in progress."""
        return self._writing is not None and not self._writing.done()

    async def is_written(self) -> None:
        """Wait until no write is in progress."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self, file: KeptFile, lines: Sequence[bytes]) -> None:
        try:
            await self._threads.run(partial(file.write, lines))
        except (OSError, ValueError) as error:
            advice = _ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None
            self.failed(f"{reason_of(error)}; {advice}" if advice else reason_of(error))
        else:
            if self._failing:
                self.on_recovery()
            self._failing = False

    def failed(self, reason: str) -> None:
        """Record and report a failed write."""
        is_first, self._failing = not self._failing, True
        self.on_failure(reason, is_first=is_first)


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file cannot be used."""
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
