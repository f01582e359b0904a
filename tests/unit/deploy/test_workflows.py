"""The workflows of the forge, as far as they can be checked without running them there."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.documents import ROOT, make_targets

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def _jobs() -> Iterator[dict[str, Any]]:
    for workflow in WORKFLOWS:
        yield from yaml.safe_load(workflow.read_text())["jobs"].values()


def _scripts() -> list[str]:
    return [step["run"] for job in _jobs() for step in job["steps"] if "run" in step]


def test_the_matrix_has_the_versions_of_the_package() -> None:
    """Each Python in the metadata is tested, and no other."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    versions = [text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)]
    matrices = [job["strategy"]["matrix"] for job in _jobs() if "strategy" in job]
    assert [matrix["version"] for matrix in matrices if "version" in matrix] == [versions]


def test_every_script_is_valid() -> None:
    """Bash can read it; it names targets of make, and files, that exist."""
    for script in _scripts():
        text = re.sub(r"\$\{\{.*?\}\}", "value", script)
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        for targets in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", script):
            assert set(targets.split()) <= make_targets()
        paths = re.findall(r"(?<=[ =])((?:\.ci|deploy|tests)/[\w/.-]+|[\w-]+\.lock)\b", script)
        assert [path for path in paths if path != "uv.lock" and not (ROOT / path).exists()] == []


def test_the_release_installs_the_locked_uv(tmp_path: Path) -> None:
    """The script extracts one package with its hashes from the lock file."""
    [script] = [script for script in _scripts() if "uv.lock" in script]
    extract = script.splitlines()[0]
    (tmp_path / "requirements-dev.lock").write_text((ROOT / "requirements-dev.lock").read_text())
    subprocess.run(["bash", "-c", extract], cwd=tmp_path, check=True)
    lines = (tmp_path / "uv.lock").read_text().splitlines()
    assert lines[0].startswith("uv==")
    assert sum(line.lstrip().startswith("--hash=sha256:") for line in lines) > 5
    assert [line for line in lines[1:] if not line.lstrip().startswith(("--hash=", "# via"))] == []
