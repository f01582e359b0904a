"""Read a YAML file into a tree of texts, lists and mappings, with the position of each problem.

A plain value stays the text that was written; types come from the schema alone. YAML 1.1 would read the
extension 0101 as 65, the tenant code NO as false, and 18:00 as 1080. Duplicate keys are errors.

The tree is built from parser events. libyaml's composer overflows the stack on 100,000 opening brackets and
crashes the process (seen 2026-10, PyYAML 6.0.3). PyYAML's own takes 1.7 times as long as this one and three
times the memory: 185 MB for 5,000 tenants (2026-11).
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter.config.errors import Mark, Problem, place_text
from exporter.config.errors import Path as Place
from exporter.config.fields import PlainBoolean, character_name, invisible_problem
from exporter.errors import ConfigurationError
from exporter.files import read_regular_file

_ValueEvent = yaml.AliasEvent | yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent
Tree = str | None | list["Tree"] | dict[str, "Tree"]

MAX_BYTES = 64 * 2**20
MAX_VALUES = 2_000_000
"""Including what aliases repeat: a few lines of aliases can stand for billions of values. 5,000 tenants with
250,000 extensions need a quarter of it."""
MAX_DEPTH = 20
"""The schema is 7 deep."""

YAML_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader, if PyYAML has it, takes 0.3 s instead of 3.5 s for 5,000 tenants."""

_ENDS_LINE = re.compile("[\x85\u2028\u2029](?=[^\\S\n]*[^\\s#])")
_LINE_BREAK = re.compile(r"\r\n?|\n")
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})

_HIDDEN = re.compile(r"^[ -]*(?:[\w.-]+:(?!\t))?([^\S ]|[\u200b\u2060\ufeff])")
"""A character instead of a space in the indentation or after a key: elsewhere, as in a comment, it may be."""
_JOINED = re.compile(r"^[ -]*[a-z_]+:([^\s:/])")
"""A key and its value without a space between them: YAML reads both as one text."""

_ADVICE = {
    "cannot start any token": "quote a value that starts with %, @ or `",
    "": "check indentation, quotes, colons and brackets, also in the lines before",
}
"""What to do, by a part of PyYAML's text."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its tree, the problems that did not prevent building it, and the number of its values."""

    file: Path
    tree: Tree
    problems: tuple[Problem, ...]
    values: int
    _text: str = field(repr=False)

    def marks(self, places: Iterable[Place]) -> Mapping[Place, Mark]:
        """Return where these places, or the sections around them, are in the file.

        This reads the text again: to keep the position of every value would cost each start of the exporter
        time and memory.
        """
        wanted = {place[:length] for place in places for length in range(len(place) + 1)}
        builder = _Builder(self._text, YAML_LOADER, wanted)
        builder.tree()
        return builder.marks


def read_yaml(path: Path, loader: type[Any] = YAML_LOADER) -> Document:
    """Read a file. Raises ConfigurationError if it cannot be read, or is not YAML."""
    text = ""
    mark = None
    try:
        text = _text(path)
        builder = _Builder(text, loader)
        tree = builder.tree()
        return Document(path, tree, tuple(builder.problems), builder.values, text)
    except OSError as error:
        reason = error.strerror or "unknown error"
        problem = f"cannot be read ({reason}); check the path and its permissions"
    except UnicodeDecodeError as error:
        before: str = error.object[: error.start].decode("utf-8-sig")
        mark = _Lines(before).mark(len(before))
        problem = "contains a byte that is not UTF-8; save the file as UTF-8"
    except yaml.MarkedYAMLError as error:
        mark, problem = _syntax_problem(error, text)
    except yaml.YAMLError:  # yaml.reader.ReaderError, which has no mark
        mark, problem = _character_problem(text)
    except _RejectedError as error:
        mark, problem = error.mark, str(error)
    except (ValueError, OverflowError):  # PyYAML's Python loader on "\\UFFFFFFFF"
        problem = "an escape sequence names a character that does not exist; correct it"
    raise ConfigurationError(str(path), [problem], [place_text(path, mark)], files=[path])


