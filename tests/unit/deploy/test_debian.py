"""The documents of the Debian package."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.debian.documents import completion, copyright_file, manual_page

_COMMANDS = {"assets", "demo", "healthcheck", "probe", "rules", "simulate", "test-alert"}


def test_the_manual_page_has_every_command(
    require_program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """And it has the flags of the commands; man has no warning about it."""
    page = tmp_path / "softswitch-exporter.1"
    page.write_bytes(manual_page(1_790_000_000))
    man = [require_program("man", "man-db"), "--warnings=mac", "--local-file", "--encoding=UTF-8", str(page)]
    done = subprocess.run(man, capture_output=True, text=True, check=True, env={"MANWIDTH": "1000"})
    assert done.stderr == ""
    assert {name for name in _COMMANDS if f"softswitch-exporter {name}\n" not in done.stdout} == set()
    assert "2026-09-21" in done.stdout
    assert {"--web.listen-address", "--storage.path", "--extension", "--team-label"} <= set(
        re.findall(r"--[a-z.-]+", done.stdout)
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_loads_its_completions(
    shell: str, require_program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """They are valid, and name every command."""
    file = tmp_path / "completion"
    file.write_bytes(completion(shell))
    subprocess.run([require_program(shell, shell), "-n", file], check=True)
    assert {name for name in _COMMANDS if name not in file.read_text()} == set()


def test_bash_completes(require_program: Callable[[str, str], str], tmp_path: Path) -> None:
    """A command, a flag and a value of it."""
    file = tmp_path / "completion"
    file.write_bytes(completion("bash"))
    script = f"""
    source {file}
    complete_line() {{
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        $(complete -p softswitch-exporter | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        echo "${{COMPREPLY[@]}}"
    }}
    complete_line softswitch-exporter pro
    complete_line softswitch-exporter probe --ten
    complete_line softswitch-exporter --log.level d
    """
    bash = [require_program("bash", "bash"), "--norc", "-c", script]
    done = subprocess.run(bash, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["probe", "--tenant", "debug"]


def test_the_copyright_names_every_package(tmp_path: Path) -> None:
    """With the license that it states; one that states none is an error."""
    for name, stated in (
        ("one", "License-Expression: MIT"),
        ("two", "Classifier: License :: OSI :: BSD License"),
    ):
        directory = tmp_path / f"{name}-1.0.dist-info"
        directory.mkdir()
        (directory / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{stated}\n")
    text = copyright_file(tmp_path).decode()
    assert text.endswith("\none 1.0: MIT\ntwo 1.0: BSD License\n")
    (tmp_path / "two-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.4\nName: two\nVersion: 1.0\n")
    with pytest.raises(ValueError, match="two does not state its license"):
        copyright_file(tmp_path)
