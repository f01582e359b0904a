"""Read and check a YAML file: the configuration, or that of the web server.

A plain value stays the text that was written; types come from the schema alone. YAML 1.1 would read the
extension 0101 as 65, the tenant code NO as false, and 18:00 as 1080. Duplicate keys are errors.

The tree is built from parser events. libyaml's composer overflows the stack on 100,000 opening brackets and
crashes the process (seen 2026-10, PyYAML 6.0.3). PyYAML's own takes 1.7 times as long as this one and three
times the memory: 185 MB for 5,000 tenants (2026-11).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from exporter.config import cross_checks, web
from exporter.config.errors import Path as Place
from exporter.config.errors import Problem, from_validation, in_file_order, is_shown, message
from exporter.config.fields import ValidationContext, character_name, invisible_problem
from exporter.config.schema import Configuration
from exporter.config.web import WebConfiguration
from exporter.errors import ConfigurationError, shape
from exporter.fields import Section
from exporter.files import read_regular_file

_Whole = TypeVar("_Whole", bound=Section)
_CrossCheck = Callable[[Mapping[str, Any]], Iterable[Problem]]
_ValueEvent = yaml.AliasEvent | yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent
Tree = str | None | list["Tree"] | dict[str, "Tree"]
_Lines = Mapping[Place, int]

MAX_BYTES = 64 * 2**20
MAX_VALUES = 2_000_000
"""Including what aliases repeat: a few lines of aliases can stand for billions of values. 5,000 tenants with
250,000 extensions need a quarter of it."""
MAX_DEPTH = 20
"""The schema is 7 deep."""

YAML_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader, if PyYAML has it, takes 0.3 s instead of 3.5 s for 5,000 tenants."""

_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})

