"""Error messages about a configuration: where the problem is, what is wrong, and what was expected."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exporter.config.fields import invisible_problem
from exporter.config.placeholders import variable_of
from exporter.errors import (
    is_variable_name,
    may_be_secret,
    printable,
    shape,
    shown,
    unknown_key,
    without_secrets,
)

Path = tuple[str | int, ...]

_WORD = re.compile(r"[a-z_]{1,40}|[A-Z][a-z]*(?:-[A-Z][A-Za-z]*)*")
"""A key of the schema, or the name of an HTTP header."""


Mark = tuple[int, int]
"""Line and column in a file, both from 1."""

FIRST = "{first}"
"""In the text of a problem: the place ``first``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. An empty path means the whole file.

    ``mark``: its position, if it is not that of ``path``. ``first``: another place, which the text names.
    """

    path: Path
    text: str
    mark: Mark | None = None
    first: Path | None = None

    def __str__(self) -> str:
        return f"{location(self.path)}: {self.text}"


def location(path: Path) -> str:
    """Return a path as text: ``switches[0].queries.peers.interval``.

    Keys are cut after their plain beginning: in ``{key:SECRET}``, without a space after the colon, YAML reads
    the secret as part of the key.
    """
    return (
        "".join(f"[{step}]" if isinstance(step, int) else f".{_displayed(step)}" for step in path)[1:]
        or "file"
    )


def place_text(file: FilePath, mark: Mark | None) -> str:
    """Return a position as editors and compilers write it: ``config.yaml:12:5``."""
    return ":".join([printable(str(file)), *map(str, mark or ())])


def innermost(marks: Mapping[Path, Mark], path: Path) -> Mark | None:
    """Return the position of a path, or of the innermost section around it that has one."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((marks[place] for place in around if place in marks), None)


def _displayed(key: str) -> str:
    if not _WORD.fullmatch(key) and may_be_secret(key):
        return "…"
    beginning = _plain_beginning(key)
    return beginning if beginning == key else f"{beginning}…"


def _plain_beginning(key: str) -> str:
    return re.split(r"[^\w.-]", key, maxsplit=1)[0][:64]


