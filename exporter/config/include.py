"""``include`` of a switch: tenants in further files, so that one file does not hold thousands of them.

Each file has the key ``tenants``. Relative paths in it start from its own directory. Files are merged in the
order of their names, after the tenants of the switch.
"""

import glob
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.config.errors import Path as Place
from exporter.config.errors import Problem
from exporter.config.tree import MAX_VALUES, Document, read_yaml
from exporter.errors import ConfigurationError, shown

MOST_FILES = 10_000
"""In all: twice the tenants of the largest supported installation."""

_TENANT = ("switches", 0, "tenants")
"""The beginning of the path of a tenant, except for the index of the switch."""


@dataclass(frozen=True, slots=True)
class Include:
    """An entry of ``include``: as it is written, the absolute pattern, and the files that it matched."""

    place: Place
    written: str
    pattern: str
    files: tuple[Path, ...]

    @property
    def switch(self) -> int:
        """The index of the switch."""
        return int(self.place[1])


class Sources:
    """The main file and those that it includes.

    ``problems``: of the main file, with its patterns. ``errors``: of files that could not be read.
    """

    def __init__(self, main: Document, *, most_files: int = MOST_FILES) -> None:
        self.main = main
        self._most_files = most_files
        self.includes: list[Include] = []
        self.documents: dict[Path, Document] = {}
        self.problems: list[Problem] = []
        self.errors: list[ConfigurationError] = []
        self.patterns: list[str] = []
        self._starts: dict[int, list[tuple[int, Document]]] = {}
        self._seen: set[Path] = set()
        self._values = main.values
        for place, pattern in _patterns(main.tree):
            absolute = _absolute(pattern, main.file)
            self.patterns.append(absolute)
            try:
                self._include(Include(place, pattern, absolute, _matches(pattern, absolute, main.file)))
            except ValueError as error:
                self.problems.append(Problem(place, str(error)))

    def all(self) -> list[Document]:
        """Return all files that could be read, the main one first."""
        return [self.main, *self.documents.values()]

    def of_switch(self, index: int) -> list[Document]:
        """Return the files of a switch, each once."""
        files = {file: None for each in self.includes if each.switch == index for file in each.files}
        return [self.documents[file] for file in files if file in self.documents]

    def merged(self) -> Any:  # noqa: ANN401 -- a tree, as the cross checks read it
        """Return the tree of the main file, with the tenants of all files."""
        tree: Any = self.main.tree
        if not self.documents:
            return tree
        switches = [self._with_tenants(index, switch) for index, switch in enumerate(tree["switches"])]
        return {**tree, "switches": switches}

    def _with_tenants(self, index: int, switch: Any) -> Any:  # noqa: ANN401 -- a tree
        documents = self.of_switch(index)
        if not documents:
            return switch
        tenants = list(_tenants(switch))
        self._starts[index] = []
        for document in documents:
            self._starts[index].append((len(tenants), document))
            tenants += _tenants(document.tree)
        return {**switch, "tenants": tenants}

    def origin(self, path: Place) -> tuple[Document, Place]:
        """Return the file of a path in the merged tree, and the path in that file."""
        if len(path) > len(_TENANT) and path[0] == _TENANT[0] and path[2] == _TENANT[2]:
            for start, document in reversed(self._starts.get(int(path[1]), ())):
                if int(path[3]) >= start:
                    return document, ("tenants", int(path[3]) - start, *path[4:])
        return self.main, path

    def _include(self, include: Include) -> None:
        self.includes.append(include)
        for file in include.files:
            if file in self._seen:
                continue
            self._seen.add(file)
            if len(self._seen) > self._most_files:
                raise ValueError(
                    f"includes more than {self._most_files:,} files; put several tenants into a file"
                )
            try:
                self.documents[file] = read_yaml(file)
            except ConfigurationError as error:
                self.errors.append(error)
                continue
            self._values += self.documents[file].values
            if self._values > MAX_VALUES:
                raise ValueError(f"includes more than {MAX_VALUES:,} values in all; include fewer files")


def _tenants(section: object) -> list[Any]:
    found = section.get("tenants") if isinstance(section, dict) else None
    return found if isinstance(found, list) else []


