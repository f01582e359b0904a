"""Gives the package README.md with absolute links: on PyPI, relative ones lead nowhere."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_REPOSITORY = "https://github.com/softswitch-exporter/softswitch-exporter"
_LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\]]*\])\((?!\w+:|#)(?P<path>[^)]+)\)")


class Readme(MetadataHookInterface):
    """Adds the readme to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add it."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": _LINK.sub(_absolute, text)}


def _absolute(link: re.Match[str]) -> str:
    """Return a link to a page, or a picture, of the repository."""
    kind = "raw" if link["image"] else "blob"
    return f"{link['image']}{link['text']}({_REPOSITORY}/{kind}/main/{link['path']})"
