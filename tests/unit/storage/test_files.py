import asyncio
import errno
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.storage.files import StorageFile, claim
from exporter.storage.kept_file import KeptFile


def _parts() -> Iterator[str]:
    return iter(["{}\n"])


def _names(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_a_directory_that_is_not_writable(tmp_path: Path) -> None:
    """It is an error at the start, which says what to do, and nothing is created."""
    file = StorageFile(tmp_path / "timeline.json", Clock(), 1000).file
    with pytest.raises(StartError, match=r"--storage.path=.*: cannot be written; make it writable for user"):
        claim(tmp_path, [file], may_write=lambda _: False)
    assert _names(tmp_path) == []


class _Failing(KeptFile):
    """Fails with the error of the test."""

    error: Exception

    def write(self, lines: Iterable[bytes]) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left"), "No space left; free space"),
        (OSError(errno.EROFS, "Read-only"), "Read-only; make the directory and its files writable"),
        (OSError(errno.ENOENT, "No such"), "No such; create the directory"),
        (OSError(errno.EIO, "I/O error"), "I/O error"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "the disk does not respond"),
        (ValueError("is a symbolic link; replace it"), "is a symbolic link; replace it"),
    ],
)
async def test_the_reason_of_a_failed_write(error: Exception, reason: str, tmp_path: Path) -> None:
    """It says what to do, and only what helps against this error."""
    kept = StorageFile(tmp_path / "timeline.json", Clock(), 1000, _Failing)
    assert isinstance(kept.file, _Failing)
    kept.file.error = error
    with capture_logs() as logs:
        await kept.update(_parts)
        await kept.is_written()
    assert kept.error == reason
    assert [(log["event"], log["reason"]) for log in logs] == [
        ("the storage cannot be written: a restart would forget changes", reason)
    ]


class _SlowDisk(KeptFile):
    """Writes when the test allows it."""

    def __init__(self, path: Path, **settings: Any) -> None:
        super().__init__(path, **settings)
        self.may_write = threading.Event()

    def write(self, lines: Iterable[bytes]) -> None:
        self.may_write.wait(20)
        super().write(lines)


def _slow(directory: Path, clock: Clock) -> tuple[_SlowDisk, StorageFile]:
    """Return a disk and a file on it."""
    kept = StorageFile(directory / "timeline.json", clock, 1000, _SlowDisk)
    assert isinstance(kept.file, _SlowDisk)
    return kept.file, kept


async def test_a_disk_that_is_slow(tmp_path: Path) -> None:
    """Nothing else is written meanwhile. After ten seconds that is an error, until the write has ended."""
    times = SimpleNamespace(now=0.0)
    disk, kept = _slow(tmp_path, Clock(lambda: times.now, lambda: 1e9))
    errors = []
    with capture_logs() as logs:
        assert await kept.update(_parts)
        for times.now in (9.0, 11.0):
            assert not await kept.update(_parts)
            errors.append(kept.error)
        disk.may_write.set()
        await kept.is_written()
        errors.append(kept.error)
    assert errors == [None, "the disk does not respond", None]
    assert [log["log_level"] for log in logs] == ["error", "info"]
    await kept.release()


async def test_a_disk_that_is_slow_at_a_handover(tmp_path: Path) -> None:
    """A stop does not wait. The file is written and unlocked later, so that another exporter can use it."""
    disk, kept = _slow(tmp_path, Clock())
    with capture_logs() as logs:
        await kept.finish(_parts, patience=0.05)
    assert [log["event"] for log in logs] == ["the storage was not written before the exporter stopped"]
    assert not kept.file.path.exists()

    disk.may_write.set()
    async with asyncio.timeout(10):
        while _names(tmp_path) != ["timeline.json"]:  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)
