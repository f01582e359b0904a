import errno
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
