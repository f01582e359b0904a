import json
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


def _refuses(file: KeptFile, problem: str) -> bool:
    """Return whether the file is neither read nor replaced, because of a problem."""
    with pytest.raises(ValueError, match=problem):
        file.read_with(list)
    with pytest.raises(ValueError, match=problem):
        file.write([b"{new}\n"])
    return True


def test_what_was_written_is_read(directory: Path) -> None:
    """No other user can read it, whatever the umask, and no other file is left after the release."""
    file = _file(directory)
    assert file.read_with(list) is None
    before = os.umask(0)
    try:
        for content in (b"{1}\n", b"{2}\n"):
            file.write([content])
    finally:
        os.umask(before)
    assert file.read_with(list) == ["{2}"]
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.release()
    assert _names(directory) == {"kept.json"}


def test_two_exporters(file: KeptFile, directory: Path) -> None:
    """The second one can use the file after the first one has released it."""
    second = _file(directory)
    assert _refuses(second, "is in use by another exporter; give each exporter its own --flag")
    file.release()
    assert second.read_with(list) == ["{}"]
    second.release()


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
    with pytest.raises(ValueError, match=r"is damaged or from another version .*; it will be replaced"):
        file.read_with(_version)
    file.write([b"{}\n"])
    assert file.read_with(list) == ["{}"]


def _version(lines: list[str]) -> object:
    return json.loads(lines[0])["version"]


@pytest.mark.parametrize(
    "content", [b"-----BEGIN", b"\xef\xbb\xbfswitches:", b"a", b"\x7f", b"my notes" * 1000]
)
def test_a_text_of_others_is_not_replaced(content: bytes, file: KeptFile) -> None:
    """It may be a key, a certificate or a configuration."""
    file.path.write_bytes(content)
    assert _refuses(file, "is not a kept file, and is left as it is")
    assert file.path.read_bytes() == content


@pytest.mark.parametrize("target", ["precious", "missing"])
def test_a_link_instead_of_the_file(target: str, file: KeptFile, directory: Path) -> None:
    """What it points to is neither read nor replaced, nor created."""
    file.path.rename(directory / "precious")
    file.path.symlink_to(directory / target)
    assert _refuses(file, "is a symbolic link, which is not followed")
    assert _names(directory) == {"kept.json", "kept.json.lock", "precious"}
    assert (file.path.is_symlink(), (directory / "precious").read_bytes()) == (True, b"{}\n")


def test_links_beside_the_file(file: KeptFile, directory: Path) -> None:
    """Temporary names are not predictable; a link as lock file is refused."""
    (directory / "target").write_text("precious")
    (directory / "kept.json.new").symlink_to(directory / "target")
    file.write([b"{}\n"])
    assert (directory / "target").read_text() == "precious"

    file.release()
    (directory / "kept.json.lock").symlink_to(directory / "created")
    with pytest.raises(ValueError, match=r"cannot be locked.*remove kept\.json\.lock"):
        file.write([b"{}\n"])
    assert not (directory / "created").exists()


def test_temporary_files_are_removed(file: KeptFile, directory: Path) -> None:
    """The next start removes half-written files, and no others with similar names."""
    (directory / "kept.json.0123456789abcdef.new").write_text("half")
    others = {"kept.json.new", "kept.json.0123.new", "other.json.0123456789abcdef.new"}
    for name in others:
        (directory / name).write_text("of others")
    file.read_with(list)
    assert _names(directory) == others | {"kept.json", "kept.json.lock"}


def test_a_file_that_every_user_can_write(file: KeptFile) -> None:
    """It is not used, and is replaced by a private one."""
    file.path.chmod(0o666)
    with pytest.raises(ValueError, match="can be written by every user; it will be replaced"):
        file.read_with(list)
    file.write([b"{}\n"])
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.read_with(list) == ["{}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user: run as root")
def test_a_file_of_another_user(file: KeptFile) -> None:
    """It is neither used nor replaced."""
    os.chown(file.path, 12345, 12345)
    assert _refuses(file, "belongs to user 12345")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_not_a_regular_file(make: Callable[[Path], object], file: KeptFile) -> None:
    """A FIFO blocks nothing."""
    file.path.unlink()
    make(file.path)
    assert _refuses(file, "is not a regular file")
