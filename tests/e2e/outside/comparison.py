"""Compare two recordings: different values are a failure, different wordings are listed."""

import difflib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LINES_SHOWN = 20
"""How many different lines of a file are shown; the files have the rest."""


@dataclass
class Comparison:
    """Different lines by file, and the file in which each pair of old and new wording was first seen."""

    values: dict[str, list[str]] = field(default_factory=dict)
    wordings: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_identical(self) -> bool:
        """Whether all values are the same."""
        return not self.values

    def report(self) -> Iterator[str]:
        """Yield the lines of a report."""
        for name, lines in self.values.items():
            yield f"values differ: {name}"
            yield from (f"    {line}" for line in lines[:_LINES_SHOWN])
            if len(lines) > _LINES_SHOWN:
                yield f"    and {len(lines) - _LINES_SHOWN} more lines"
        verdict = "values identical" if self.is_identical else f"values differ in {len(self.values)} files"
        yield f"{verdict}, {len(self.wordings)} wordings differ"
        for (old, new), name in sorted(self.wordings.items()):
            yield from (name, f"    - {old}", f"    + {new}")


def compare(before: Path, after: Path) -> Comparison:
    """Compare two directories with recordings. Raise ValueError if one has none."""
    found = Comparison()
    for name, old, new in _pairs(before / "values", after / "values"):
        if old is None or new is None:
            found.values[name] = [f"only in {'the second' if old is None else 'the first'} recording"]
        elif old != new:
            lines = difflib.unified_diff(old, new, n=0, lineterm="")
            found.values[name] = [line for line in lines if line[:3] not in {"---", "+++"}]
    for name, old, new in _pairs(before / "wordings", after / "wordings"):
        for pair in _changes(old or [], new or []):
            found.wordings.setdefault(pair, name)
    return found


def _pairs(before: Path, after: Path) -> Iterator[tuple[str, list[str] | None, list[str] | None]]:
    """Yield the name of each file with its lines in both directories; None where it does not exist."""
    names: set[str] = set()
    for folder in (before, after):
        files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        if not files:
            raise ValueError(f"{folder} has no recording")
        names |= files
    for name in sorted(names):
        yield name, _lines(before / name), _lines(after / name)


def _lines(file: Path) -> list[str] | None:
    return file.read_bytes().decode("utf-8", "surrogateescape").split("\n") if file.is_file() else None


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each line that differs with its replacement; either may be ""."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for operation, start, end, new_start, new_end in matcher.get_opcodes():
        if operation != "equal":
            yield from itertools.zip_longest(old[start:end], new[new_start:new_end], fillvalue="")
