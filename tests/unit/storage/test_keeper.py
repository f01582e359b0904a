import asyncio
import errno
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.storage.files import StorageFile
from exporter.storage.kept_file import KeptFile


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
        await kept.update(lambda: iter(["{}\n"]))
        await kept.is_written()
    assert kept.error == reason
    assert [(log["event"], log["reason"]) for log in logs] == [
        ("the storage cannot be written: a restart would forget changes", reason)
    ]


def _names(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


class _Slow(KeptFile):
    """Writes when the test lets it."""

    may_write = threading.Event()

    def write(self, lines: Iterable[bytes]) -> None:
        self.may_write.wait(20)
        super().write(lines)


async def test_a_disk_that_is_slow_at_a_handover(tmp_path: Path) -> None:
    """The file is written and unlocked later, so that another exporter can use it."""
    kept = StorageFile(tmp_path / "timeline.json", Clock(), 1000, _Slow)
    _Slow.may_write.clear()
    await kept.finish(lambda: iter(["{}\n"]), patience=0.01)
    assert not (tmp_path / "timeline.json").exists()

    _Slow.may_write.set()
    async with asyncio.timeout(10):
        while _names(tmp_path) != ["timeline.json"]:  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)