def _patterns(tree: object) -> Iterator[tuple[Place, str]]:
    switches = tree.get("switches") if isinstance(tree, dict) else None
    for index, switch in enumerate(switches if isinstance(switches, list) else []):
        patterns = switch.get("include") if isinstance(switch, dict) else None
        for number, pattern in enumerate(patterns if isinstance(patterns, list) else []):
            if isinstance(pattern, str) and pattern.strip() and pattern.isprintable():
                yield ("switches", index, "include", number), pattern


def expand(pattern: str) -> tuple[Path, ...]:
    """Return the files that an absolute pattern matches, sorted, without hidden ones such as ``..data``."""
    found: set[str] = set()
    for plain in _without_double_stars(pattern):
        matching = glob.iglob(plain)  # noqa: PTH207 -- Path.glob matches hidden files
        found.update(itertools.islice(matching, MOST_FILES + 1))
        if len(found) > MOST_FILES:
            break
    return tuple(map(Path, sorted(found)))


def _without_double_stars(pattern: str) -> Iterator[str]:
    """Yield a pattern for each directory that ``**`` stands for."""
    before, found, after = pattern.partition("/**/")
    if not found:
        yield pattern
        return
    for start in glob.iglob(before or "/"):  # noqa: PTH207 -- as above
        for directory in _directories(start):
            yield from _without_double_stars(f"{glob.escape(directory.rstrip('/'))}/{after}")


def _directories(start: str) -> Iterator[str]:
    """Yield a directory and all below it, each once, following links: a ConfigMap links to its directories.

    glob's own ``**`` follows a link to a parent directory again and again, to 40 levels, and two such links
    double its work at each of them (seen 2026-12, Python 3.11).
    """
    seen: set[tuple[int, int]] = set()
    errors: list[OSError] = []
    for directory, inner, _ in os.walk(start, followlinks=True, onerror=errors.append):
        identity = _identity(directory)
        inner[:] = sorted(name for name in inner if not name.startswith(".") and identity not in seen)
        if identity and identity not in seen:
            seen.add(identity)
            yield directory
    yield from (error.filename for error in errors)  # not readable, which _require_readable reports


def _identity(directory: str) -> tuple[int, int] | None:
    try:
        status = Path(directory).stat()
    except OSError:  # deleted in the meantime
        return None
    return status.st_dev, status.st_ino


def _absolute(written: str, main: Path) -> str:
    return str(Path(glob.escape(str(main.absolute().parent))) / written)


def _matches(written: str, absolute: str, main: Path) -> tuple[Path, ...]:
    """Return the files of a pattern. Raises ValueError if they cannot be listed."""
    directory = main.absolute().parent
    if glob.has_magic(written):
        _require_directory(written, directory)
        _require_readable(absolute, directory)
        files = expand(absolute)
    else:
        files = (directory / written,)
        if os.path.isdir(files[0]):  # noqa: PTH112 -- Path.is_dir raises PermissionError
            raise ValueError("is a directory; to include the files in it, append /*.yaml")
    if any(_is_same(file, main) for file in files):
        raise ValueError(
            "matches this file itself; put the files into a directory of their own, as in tenants/*.yaml"
        )
    return files


def _is_same(file: Path, main: Path) -> bool:
    try:
        return file.samefile(main)
    except OSError:  # missing or not accessible, which is reported when it is read
        return False


def _require_directory(written: str, directory: Path) -> None:
    """Raise ValueError unless the directory before the first wildcard can be read.

    A pattern may match nothing. A directory that is missing must not look like that: the tenants in it would
    be dropped.
    """
    plain = Path(*_before_wildcard(Path(written)))
    try:
        os.listdir(directory / plain)  # noqa: PTH208 -- only whether it works
    except OSError as error:
        raise _unreadable(str(plain), error) from None


def _require_readable(absolute: str, base: Path) -> None:
    """Raise ValueError if a directory that a wildcard stands for cannot be read: glob skips it silently."""
    for plain in _without_double_stars(absolute):
        parts = Path(plain).parts
        for index in (number for number, part in enumerate(parts) if glob.has_magic(part)):
            for found in glob.iglob(str(Path(*parts[:index]))):  # noqa: PTH207 -- as above
                try:
                    os.listdir(found)  # noqa: PTH208 -- only whether it works
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    raise _unreadable(os.path.relpath(found, base), error) from None


def _unreadable(directory: str, error: OSError) -> ValueError:
    return ValueError(
        f"the directory {shown(directory)} cannot be read ({error.strerror}); check the path and its "
        "permissions"
    )


def _before_wildcard(pattern: Path) -> Iterator[str]:
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part
