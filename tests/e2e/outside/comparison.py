"""Compares two recordings: differing values are a failure, differing wordings a list."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LINES_OF_A_FILE = 20
"""Of a difference in values that are shown: the rest is in the files."""


@dataclass
class Comparison:
    """What differs. ``wordings``: where one was first seen, by its old and its new text; either may be ""."""

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
            yield from (f"    {line}" for line in lines[:_LINES_OF_A_FILE])
            if len(lines) > _LINES_OF_A_FILE:
                yield f"    and {len(lines) - _LINES_OF_A_FILE} more lines"
        verdict = "values identical" if self.is_identical else f"values differ in {len(self.values)} files"
        yield f"{verdict}, {len(self.wordings)} wordings differ"
        for (old, new), where in sorted(self.wordings.items()):
            yield f"{where}"
            yield f"    - {old}"
            yield f"    + {new}"


def compare(before: Path, after: Path) -> Comparison:
    """Compare two directories that were recorded into. Raises ValueError where one holds no recording."""
    found = Comparison()
    for name, old, new in _pairs(before / "values", after / "values"):
        if old is None or new is None:
            found.values[name] = [f"only in {'the second' if old is None else 'the first'} recording"]
        elif old != new:
            found.values[name] = [
                line
                for line in difflib.unified_diff(old, new, n=0, lineterm="")
                if line[:3] not in {"---", "+++"}
            ]
    for name, old, new in _pairs(before / "wordings", after / "wordings"):
        for pair in _changes(old or [], new or []):
            found.wordings.setdefault(pair, name)
    return found


def _pairs(before: Path, after: Path) -> Iterator[tuple[str, list[str] | None, list[str] | None]]:
    names: set[str] = set()
    for folder in (before, after):
        files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        if not files:
            raise ValueError(f"{folder} holds no recording")
        names |= files
    for name in sorted(names):
        yield name, _lines(before / name), _lines(after / name)


def _lines(file: Path) -> list[str] | None:
    """Return the lines of a file, or None where there is none."""
    return file.read_bytes().decode("utf-8", "surrogateescape").split("\n") if file.is_file() else None


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines that differ, each with the one that stands in its place."""
    if old == new:
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for operation, start, end, new_start, new_end in matcher.get_opcodes():
        if operation != "equal":
            width = max(end - start, new_end - new_start)
            before = old[start:end] + [""] * (width - end + start)
            after = new[new_start:new_end] + [""] * (width - new_end + new_start)
            yield from zip(before, after, strict=True)
