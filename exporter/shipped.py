"""The files for other programs that the package contains: rules, dashboards, runbooks, examples.

The wheel has copies in ``exporter/data``, at the paths that they have in the repository (see
``pyproject.toml``). A clone has the originals next to the package, even if it is installed as editable.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

REPOSITORY = "https://github.com/softswitch-exporter/softswitch-exporter/blob/main"
"""The URL of the repository's files, including the documentation."""

RUNBOOKS = f"{REPOSITORY}/docs/runbooks"
"""The URL of the runbooks that the shipped rules link to, and alerts without ``--web.external-url``."""

ASSETS = (
    "alerts/alertmanager.example.yaml",
    "alerts/kubernetes",
    "alerts/softswitch.alerts.yaml",
    "alerts/softswitch.rules.yaml",
    "alerts/templates",
    "config.example.yaml",
    "config.schema.json",
    "deploy/keepalived",
    "deploy/prometheus",
    "deploy/systemd",
    "docs/runbooks",
    "grafana/dashboards",
    "grafana/provisioning",
    "mixin",
)
"""Paths of files and directories in the repository that the package contains."""

_INDEX = "README.md"


@cache
def runbooks() -> dict[str, str]:
    """Return the Markdown text of each runbook, by the name of its alert."""
    return {
        file.name.removesuffix(".md"): file.read_text(encoding="utf-8")
        for file in _place("docs/runbooks").iterdir()
        if file.name.endswith(".md") and file.name != _INDEX
    }


@cache
def index_of_runbooks() -> str:
    """Return the Markdown text of the index of runbooks."""
    return _place("docs/runbooks").joinpath(_INDEX).read_text(encoding="utf-8")


def rules(name: str) -> str:
    """Return the text of a rule file in ``alerts/``."""
    return _place("alerts").joinpath(name).read_text(encoding="utf-8")


@cache
def assets() -> dict[str, bytes]:
    """Return every file for other programs, by its path in the repository."""
    found = {name: file for path in ASSETS for name, file in _files(path, _place(path))}
    return {name: file.read_bytes() for name, file in sorted(found.items())}


def _files(name: str, place: Traversable) -> Iterator[tuple[str, Traversable]]:
    if place.is_file():
        yield name, place
    elif place.is_dir():
        for entry in place.iterdir():
            yield from _files(f"{name}/{entry.name}", entry)


def _place(path: str) -> Traversable:
    """Return a file or directory of the repository, or its copy in an installed package."""
    package = resources.files("exporter")
    copies = package.joinpath("data")
    return copies.joinpath(*path.split("/")) if copies.is_dir() else Path(str(package)).parent / path
