import os
from pathlib import Path

import pytest

from exporter.files import read_regular_file


def test_regular_file(tmp_path: Path) -> None:
    """The whole content is returned, also through a symbolic link."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    link = tmp_path / "link"
    link.symlink_to(file)

    assert read_regular_file(link, 7) == b"content"


def test_file_above_the_limit(tmp_path: Path) -> None:
    """The error contains the limit."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1025)

    with pytest.raises(ValueError, match="larger than 1 KiB"):
        read_regular_file(file, 1024)


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_not_a_regular_file(kind: str, tmp_path: Path) -> None:
    """It is rejected without reading it."""
    path = {"fifo": tmp_path / "fifo", "device": Path("/dev/zero"), "directory": tmp_path}[kind]
    if kind == "fifo":
        os.mkfifo(path)

    with pytest.raises(ValueError, match="expected a regular file"):
        read_regular_file(path, 1024)


def test_missing_file(tmp_path: Path) -> None:
    """The OSError is not converted."""
    with pytest.raises(FileNotFoundError):
        read_regular_file(tmp_path / "missing", 1024)
