import stat
from pathlib import Path

import pytest

from exporter.cli.probe.draft.target import checked, reject_unwritable, write
from exporter.errors import StartError


def _names(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


def _accept(file: Path) -> None:
    assert file.read_text() == "text\n"


def _refuse(file: Path) -> None:
    raise StartError(f"{file.name} is invalid")


def test_a_new_file(tmp_path: Path) -> None:
    """It is complete, readable by owner and group, and alone in its directory."""
    file = tmp_path / "config.yaml"
    write(file, "text\n", _accept, overwrite=False)
    assert file.read_text() == "text\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert _names(tmp_path) == ["config.yaml"]


def test_an_existing_file(tmp_path: Path) -> None:
    """It is replaced only on request, also if it appears during the survey."""
    file = tmp_path / "config.yaml"
    file.write_text("mine")
    with pytest.raises(StartError, match="exists; name another file, or add --overwrite"):
        reject_unwritable(file, overwrite=False)
    with pytest.raises(StartError, match="was created meanwhile"):
        write(file, "text\n", _accept, overwrite=False)
    assert file.read_text() == "mine"
    reject_unwritable(file, overwrite=True)
    write(file, "text\n", _accept, overwrite=True)
    assert file.read_text() == "text\n"
    assert _names(tmp_path) == ["config.yaml"]


@pytest.mark.parametrize("problem", [StartError("no"), KeyboardInterrupt()])
def test_nothing_is_left_behind(problem: BaseException, tmp_path: Path) -> None:
    """Neither after a failed check nor after Ctrl-C."""

    def fail(_: Path) -> None:
        raise problem

    with pytest.raises(type(problem)):
        write(tmp_path / "config.yaml", "text\n", fail, overwrite=True)
    assert _names(tmp_path) == []


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """The message names the path and the fix, before anything is sent."""
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name, overwrite, text in (
        ("absent/config.yaml", False, "is not a directory; create it first"),
        ("", True, "is not a regular file"),
        ("link", False, "exists"),
    ):
        with pytest.raises(StartError, match=text):
            reject_unwritable(tmp_path / name, overwrite=overwrite)
    with pytest.raises(StartError, match="cannot be written: No such file or directory"):
        write(tmp_path / "absent/config.yaml", "text\n", _accept, overwrite=False)


def test_a_text_for_standard_output() -> None:
    """It is checked as a file is."""
    assert checked("text\n", _accept) == "text\n"
    with pytest.raises(StartError, match="is invalid"):
        checked("text\n", _refuse)
