"""The runbooks and rule files that the package contains.

The wheel has copies in ``exporter/data`` (see ``pyproject.toml``). A clone has the originals next to the
package, even if it is installed as editable.
"""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

REPOSITORY = "https://github.com/softswitch-exporter/softswitch-exporter/blob/main"
"""The URL of the repository's files, including the documentation."""

RUNBOOKS = f"{REPOSITORY}/docs/runbooks"
"""The URL of the runbooks that the shipped rules link to, and alerts without ``--web.external-url``."""

_INDEX = "README.md"


@cache
def runbooks() -> dict[str, str]:
    """Return the Markdown text of each runbook, by the name of its alert."""
    return {
        file.name.removesuffix(".md"): file.read_text(encoding="utf-8")
        for file in _folder("docs/runbooks").iterdir()
        if file.name.endswith(".md") and file.name != _INDEX
    }


@cache
def index_of_runbooks() -> str:
    """Return the Markdown text of the index of runbooks."""
    return _folder("docs/runbooks").joinpath(_INDEX).read_text(encoding="utf-8")


def rules(name: str) -> str:
    """Return the text of a rule file in ``alerts/``."""
    return _folder("alerts").joinpath(name).read_text(encoding="utf-8")


def _folder(path: str) -> Traversable:
    package = resources.files("exporter")
    installed = package.joinpath("data", *path.split("/"))
    return installed if installed.is_dir() else Path(str(package)).parent / path
