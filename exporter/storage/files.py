"""The files of ``--storage.path``. Each one logs when it cannot be read or written."""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.storage.keeper import NO_ANSWER, Keeper
from exporter.storage.kept_file import InUseError, KeptFile
from exporter.storage.values import boot_id, elapsed, elapsed_at_least, times

FLAG = "--storage.path"
_VERSION = 1

_PATIENCE = 5.0
"""Seconds that startup waits for the disk."""

_SLOW = 10.0
"""Seconds after which an unfinished write counts as a failure."""

Json = Mapping[str, Any]


class Content(NamedTuple):
    """The first line of a file, its parts, and the seconds since it was written.

    ``at_least``: the seconds that have certainly passed, even if the wall clock is wrong.
    """

    first: Json
    parts: list[Json]
    elapsed: float
    at_least: float


class StorageFile(Keeper):
    """One file: a first line with the version and times, the parts, and a last line with their number.

    ``limit``: the maximum size in bytes. ``error``: why the file cannot be written now, or None.
    ``hangs``: the disk did not respond when the file was read.
    """

    def __init__(
        self, path: Path, clock: Clock, limit: int, opened: Callable[..., KeptFile] = KeptFile
    ) -> None:
        self.error: str | None = None
        self.hangs = False
        self._began = 0.0
        self.file = opened(path, noun="file of the storage", setting=FLAG, limit=limit)
        super().__init__(self.file, "storage", patience=_PATIENCE)
        self._clock = clock
        self._boot = boot_id()
        self._log = structlog.get_logger("exporter.storage").bind(file=str(path))

    async def update(self, parts: Callable[[], Iterator[str]]) -> bool:
        """Begin to write what ``parts`` returns; return False if the previous write is not finished.

        A write that takes too long is reported as a failure.
        """
        if not self.is_writing:
            self._began = self._clock.monotonic()
            await self.write(parts())
            return True
        if self._clock.monotonic() - self._began > _SLOW:
            self.failed(NO_ANSWER)
        return False

    async def load(
        self, prepare: Callable[[], None] = lambda: None, *, handover: float = 0.0
    ) -> Content | None:
        """Run ``prepare``, then return the content of the file, or None if there is no usable file.

        ``handover``: seconds to wait while another exporter has locked the file. Raises what ``prepare``
        raises, unless it is an OSError or a ValueError.
        """

        def read() -> Content | None:
            prepare()
            return self.file.read_with(self._parse)

        return await self.read(read, handover=handover)

    async def load_unlocked(self) -> Content | None:
        """Return the content of a file that another exporter has locked, or None if it cannot be used."""
        return await self.read(partial(self.file.read_with, self._parse, needs_lock=False))

    def lines(self, parts: Iterable[Json], more: Json) -> Iterator[str]:
        """Yield the lines to write. ``more`` is added to the first line."""
        count = 0
        yield _line({"version": _VERSION, **times(self._clock, self._boot), **more})
        for part in parts:
            count += 1
            yield _line(part)
        yield _line({"parts": count})

    def report_invalid(self, count: int) -> None:
        """Log that parts of the file are invalid."""
        if count:
            self._log.error("parts of the storage cannot be used: starting without them", count=count)

    def _parse(self, lines: list[str]) -> Content:
        first, *parts, last = [json.loads(line) for line in lines]
        if first["version"] != _VERSION:
            raise ValueError(f"expected version {_VERSION}, got {first['version']!r}")
        if last != {"parts": len(parts)}:
            raise ValueError("it is incomplete")
        passed = elapsed(first, self._clock, self._boot)
        return Content(first, parts, passed, elapsed_at_least(first, self._clock, self._boot))

    def on_unusable(self, reason: str) -> None:
        """Log the reason."""
        self.hangs = reason == NO_ANSWER
        self._log.error("the storage cannot be read: starting without it", reason=reason)

    def on_failure(self, reason: str, *, is_first: bool) -> None:
        """Keep the reason for the status, and log the first failure of a series."""
        self.error = reason
        if is_first:
            self._log.error("the storage cannot be written: a restart would forget changes", reason=reason)

    def on_recovery(self) -> None:
        """Log that the file can be written again."""
        self.error = None
        self._log.info("the storage can be written again")

    def on_unfinished(self, reason: str) -> None:
        """Log the reason."""
        self._log.warning("the storage was not written before the exporter stopped", reason=reason)


def _may_write(directory: Path) -> bool:
    return os.access(directory, os.W_OK | os.X_OK)


def claim(directory: Path, files: Iterable[KeptFile], may_write: Callable[[Path], bool] = _may_write) -> None:
    """Lock a directory through files in it. Raises StartError if the operator has to fix something first.

    Without files, it only checks the directory.

    If the disk hangs, this hangs: call it in a thread.
    """
    who = f"user {os.geteuid()}"
    try:
        if not stat.S_ISDIR(directory.stat().st_mode):
            raise StartError(f"{FLAG}={directory}: not a directory; name a directory that {who} can write to")
        if not may_write(directory):
            raise StartError(f"{FLAG}={directory}: cannot be written; make it writable for {who}")
        for file in files:
            file.lock()
    except InUseError as error:
        raise StartError(f"{FLAG}={directory}: {error}") from error
    except FileNotFoundError as error:
        raise StartError(f"{FLAG}={directory}: no such directory; create it for {who}") from error
    except PermissionError as error:
        raise StartError(
            f"{FLAG}={directory}: {error.strerror}; make it and its parents accessible for {who}"
        ) from error


def _line(part: Json) -> str:
    return json.dumps(part, separators=(",", ":")) + "\n"
