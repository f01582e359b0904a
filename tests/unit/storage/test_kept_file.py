import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.storage.kept_file import InUseError, KeptFile

_LIMIT = 1000
Remove = Callable[[Path], object]


def _file(directory: Path) -> KeptFile:
    return KeptFile(directory / "kept.json", noun="kept file", setting="--flag", limit=_LIMIT)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return an empty directory."""
    (tmp_path / "storage").mkdir()
    return tmp_path / "storage"


@pytest.fixture
def file(directory: Path) -> Iterator[KeptFile]:
    """Return a file that was written and locked."""
    made = _file(directory)
    made.write([b"{}\n"])
    yield made
    made.release()


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _remove_lock(directory: Path) -> None:
    (directory / "kept.json.lock").unlink()


def _recreate(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.mkdir()


@pytest.mark.parametrize("remove", [_remove_lock, _recreate])
def test_a_lock_file_that_is_gone(remove: Remove, file: KeptFile, directory: Path) -> None:
    """The next write locks the file again, so that no second exporter can use it."""
    remove(directory)
    file.write([b"{}\n"])
    assert _names(directory) == {"kept.json", "kept.json.lock"}
    with pytest.raises(InUseError):
        _file(directory).lock()


@pytest.mark.parametrize("remove", [_remove_lock, _recreate])
def test_a_second_exporter_after_the_lock_file_is_gone(
    remove: Remove, file: KeptFile, directory: Path
) -> None:
    """Only one of them writes. The other one leaves the new lock alone, and continues when it is free."""
    remove(directory)
    second = _file(directory)
    second.write([b"{second}\n"])
    for _ in range(2):
        with pytest.raises(InUseError, match="is in use by another exporter"):
            file.write([b"{first}\n"])
    file.release()
    assert "kept.json.lock" in _names(directory)
    assert file.path.read_bytes() == b"{second}\n"
    second.release()
    file.write([b"{first}\n"])
    assert file.path.read_bytes() == b"{first}\n"


def test_a_release_that_comes_before_the_next_write(file: KeptFile, directory: Path) -> None:
    """The lock of the second exporter stays."""
    _remove_lock(directory)
    second = _file(directory)
    second.lock()
    file.release()
    with pytest.raises(InUseError):
        _file(directory).lock()
    second.release()


def test_a_file_that_is_too_large(file: KeptFile) -> None:
    """It is not read into memory, and the error has its name, its size and the limit."""
    os.truncate(file.path, 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(
            ValueError, match=r"kept\.json has 100,000,000 bytes, expected at most 1,000; it wi"
        ):
            file.read_with(list)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    file.write([b"{}\n"])
    assert file.read_with(list) == ["{}"]


def test_a_file_that_would_be_too_large(file: KeptFile) -> None:
    """It is not written: the next start could not read it."""
    with pytest.raises(ValueError, match=r"has 1,001 bytes, expected at most 1,000; it is not written"):
        file.write([b"x" * _LIMIT, b"\n"])
    assert file.read_with(list) == ["{}"]
    assert len(_names(file.path.parent)) == 2


def test_a_large_file_of_another_kind(file: KeptFile) -> None:
    """It is not replaced."""
    file.path.write_bytes(b"my notes" * 1000)
    problem = "is not a kept file, and is left as it is"
    with pytest.raises(ValueError, match=problem):
        file.read_with(list)
    with pytest.raises(ValueError, match=problem):
        file.write([b"{}\n"])


def test_a_lock_file_that_cannot_be_created(directory: Path) -> None:
    """There is nothing to remove."""
    long = KeptFile(directory / ("x" * 252), noun="kept file", setting="--flag", limit=_LIMIT)
    with pytest.raises(OSError, match="File name too long"):
        long.lock()


def test_a_file_of_the_largest_size(file: KeptFile) -> None:
    """What was written can be read again."""
    rest = b"x" * (_LIMIT - 1)
    file.write([b"{", rest])
    assert file.read_with(list) == ["{" + rest.decode()]


@pytest.mark.parametrize("beginning", [b"\0\0\0", b"\x80", b"\xff\xfe", b"{", b"[", b""])
def test_a_damaged_file_is_replaced(beginning: bytes, file: KeptFile) -> None:
    """A disk that lost its content leaves zeros or other bytes that are no text."""
    file.path.write_bytes(beginning)
    file.write([b"{}\n"])
    assert file.read_with(list) == ["{}"]


@pytest.mark.parametrize("beginning", [b"-----BEGIN", b"\xef\xbb\xbfswitches:", b"a", b"\x7f"])
def test_a_text_of_others_is_not_replaced(beginning: bytes, file: KeptFile) -> None:
    """It may be a key, a certificate or a configuration."""
    file.path.write_bytes(beginning)
    with pytest.raises(ValueError, match="is not a kept file, and is left as it is"):
        file.write([b"{}\n"])
    assert file.path.read_bytes() == beginning


def test_a_link_is_not_followed(file: KeptFile) -> None:
    """What it points to is neither read nor replaced."""
    target = file.path.with_name("target.json")
    file.path.rename(target)
    file.path.symlink_to(target)
    problem = "is a symbolic link, which is not followed"
    with pytest.raises(ValueError, match=problem):
        file.read_with(list)
    with pytest.raises(ValueError, match=problem):
        file.write([b"[]\n"])
    assert (file.path.is_symlink(), target.read_bytes()) == (True, b"{}\n")
