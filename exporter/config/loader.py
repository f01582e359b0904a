"""Reads and checks a file as a whole: the configuration, or that of the web server.

YAML is read strictly: a plain value stays the text that was written. YAML 1.1 would make 65 of the extension
0101, False of the tenant code NO, and 1080 of 18:00. Here types come from the schema alone. Duplicate keys,
which YAML readers pass over in silence, are problems.

The tree is built from the parser's events. libyaml's composer ran out of stack on 100,000 opening brackets
and took the process along (seen 2026-10, PyYAML 6.0.3). PyYAML's own takes 1.7 times as long as this and
three times the memory: 185 MB for 5,000 tenants (2026-11).
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
from exporter.config.errors import Problem, from_validation, in_file_order, sentence
from exporter.config.fields import ValidationContext
from exporter.config.schema import Configuration
from exporter.config.web import WebConfiguration
from exporter.errors import ConfigurationError, shape
from exporter.fields import Section
from exporter.files import read_regular_file

_Whole = TypeVar("_Whole", bound=Section)
_CrossCheck = Callable[[Mapping[str, Any]], Iterable[Problem]]
_ValueEvent = yaml.AliasEvent | yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent
Tree = str | None | list["Tree"] | dict[str, "Tree"]

MAX_BYTES = 64 * 2**20
MAX_VALUES = 2_000_000
"""Four times what 5,000 tenants with 250,000 extensions need. The limit is for aliases: a few lines of them
can stand for billions of values."""
MAX_DEPTH = 20
"""The schema is 7 deep."""

YAML_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Written in C, where PyYAML was built so: 0.3 s instead of 3.5 s for 5,000 tenants."""

_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read a configuration file, the key files and environment variables it names included.

    Relative paths in it start from its own directory. Raises ConfigurationError with every problem there is,
    in the order of the file.
    """
    cross_check = partial(cross_checks.conflicts, file=path)
    configuration = _load(path, environment, Configuration, cross_check, "`switches:`")
    for switch in configuration.switches:
        for tenant in switch.tenants:
            switch.settings(tenant.code)  # worked out here, in the thread that reads, and then kept
    return configuration


def load_web(path: Path) -> WebConfiguration:
    """Read the file of ``--web.config.file``, the certificates and keys it names included.

    An empty file is a problem: one that is just being written must not open what a password protects.
    Raises ConfigurationError like ``load``.
    """
    return _load(path, {}, WebConfiguration, web.conflicts, "`tls_server_config:` or `basic_auth_users:`")


def _load(
    path: Path, environment: Mapping[str, str], model: type[_Whole], cross_check: _CrossCheck, beginning: str
) -> _Whole:
    tree, problems = read_yaml(path)
    if not isinstance(tree, dict):
        raise ConfigurationError(str(path), [f"file: is {shape(tree)}; begin with {beginning}"])
    configuration = None
    found: list[Problem] = []
    try:
        configuration = model.model_validate(
            tree, context=ValidationContext(path.absolute().parent, environment)
        )
    except ValidationError as error:
        found = from_validation(error, model)
    found += cross_check(tree)
    reported = {problem.path for problem in problems}  # already, with the line
    problems += [problem for problem in found if problem.path not in reported]
    if configuration is None or problems:
        raise ConfigurationError(
            str(path), [sentence(problem, tree) for problem in in_file_order(problems, tree)]
        )
    return configuration


def read_yaml(path: Path, loader: type[Any] = YAML_LOADER) -> tuple[Tree, list[Problem]]:
    """Return the tree of a file, and the problems of its YAML that did not prevent reading it.

    Raises ConfigurationError where the file cannot be read.
    """
    try:
        return _Builder(_text(path), loader).tree()
    except OSError as error:
        sentence = (
            f"file: cannot be read ({error.strerror or 'unknown error'}); check its path and permissions"
        )
    except UnicodeDecodeError as error:
        sentence = f"file: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
    except yaml.MarkedYAMLError as error:
        sentence = _syntax(error)
    except yaml.YAMLError:  # yaml.reader.ReaderError has no mark
        sentence = "file: holds a control character; remove it"
    except _Refused as refused:
        sentence = str(refused)
    except (ValueError, OverflowError):  # the reader written in Python, on "\\UFFFFFFFF" for one
        sentence = "file: holds an escaped character that does not exist; correct it"
    raise ConfigurationError(str(path), [sentence])


class _Refused(Exception):  # noqa: N818 - not an error of the program
    """Well-formed YAML that is rejected all the same. The text is the problem."""


def _text(path: Path) -> str:
    try:
        content = read_regular_file(path, MAX_BYTES)
    except ValueError as error:
        raise _Refused(f"file: {error}") from None
    return content.decode("utf-8-sig")


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
    said = ", ".join(part for part in (error.context, error.problem) if part)
    # PyYAML's parser in Python quotes the text that it found, which may be part of a key.
    said = re.sub(r"'[^']{2,}'", "'…'", said)
    return (
        f"{where}: this is not YAML that can be read here ({said}); look for indentation, quotes and colons"
    )


class _Builder:
    """Builds the tree of one document, event by event."""

    def __init__(self, text: str, loader: type[Any]) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, tuple[Tree, int]] = {}  # what each stands for, and how many values that is
        self._values = 0
        self._problems: list[Problem] = []

    def tree(self) -> tuple[Tree, list[Problem]]:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None, []
        tree = self._value(next(self._events), ())
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _refusal(after, "a second document begins; keep one")
        return tree, self._problems

    def _value(self, event: _ValueEvent, path: Place) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._values
        self._count(event, 1)
        if len(path) > MAX_DEPTH:
            raise _refusal(event, f"nested more than {MAX_DEPTH} deep; look for brackets that are not closed")
        if event.tag is not None:
            self._remark(path, event, 'YAML tags are not read; quote a value that begins with "!"')
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
                raise _refusal(event, "a list, a mapping or an alias stands for a key; write a plain word")
            key, line = event.value, _line(event)
            value = self._value(next(self._events), (*path, key))
            if key in mapping:
                self._remark((*path, key), event, f"was given in line {lines[key]} already; keep one of them")
            else:
                mapping[key], lines[key] = value, line
        return mapping

    def _scalar(self, event: yaml.ScalarEvent, path: Place) -> str | None:
        value: str = event.value
        if event.implicit[0] and value in _EMPTY:
            self._remark(path, event, "has no value; write one, or take the key away")
            return None
        return value

    def _alias(self, event: yaml.AliasEvent) -> Tree:
        if event.anchor not in self._anchors:
            raise _refusal(event, 'an alias without an anchor before it; quote a value that begins with "*"')
        tree, values = self._anchors[event.anchor]
        self._count(event, values)
        return tree

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _refusal(
                event, f"more than {MAX_VALUES:,} values, those behind aliases included; write less"
            )

    def _remark(self, path: Place, event: yaml.Event, text: str) -> None:
        self._problems.append(Problem(path, f"line {_line(event)}: {text}"))


def _refusal(event: yaml.Event, what: str) -> _Refused:
    return _Refused(f"line {_line(event)}: {what}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