def from_validation(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate pydantic's errors. ``model`` is the model that was validated."""
    problems = []
    for details in error.errors(include_url=False):
        path = details["loc"]
        known: Iterable[str] = ()
        if details["type"] == "extra_forbidden":
            known = keys(_section_at(model, path[:-1]))
        elif path[-1:] == ("[key]",):
            path = path[:-1]
            if details["type"] == "enum":
                known = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        if known:
            text = _MERGE_KEY if path[-1] == "<<" else unknown_key(_plain_beginning(str(path[-1])), known)
        else:
            text = _message(details, _field_at(model, path))
        problems.append(Problem(path, text))
    return problems


def message(problem: Problem, tree: object) -> str:
    """Return a problem as one line, with ``…`` for each value of the file that may be a misplaced secret."""
    for step in problem.path:
        inner: object = None
        if isinstance(tree, dict):
            inner = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            inner = tree[step]
        tree = inner
    is_name = problem.path[-1:] == ("key_env",) and isinstance(tree, str) and is_variable_name(tree)
    if is_name or (isinstance(tree, str) and variable_of(tree)):
        tree = None  # the name of an environment variable
    last = {str(step) for step in problem.path[-1:] if not _WORD.fullmatch(str(step))}
    return f"{location(problem.path)}: {without_secrets(problem.text, {*_texts(tree), *last})}"


def _texts(tree: object) -> Iterator[str]:
    """Yield every value, and every key that cannot be one of the schema's."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for item in tree:
            yield from _texts(item)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if not _WORD.fullmatch(key):
                yield key
            yield from _texts(value)


def in_file_order(problems: Iterable[Problem], tree: object) -> list[Problem]:
    """Sort problems by their position in the file; a missing key comes first in its section."""
    return sorted(problems, key=lambda problem: _position(problem.path, tree))


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """Return the keys of a section as they are written in the file, with their types."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def sections(annotation: object) -> list[type[BaseModel]]:
    """Return the models within a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in sections(part)]


_MERGE_KEY = "merge keys are not supported; repeat the keys, or use `tenant_defaults`"

_MESSAGES: Mapping[str, str] = {
    "missing": "required key is missing; add it",
    "value_error": "{error}",
    # Without the text: in "- key:SECRET", where the space after the colon is missing, it contains the key.
    "model_type": "expected {form}, got {shape}",
    "dict_type": "expected a mapping of `key: value` lines, got {shape}",
    "tuple_type": "expected {form}, got {shape}",
    "string_type": "expected a single value, got {shape}",
    "int_parsing": "expected a whole number such as 10, got {shown}",
    "int_parsing_size": "expected a smaller whole number, got {shown}",
    "int_type": "expected a whole number such as 10, got {shape}",
    "float_parsing": "expected a number such as 0.5, got {shown}",
    "float_type": "expected a number such as 0.5, got {shape}",
    "finite_number": "expected a finite number such as 0.5, got {shown}",
    "bool_parsing": "expected true or false, got {shown}",
    "bool_type": "expected true or false, got {shape}",
    "literal_error": "expected {expected}, got {shown}",
    "enum": "expected {expected}, got {shown}",
    "greater_than_equal": "expected {ge:,.10g} or more, got {shown}",
    "greater_than": "expected more than {gt:,.10g}, got {shown}",
    "less_than": "expected less than {lt:,.10g}, got {shown}",
    "less_than_equal": "expected {le:,.10g} or less, got {shown}",
}
"""By pydantic's type of an error."""


def _message(details: ErrorDetails, field: FieldInfo | None) -> str:
    kind, value = details["type"], details["input"]
    if isinstance(value, str) and kind != "value_error" and (problem := invisible_problem(value)):
        return problem
    template = _MESSAGES.get(kind)
    if template is None:
        return f"invalid value ({kind.replace('_', ' ')}); see config.example.yaml"
    context = dict(details.get("ctx", {}))
    if kind in _FORMS:
        context["form"] = _FORMS[kind](field)
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "")
    return template.format(shown=shown(value), shape=shape(value), **context)


def _mapping(field: FieldInfo | None) -> str:
    """Return the form of a mapping, with an example."""
    line = _first_line(field)
    return f"a mapping such as `{line}`" if line else "a mapping of `key: value` lines"


def _list(field: FieldInfo | None) -> str:
    """Return the form of a list, with an example."""
    if line := _first_line(field):
        return f"a list with entries such as `- {line}`"
    (example, *_) = (field.examples if field else None) or (["a", "b"],)
    return f"a list such as [{', '.join(map(str, example))}]"


_FORMS = {"model_type": _mapping, "tuple_type": _list}


def _first_line(field: FieldInfo | None) -> str:
    """Return a line of the section in a field: its first required key, or its first one with an example."""
    for model in sections(field.annotation) if field else ():
        found = model.model_fields.items()
        for name, key in sorted(found, key=lambda item: not item[1].is_required()):
            if key.examples and isinstance(key.examples[0], str | int):
                example = key.examples[0]
                return f"{key.alias or name}: {'true' if example is True else example}"
    return ""


def _field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """Return the field at a path, or None for a key that the schema does not name, such as a label."""
    field = None
    within = [model]
    for step in path:
        if isinstance(step, str):
            fields = {each.alias or name: each for one in within for name, each in one.model_fields.items()}
            field = fields.get(step)
            within = sections(field.annotation) if field else []
    return field


def _section_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    for step in path:
        if isinstance(step, str):
            (model,) = sections(Annotated[keys(model)[step], ...])
    return model


def _position(path: Path, tree: object) -> list[int]:
    position: list[int] = []
    for step in path:
        if isinstance(tree, dict) and step in tree:
            position.append(list(tree).index(step))
            tree = tree[step]
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            position.append(step)
            tree = tree[step]
        else:
            return [*position, -1]
    return position
