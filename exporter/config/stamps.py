"""Whether files have changed since they were read, by what ``stat`` says about them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config.include import expand

Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamp of each file. ``patterns`` match further files: a new one is a change."""

    of_files: Mapping[Path, Stamp] = field(default_factory=dict)
    patterns: frozenset[str] = frozenset()

    @classmethod
    def take(cls, files: Iterable[Path], patterns: Iterable[str] = ()) -> "Stamps":
        """Return the current stamps of these files."""
        patterns = frozenset(patterns)
        matching = (file for pattern in patterns for file in expand(pattern))
        return cls({file: _stamp(file) for file in {*files, *matching}}, patterns)

    def again(self) -> "Stamps":
        """Return the current stamps of the same files, and of those that match now."""
        return self.take(self.of_files, self.patterns)

    def since(self, before: "Stamps") -> "Stamps":
        """Return these stamps, but those in ``before`` for the same files."""
        older = {file: stamp for file, stamp in before.of_files.items() if file in self.of_files}
        return Stamps({**self.of_files, **older}, self.patterns)


def _stamp(file: Path) -> Stamp:
    """Return a value that differs after an edit in place, a rename, chmod, or a change of a symbolic link."""
    try:
        status = os.stat(file)  # noqa: PTH116 -- 5,000 key files a minute: Path.stat takes twice as long
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