class _Lines:
    """Lines as editors count them. For YAML 1.1, U+0085, U+2028 and U+2029 end a line as well."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []

    def mark(self, index: int) -> Mark:
        """Return line and column of a character."""
        if not self._starts:
            self._starts = [0, *(found.end() for found in _LINE_BREAK.finditer(self._text))]
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1


class _RejectedError(Exception):
    """A file that is rejected although it may be valid YAML. The text is the whole message."""

    def __init__(self, text: str, mark: Mark | None = None) -> None:
        super().__init__(text)
        self.mark = mark


def _text(path: Path) -> str:
    try:
        content = read_regular_file(path, MAX_BYTES)
    except ValueError as error:
        raise _RejectedError(str(error)) from None
    return content.decode("utf-8-sig")


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> tuple[Mark | None, str]:
    found, lines_of = error.problem_mark or error.context_mark, _Lines(text)
    mark = lines_of.mark(found.index) if found else None
    lines = [*enumerate(_LINE_BREAK.split(text)[: mark[0] if mark else 0], 1)]
    # A no-break space in the indentation is part of a key or value, and the error is in a later line.
    for number, content in reversed(lines):
        if hidden := _HIDDEN.search(content):
            problem = f"contains {character_name(hidden[1])} instead of a space; use spaces"
            return (number, hidden.start(1) + 1), problem
    for number, content in reversed(lines[-2:]):
        if ended := _ENDS_LINE.search(content):
            problem = f"contains {character_name(ended[0])}, where YAML ends the line; remove it"
            return (number, ended.start() + 1), problem
        if joined := _JOINED.search(content):
            return (number, joined.start(1) + 1), "no space after the colon; write it as in `key: value`"
    context = error.context
    line = lines_of.mark(error.context_mark.index)[0] if error.context_mark else 0
    if context and mark and 0 < line < mark[0]:
        context += f" that starts on line {line}"
    reason = ", ".join(part for part in (context, error.problem) if part)
    # PyYAML's Python parser quotes the text, which may be part of a key.
    reason = re.sub(r"('[^']')|'[^']*'", lambda quoted: quoted[1] or "'…'", reason)
    advice = next(advice for part, advice in _ADVICE.items() if part in reason)
    return mark, f"invalid YAML ({reason}); {advice}"


def _character_problem(text: str) -> tuple[Mark | None, str]:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return None, "contains a control character; remove it"
    mark = _Lines(text).mark(found.start())
    return mark, f"contains {character_name(found[0])}, which YAML does not allow; remove it"


def _plain(event: yaml.ScalarEvent) -> str:
    value: str = event.value
    return PlainBoolean(value) if event.implicit[0] and value in _BOOLEANS else value


class _Builder:
    """Builds the tree of one document from events.

    ``problems`` did not prevent that. ``marks`` has the position of each ``wanted`` place: of a key, or of an
    entry of a list.
    """

    def __init__(self, text: str, loader: type[Any], wanted: Collection[Place] = ()) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, tuple[Tree, int]] = {}  # with the number of values
        self._lines = _Lines(text)
        self.values = 0
        self.problems: list[Problem] = []
        self._wanted = wanted
        self.marks: dict[Place, Mark] = {}

    def tree(self) -> Tree:
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        tree = self._value(next(self._events), ())
        next(self._events)  # end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._rejected(after, "a second document starts; keep one document")
        return tree

    def _value(self, event: _ValueEvent, path: Place) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.values
        self._count(event, 1)
        if len(path) > MAX_DEPTH:
            raise self._rejected(event, f"nested more than {MAX_DEPTH} deep; check for unclosed brackets")
        if event.tag is not None:
            self._report(path, event, 'YAML tags are not supported; quote a value that starts with "!"')
        tree: Tree
        if isinstance(event, yaml.SequenceStartEvent):
            tree = self._list(path)
        elif isinstance(event, yaml.MappingStartEvent):
            tree = self._mapping(path)
        else:
            tree = self._scalar(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (tree, self.values - before)
        return tree

    def _list(self, path: Place) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            place = (*path, len(items))
            if place in self._wanted:
                self.marks.setdefault(place, self._mark(event))
            items.append(self._value(event, place))
        return items

    def _mapping(self, path: Place) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        first: dict[str, yaml.ScalarEvent] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._rejected(event, "expected a plain word as key, got a list, a mapping or an alias")
            key: str = _plain(event)
            place = (*path, key)
            if place in self._wanted:
                self.marks.setdefault(place, self._mark(event))
            value = self._value(next(self._events), place)
            if problem := invisible_problem(key):
                self._report(place, event, problem)
            if key in mapping:
                self._report(
                    place, event, f"duplicate key, first set on line {self._mark(first[key])[0]}; keep one"
                )
            else:
                mapping[key], first[key] = value, event
        return mapping

    def _scalar(self, event: yaml.ScalarEvent, path: Place) -> str | None:
        if event.implicit[0] and event.value in _EMPTY:
            self._report(path, event, "no value; add one or delete the key")
            return None
        return _plain(event)

    def _alias(self, event: yaml.AliasEvent) -> Tree:
        if event.anchor not in self._anchors:
            raise self._rejected(event, 'alias without an anchor; quote a value that starts with "*"')
        tree, values = self._anchors[event.anchor]
        self._count(event, values)
        return tree

    def _count(self, event: yaml.Event, values: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            raise self._rejected(
                event, f"more than {MAX_VALUES:,} values, including aliases; use fewer aliases"
            )

    def _report(self, path: Place, event: yaml.Event, text: str) -> None:
        self.problems.append(Problem(path, text, mark=self._mark(event)))

    def _rejected(self, event: yaml.Event, text: str) -> _RejectedError:
        return _RejectedError(text, self._mark(event))

    def _mark(self, event: yaml.Event) -> Mark:
        mark = event.start_mark
        return self._lines.mark(mark.index) if mark else (1, 1)
