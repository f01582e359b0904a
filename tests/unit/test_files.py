import os
from pathlib import Path

import pytest

from exporter.files import read_regular_file


def test_regular_file(tmp_path: Path) -> None:
    """The content comes back whole, also through a symbolic link."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    link = tmp_path / "link"
    link.symlink_to(file)

    assert read_regular_file(link, 7) == b"content"


def test_file_above_the_limit(tmp_path: Path) -> None:
    """The error says what the limit is."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1025)

    with pytest.raises(ValueError, match="larger than 1 KiB"):
        read_regular_file(file, 1024)


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_not_a_regular_file(kind: str, tmp_path: Path) -> None:
    """What is no regular file is rejected at once and never read."""
    path = {"fifo": tmp_path / "fifo", "device": Path("/dev/zero"), "directory": tmp_path}[kind]
    if kind == "fifo":
        os.mkfifo(path)

    with pytest.raises(ValueError, match="expected a regular file"):
        read_regular_file(path, 1024)


def test_missing_file(tmp_path: Path) -> None:
    """OSError is passed on, with the system's reason."""
    with pytest.raises(FileNotFoundError):
        read_regular_file(tmp_path / "missing", 1024)
