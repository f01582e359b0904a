import subprocess
import tomllib

import pytest

from exporter import shipped
from tests.documents import ROOT, RUNBOOKS


def test_runbooks_are_those_of_the_repository() -> None:
    """Every page, by its name, and the index."""
    assert shipped.runbooks() == {page.stem: page.read_text() for page in RUNBOOKS.glob("Softswitch*.md")}
    assert shipped.index_of_runbooks() == (RUNBOOKS / "README.md").read_text()


def test_rules_are_those_of_the_repository() -> None:
    """By the name of their file."""
    name = "softswitch.alerts.yaml"
    assert shipped.rules(name) == (ROOT / "alerts" / name).read_text()


_ONLY_IN_THE_REPOSITORY = (
    "alerts/tests/",  # tests of the rules
    "deploy/compose",  # builds the image from a clone
    "deploy/debian/",  # builds the Debian package
    "deploy/helm/",  # published as a chart
    "deploy/kubernetes/",  # kustomize, which can load it from the repository
)


def test_the_package_contains_every_file_for_other_programs() -> None:
    """Rules, dashboards and examples: what is missing here is only in the repository for a reason."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "alerts", "config.*", "deploy", "docs/runbooks", "grafana", "mixin"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git clone: the list of files is unknown")
    files = [name for name in listed.stdout.split("\0") if name and not name.endswith(".py")]
    expected = {name for name in files if not name.startswith(_ONLY_IN_THE_REPOSITORY)}
    assert "config.example.yaml" in expected
    assert set(shipped.assets()) == expected


def test_the_wheel_takes_the_same_files() -> None:
    """pyproject.toml has the same list, and puts each file where the package looks for it."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = wheel["force-include"]
    assert sorted(["exporter", *shipped.ASSETS]) == sorted([*wheel["only-include"], *files])
    assert files == {name: f"exporter/data/{name}" for name in files}
    directories = {path.partition("/")[0] for path in shipped.ASSETS if path not in files}
    assert wheel["sources"] == {name: f"exporter/data/{name}" for name in directories}
