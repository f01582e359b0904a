import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from exporter.config import Key
from exporter.key_files import KeyFiles


class _OnHangingDisk(Key):
    """A key on another file system, which hangs until ``back`` is set."""

    __slots__ = ("back",)

    back: threading.Event
    device = 99

    def reload(self) -> None:
        self.back.wait(30)
        super().reload()


@pytest.fixture
async def key_files() -> AsyncIterator[KeyFiles]:
    """Check the files without a pause."""
    key_files = KeyFiles(every=0.01)
    yield key_files
    await key_files.stop()


@pytest.fixture
async def impatient() -> AsyncIterator[KeyFiles]:
    """Check the files without a pause; a disk counts as hanging after 0.1 s."""
    key_files = KeyFiles(every=0.01, patience=0.1)
    yield key_files
    await key_files.stop()


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[_OnHangingDisk]:
    """Return a key on a hanging disk."""
    (tmp_path / "hanging").write_text("first")
    key = _OnHangingDisk.from_file(tmp_path / "hanging")
    assert isinstance(key, _OnHangingDisk)
    key.back = threading.Event()
    yield key
    key.back.set()


def _key(tmp_path: Path) -> Key:
    (tmp_path / "key").write_text("first")
    return Key.from_file(tmp_path / "key")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- a thread changes it
            await asyncio.sleep(0.01)


async def test_rotated_key(key_files: KeyFiles, tmp_path: Path) -> None:
    """It is reloaded without a call."""
    key = _key(tmp_path)
    key_files.follow([key, Key("literal", "literal")])
    (tmp_path / "key").write_text("the-second")
    await _until(lambda: key.current() == "the-second")
    assert key.generation == 1


async def test_hanging_disk(impatient: KeyFiles, hanging: _OnHangingDisk, tmp_path: Path) -> None:
    """Keys on other disks are still reloaded, and the problem is logged once, and again when it is fixed."""
    key = _key(tmp_path)
    with structlog.testing.capture_logs() as log:

        def logged() -> list[tuple[str, str | None]]:
            """Return the lines about this disk; on a busy machine another one may seem to hang too."""
            return [(line["event"], line.get("reason")) for line in log if line["file"] == str(hanging.file)]

        impatient.follow([hanging, key])
        await _until(lambda: bool(logged()))
        (tmp_path / "key").write_text("the-second")
        (tmp_path / "hanging").write_text("the-second")
        await _until(lambda: key.current() == "the-second")
        assert hanging.current() == "first"
        await asyncio.sleep(0.3)  # three times the patience, without another log line
        reason = "no answer from the disk within 0.1 s"
        assert logged() == [("key files cannot be read; the last keys stay in use", reason)]
        hanging.back.set()
        await _until(lambda: hanging.current() == "the-second" and len(logged()) > 1)

    assert logged()[1] == ("key files can be read again", None)


async def test_stop_while_a_disk_hangs(impatient: KeyFiles, hanging: _OnHangingDisk) -> None:
    """Neither stopping nor new keys wait for the disk, and no second thread starts."""
    for _ in range(3):
        impatient.follow([hanging])
        await asyncio.sleep(0.05)
    began = time.monotonic()
    await impatient.stop()
    assert time.monotonic() - began < 5
    assert [thread.name for thread in threading.enumerate()].count("key files") == 1


async def test_removed_keys_are_not_reloaded(key_files: KeyFiles, tmp_path: Path) -> None:
    """A new configuration without the key stops watching its file."""
    key = _key(tmp_path)
    key_files.follow([key])
    key_files.follow([])
    (tmp_path / "key").write_text("the-second")
    await asyncio.sleep(0.1)
    assert key.current() == "first"


async def test_invalid_file_is_logged(key_files: KeyFiles, tmp_path: Path) -> None:
    """The problem is logged once, and again when it is fixed; the last good key stays."""
    key = _key(tmp_path)
    with structlog.testing.capture_logs() as log:
        key_files.follow([key])
        (tmp_path / "key").write_text("")
        await _until(lambda: bool(log))
        await asyncio.sleep(0.1)  # several checks, without another log line
        assert [(line["event"], line["reason"]) for line in log] == [
            (
                "key files cannot be read; the last keys stay in use",
                "is empty; expected a key, password or token",
            )
        ]
        assert key.current() == "first"
        (tmp_path / "key").write_text("the-second")
        await _until(lambda: len(log) > 1)

    assert log[1]["event"] == "key files can be read again"
    assert key.current() == "the-second"
    assert log[0]["file"] == str(tmp_path / "key")


async def test_unlikely_key_is_logged(key_files: KeyFiles, tmp_path: Path) -> None:
    """When the file is first read and when it changes, without its content."""
    file = tmp_path / "key"
    file.write_text('"the-first"')
    with structlog.testing.capture_logs() as log:
        key_files.follow([Key.from_file(file)])
        file.write_text("the second")
        await _until(lambda: len(log) > 1)
    assert [line["reason"] for line in log] == ["contains quotes around the key", "contains a space"]
    assert log[0]["file"] == str(file)
    assert "the-first" not in str(log)