_HIDDEN = re.compile(r"^[ -]*(?:[\w.-]+:(?!\t))?([^\S ]|[\u200b\u2060\ufeff])")
"""A character instead of a space in the indentation or after a key: elsewhere, as in a comment, it may be."""


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read a configuration file and the key files and environment variables that it names.

    Relative paths start from the directory of the file. Raises ConfigurationError with all problems, in the
    order of the file.
    """
    cross_check = partial(cross_checks.conflicts, file=path)
    configuration = _load(path, environment, Configuration, cross_check, "switches:")
    for switch in configuration.switches:
        for tenant in switch.tenants:
            switch.settings(tenant.code)  # fills the cache here, in the loading thread
    return configuration


def load_web(path: Path) -> WebConfiguration:
    """Read the file of ``--web.config.file`` and the certificates and keys that it names.

    An empty file is an error: it may be half written, and must not remove the passwords. Raises
    ConfigurationError as ``load`` does.
    """
    return _load(path, {}, WebConfiguration, web.conflicts, "tls_server_config:")


def _load(
    path: Path, environment: Mapping[str, str], model: type[_Whole], cross_check: _CrossCheck, first_key: str
) -> _Whole:
    tree, problems, lines = read_yaml(path)
    if not isinstance(tree, dict):
        problem = f"expected a mapping that starts with a key such as `{first_key}`, got {shape(tree)}"
        raise ConfigurationError(str(path), [problem])
    configuration = None
    found: list[Problem] = []
    try:
        configuration = model.model_validate(
            tree, context=ValidationContext(path.absolute().parent, environment)
        )
    except ValidationError as error:
        found = from_validation(error, model)
    found += cross_check(tree)
    reported = {problem.path for problem in problems}  # with the line
    problems += [_with_line(problem, lines) for problem in found if problem.path not in reported]
    if configuration is None or problems:
        ordered = in_file_order(problems, tree)
        raise ConfigurationError(str(path), [message(problem, tree) for problem in ordered])
    return configuration


def _with_line(problem: Problem, lines: _Lines) -> Problem:
    """Add the line of the innermost key that the path of a problem does not show."""
    inner = (problem.path[:length] for length in range(len(problem.path), 0, -1))
    line = next((lines[place] for place in inner if place in lines), None)
    return problem if line is None else Problem(problem.path, f"line {line}: {problem.text}")


def read_yaml(path: Path, loader: type[Any] = YAML_LOADER) -> tuple[Tree, list[Problem], _Lines]:
    """Return the tree of a file, the problems that did not prevent building it, and lines.

    The lines are those of the keys that errors do not show, because they may be secrets. Raises
    ConfigurationError if the file cannot be read.
    """
    text = ""
    try:
        text = _text(path)
        builder = _Builder(text, loader)
        return builder.tree(), builder.problems, builder.lines
    except OSError as error:
        reason = error.strerror or "unknown error"
        problem = f"cannot be read ({reason}); check the path and its permissions"
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} is not UTF-8; save the file as UTF-8"
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, text)
    except yaml.YAMLError:  # yaml.reader.ReaderError, which has no mark
        problem = _character_problem(text)
    except _RejectedError as error:
        problem = str(error)
    except (ValueError, OverflowError):  # PyYAML's Python loader on "\\UFFFFFFFF"
        problem = "an escape sequence names a character that does not exist; correct it"
    raise ConfigurationError(str(path), [problem])


class _RejectedError(Exception):
    """A file that is rejected although it may be valid YAML. The text is the whole message."""


def _text(path: Path) -> str:
    try:
        content = read_regular_file(path, MAX_BYTES)
    except ValueError as error:
        raise _RejectedError(str(error)) from None
    return content.decode("utf-8-sig")


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    # A no-break space in the indentation is part of a key or value, and the error is in a later line.
    for number, content in reversed([*enumerate(text.splitlines()[:line], 1)]):
        if hidden := _HIDDEN.search(content):
            return f"line {number}: contains {character_name(hidden[1])} instead of a space; use spaces"
    where = f"line {line}, column {mark.column + 1}: " if mark else ""
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    # PyYAML's Python parser quotes the text, which may be part of a key.
    reason = re.sub(r"('[^']')|'[^']*'", lambda quoted: quoted[1] or "'…'", reason)
    advice = "check indentation, quotes, colons and brackets, also in the lines before"
    return f"{where}invalid YAML ({reason}); {advice}"


def _character_problem(text: str) -> str:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return "contains a control character; remove it"
    line = text.count("\n", 0, found.start()) + 1
    return f"line {line}: contains {character_name(found[0])}, which YAML does not allow; remove it"


class _Builder:
    """Builds the tree of one document from events.

    ``problems`` did not prevent that. ``lines`` has the line of each key that errors do not show.
    """

    def __init__(self, text: str, loader: type[Any]) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, tuple[Tree, int]] = {}  # with the number of values
        self._values = 0
        self.problems: list[Problem] = []
        self.lines: dict[Place, int] = {}

    def tree(self) -> Tree:
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        tree = self._value(next(self._events), ())
        next(self._events)  # end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _rejected(after, "a second document starts; keep one document")
        return tree

    def _value(self, event: _ValueEvent, path: Place) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._values
        self._count(event, 1)
        if len(path) > MAX_DEPTH:
            raise _rejected(event, f"nested more than {MAX_DEPTH} deep; check for unclosed brackets")
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
            self._anchors[event.anchor] = (tree, self._values - before)
        return tree

    def _list(self, path: Place) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Place) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _rejected(event, "expected a plain word as key, got a list, a mapping or an alias")
            key: str = event.value
            value = self._value(next(self._events), (*path, key))
            if not is_shown(key):
                self.lines[*path, key] = _line(event)
            if problem := invisible_problem(key):
                self._report((*path, key), event, problem)
            if key in mapping:
                self._report((*path, key), event, f"duplicate key, first set on line {lines[key]}; keep one")
            else:
                mapping[key], lines[key] = value, _line(event)
        return mapping

    def _scalar(self, event: yaml.ScalarEvent, path: Place) -> str | None:
        value: str = event.value
        if event.implicit[0] and value in _EMPTY:
            self._report(path, event, "no value; add one or delete the key")
            return None
        return value

    def _alias(self, event: yaml.AliasEvent) -> Tree:
        if event.anchor not in self._anchors:
            raise _rejected(event, 'alias without an anchor; quote a value that starts with "*"')
        tree, values = self._anchors[event.anchor]
        self._count(event, values)
        return tree

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _rejected(event, f"more than {MAX_VALUES:,} values, including aliases; use fewer aliases")

    def _report(self, path: Place, event: yaml.Event, text: str) -> None:
        self.problems.append(Problem(path, f"line {_line(event)}: {text}"))


def _rejected(event: yaml.Event, text: str) -> _RejectedError:
    return _RejectedError(f"line {_line(event)}: {text}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
