from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.assets import write
from exporter.errors import StartError
from exporter.shipped import assets
from tests.documents import ROOT

_FILES = {"alerts/rules.yaml": b"groups: []\n", "example.yaml": b"switches: []\n"}


def test_the_list_names_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file has its path and content in the repository."""
    assert main(["assets", "--list"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert main(["assets", f"--to={tmp_path / 'new'}"]) == 0
    written = {str(file.relative_to(tmp_path / "new")) for file in tmp_path.rglob("*") if file.is_file()}
    assert written == set(names)
    assert all((tmp_path / "new" / name).read_bytes() == (ROOT / name).read_bytes() for name in names)


def test_it_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names files that it wrote."""
    assert main(["assets", f"--to={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert f"wrote {len(assets())} files; 0 were up to date" in said
    following = said.partition("\nNext:\n")[2].replace(f"{tmp_path}/", "")
    paths = {word.rstrip(",") for word in following.split() if "/" in word and "://" not in word}
    assert paths
    assert {path for path in paths if not (tmp_path / path).exists()} == set()


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    """Files that are up to date stay."""
    assert write(_FILES, tmp_path, force=False) == list(_FILES)
    assert write(_FILES, tmp_path, force=False) == []


def test_a_changed_file_is_kept(tmp_path: Path) -> None:
    """Nothing is written, and the error names the file and the flag."""
    changed = tmp_path / "example.yaml"
    changed.write_text("switches: [mine]\n")
    with pytest.raises(StartError, match=rf"(?s){changed}.*Nothing was written.*--force"):
        write(_FILES, tmp_path, force=False)
    assert changed.read_text() == "switches: [mine]\n"
    assert list(tmp_path.iterdir()) == [changed]


def test_force_replaces_a_changed_file(tmp_path: Path) -> None:
    """Files that differ are replaced, absent ones written."""
    (tmp_path / "example.yaml").write_text("switches: [mine]\n")
    assert write(_FILES, tmp_path, force=True) == list(_FILES)
    assert (tmp_path / "example.yaml").read_bytes() == _FILES["example.yaml"]


def test_an_unusable_directory_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the path; there is no traceback."""
    (tmp_path / "file").touch()
    assert main(["assets", f"--to={tmp_path / 'file'}"]) == 1
    assert f'softswitch-exporter: cannot write "{tmp_path / "file"}' in capsys.readouterr().err
