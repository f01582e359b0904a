"""Read and check a YAML file: the configuration, or that of the web server."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from exporter.config import cross_checks, web
from exporter.config.errors import (
    FIRST,
    Problem,
    from_validation,
    in_file_order,
    innermost,
    location,
    message,
    place_text,
)
from exporter.config.fields import ValidationContext
from exporter.config.schema import Configuration
from exporter.config.tree import Document, read_yaml
from exporter.config.web import WebConfiguration
from exporter.errors import ConfigurationError, shape
from exporter.fields import Section

_Whole = TypeVar("_Whole", bound=Section)
_CrossCheck = Callable[[Mapping[str, Any]], Iterable[Problem]]


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
    document = read_yaml(path)
    tree = document.tree
    if not isinstance(tree, dict):
        problem = f"expected a mapping that starts with a key such as `{first_key}`, got {shape(tree)}"
        raise ConfigurationError(str(path), [problem], files=[path])
    configuration = None
    found: list[Problem] = []
    try:
        configuration = model.model_validate(
            tree, context=ValidationContext(path.absolute().parent, environment)
        )
    except ValidationError as error:
        found = from_validation(error, model)
    found += cross_check(tree)
    reported = {problem.path for problem in document.problems}
    problems = [*document.problems, *(problem for problem in found if problem.path not in reported)]
    if configuration is None or problems:
        raise _error(document, problems)
    return configuration


def _error(document: Document, problems: Iterable[Problem]) -> ConfigurationError:
    """Return all problems of a file, in its order, with their positions."""
    ordered = in_file_order(problems, document.tree)
    marks = document.marks(place for problem in ordered for place in (problem.path, problem.first or ()))
    texts, places = [], []
    for problem in ordered:
        text = message(problem, document.tree)
        if problem.first and (mark := innermost(marks, problem.first)):
            text = text.replace(FIRST, f"{location(problem.first)} on line {mark[0]}")
        texts.append(text)
        places.append(place_text(document.file, problem.mark or innermost(marks, problem.path)))
    directory = document.file.absolute().parent
    named = (directory / name for _, name in cross_checks.named_files(document.tree, ()))
    return ConfigurationError(str(document.file), texts, places, [document.file, *named])
