"""Problems of a configuration as sentences: the place, what is wrong there, and what to do."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.errors import may_be_secret, shape, shown, unknown_key, without_secrets

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[\w.-]{0,64}")
_WORD = re.compile(r"[a-z_]{1,40}|[A-Z][a-z]*(?:-[A-Z][A-Za-z]*)*")
"""How the keys of the file are written, and the names of HTTP headers."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. An empty path is the file as a whole."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{location(self.path)}: {self.text}"


def location(path: Path) -> str:
    """Return a path as it is written in messages: ``switches[0].queries.peers.interval``.

    A key is cut where it stops being plain: in ``{key:SECRET}``, where a blank is missing after the
    colon, YAML takes the secret for a part of the key.
    """
    return (
        "".join(f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" for step in path)[1:] or "file"
    )


def _plain(step: str) -> str:
    if not _WORD.fullmatch(step) and may_be_secret(step):
        return "…"
    beginning = _beginning(step)
    return beginning if beginning == step else f"{beginning}…"


def _beginning(step: str) -> str:
    return "".join(_PLAIN.findall(step)[:1])


def from_validation(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return the errors of pydantic as problems, unordered. ``model`` is the model that was validated."""
    problems = []
    for details in error.errors(include_url=False):
        of_key = details["loc"][-1:] == ("[key]",)
        path = details["loc"][:-1] if of_key else details["loc"]
        if details["type"] == "extra_forbidden":
            text = unknown_key(_beginning(str(path[-1])), keys(_at(model, path[:-1])))
        elif of_key and details["type"] == "enum":
            known = re.findall(r"'([^']*)'", details["ctx"]["expected"])
            text = unknown_key(_beginning(str(path[-1])), known)
        else:
            text = _sentence(details)
        problems.append(Problem(path, text))
    return problems


def sentence(problem: Problem, tree: object) -> str:
    """Return a problem as a line that repeats no value of the file which may be a secret in a wrong place."""
    for step in problem.path:
        inner: object = None
        if isinstance(tree, dict):
            inner = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            inner = tree[step]
        tree = inner
    texts = {*_texts(tree), *(str(step) for step in problem.path[-1:] if not _WORD.fullmatch(str(step)))}
    return f"{location(problem.path)}: {without_secrets(problem.text, texts)}"


def _texts(tree: object) -> Iterator[str]:
    """Yield every text within a part of the file, keys too, but those that the schema may know."""
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
    """Return the keys of a section as they are written in the file, each with its type."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def sections(annotation: object) -> list[type[BaseModel]]:
    """Return the models that are named within a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in sections(part)]


_SENTENCES: Mapping[str, str] = {
    "missing": "is missing; add it",
    "value_error": "{error}",
    # Not the text itself: in "- key:SECRET", where a blank is missing, it holds the key.
    "model_type": "is {shape}; write a mapping, one `key: value` a line",
    "dict_type": "is {shape}; write a mapping, one `key: value` a line",
    "tuple_type": "is {shape}; write a list, such as [a, b]",
    "string_type": "is {shape}; write a single value",
    "int_parsing": "{shown} is not a whole number; write one such as 10",
    "int_parsing_size": "{shown} is too large a number; write a smaller one",
    "int_type": "is {shape}; write a whole number such as 10",
    "float_parsing": "{shown} is not a number; write one such as 0.5",
    "float_type": "is {shape}; write a number such as 0.5",
    "finite_number": "{shown} is not a finite number; write one such as 0.5",
    "bool_parsing": "{shown} is neither true nor false; write one of them",
    "bool_type": "is {shape}; write true or false",
    "literal_error": "{shown} is not known; write {expected}",
    "enum": "{shown} is not known; write {expected}",
    "greater_than": "{shown} is too small; write a number above {gt:,.10g}",
    "greater_than_equal": "{shown} is too small; write {ge:,.10g} or more",
    "less_than_equal": "{shown} is too large; write {le:,.10g} or less",
}
"""From pydantic's type of an error to our sentence."""


def _sentence(details: ErrorDetails) -> str:
    template = _SENTENCES.get(details["type"])
    if template is None:
        kind = details["type"].replace("_", " ")
        return f"is not what is expected here ({kind}); see config.example.yaml"
    context = dict(details.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "")
    value = details["input"]
    return template.format(shown=shown(value), shape=shape(value), **context)


def _at(model: type[BaseModel], path: Path) -> type[BaseModel]:
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
