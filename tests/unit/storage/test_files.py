import asyncio
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.storage.files import StorageFile, claim
from exporter.storage.kept_file import KeptFile


def _parts() -> Iterator[str]:
    return iter(["{}\n"])


async def test_a_directory_that_is_not_writable(tmp_path: Path) -> None:
    """It is an error at the start, which says what to do, and nothing is created."""
    file = StorageFile(tmp_path / "timeline.json", Clock(), 1000).file
    with pytest.raises(StartError, match=r"--storage.path=.*: cannot be written; make it writable for user"):
        claim(tmp_path, [file], may_write=lambda _: False)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


class _SlowDisk(KeptFile):
    """Writes when the test allows it."""

    def __init__(self, path: Path, **texts: str) -> None:
        super().__init__(path, **texts)  # type: ignore[arg-type]  # noun and setting
        self.may_write = threading.Event()

    def write(self, lines: Iterable[bytes]) -> None:
        self.may_write.wait(10)
        super().write(lines)

    @classmethod
    def of(cls, directory: Path, clock: Clock) -> tuple["_SlowDisk", StorageFile]:
        """Return a disk and a file on it."""
        kept = StorageFile(directory / "timeline.json", clock, 1000, cls)
        assert isinstance(kept.file, cls)
        return kept.file, kept


async def test_a_disk_that_is_slow(tmp_path: Path) -> None:
    """Nothing else is written meanwhile. After ten seconds that is an error, until the write has ended."""
    times = SimpleNamespace(now=0.0)
    disk, kept = _SlowDisk.of(tmp_path, Clock(lambda: times.now, lambda: 1e9))
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


async def test_a_last_write_that_hangs(tmp_path: Path) -> None:
    """A stop does not wait for it."""
    disk, kept = _SlowDisk.of(tmp_path, Clock())
    with capture_logs() as logs:
        await kept.finish(_parts, patience=0.05)
    disk.may_write.set()
    assert [log["event"] for log in logs] == ["the storage was not written before the exporter stopped"]
