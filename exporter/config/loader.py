"""Read and check YAML files: the configuration and what it includes, and the file of the web server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from exporter.config import cross_checks, web
from exporter.config.errors import (
    FIRST,
    Mark,
    Problem,
    from_validation,
    in_file_order,
    innermost,
    location,
    message,
    place_text,
)
from exporter.config.errors import Path as Place
from exporter.config.fields import ValidationContext
from exporter.config.include import Sources
from exporter.config.schema import Configuration, TenantsFile
from exporter.config.tree import Document, read_yaml
from exporter.config.web import WebConfiguration
from exporter.errors import ConfigurationError, shape
from exporter.fields import Section

_Whole = TypeVar("_Whole", bound=Section)
_Located = tuple[Document, Problem]


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read a configuration file, the files that it includes, and all key files and variables that they name.

    Relative paths start from the directory of the file. Raises ConfigurationError with all problems, in the
    order of the files.
    """
    main = read_yaml(path)
    _require_mapping(main, "switches:")
    sources = Sources(main)
    configuration, found = _validated(main, Configuration, environment)
    located = [(main, problem) for problem in [*found, *sources.problems]]
    included: dict[Path, TenantsFile] = {}
    for document in sources.documents.values():
        tenants, found = _validated(document, TenantsFile, environment)
        located += [(document, problem) for problem in found]
        if tenants:
            included[document.file] = tenants
    for problem in cross_checks.conflicts(sources.merged(), path, _named_files(sources)):
        document, place = sources.origin(problem.path)
        located.append((document, replace(problem, path=place)))
    if configuration is None or located or sources.errors:
        raise _error(sources, located)
    configuration = _with_included(configuration, sources, included)
    for switch in configuration.switches:
        for tenant in switch.tenants:
            switch.settings(tenant.code)  # fills the cache here, in the loading thread
    return configuration


def _with_included(
    configuration: Configuration, sources: Sources, included: Mapping[Path, TenantsFile]
) -> Configuration:
    tenants_of = {
        index: [tenant for document in sources.of_switch(index) for tenant in included[document.file].tenants]
        for index in range(len(configuration.switches))
    }
    return configuration.with_included(tenants_of, sources.includes)


def load_web(path: Path) -> WebConfiguration:
    """Read the file of ``--web.config.file`` and the certificates and keys that it names.

    An empty file is an error: it may be half written, and must not remove the passwords. Raises
    ConfigurationError as ``load`` does.
    """
    main = read_yaml(path)
    tree = _require_mapping(main, "tls_server_config:")
    configuration, found = _validated(main, WebConfiguration, {})
    problems = [(main, problem) for problem in [*found, *web.conflicts(tree)]]
    if configuration is None or problems:
        raise _error(Sources(main), problems)
    return configuration


def _require_mapping(document: Document, first_key: str) -> dict[str, Any]:
    if not isinstance(document.tree, dict):
        raise ConfigurationError(
            str(document.file), [_no_mapping(document, first_key)], files=[document.file]
        )
    return document.tree


def _no_mapping(document: Document, first_key: str) -> str:
    return f"expected a mapping that starts with a key such as `{first_key}`, got {shape(document.tree)}"


def _validated(
    document: Document, model: type[_Whole], environment: Mapping[str, str]
) -> tuple[_Whole | None, list[Problem]]:
    """Return what a file contains, or None, and the problems of the file."""
    if not isinstance(document.tree, dict):
        first_key = next(name for name, key in model.model_fields.items() if key.is_required())
        return None, [Problem((), _no_mapping(document, f"{first_key}:"))]
    context = ValidationContext(document.file.absolute().parent, environment)
    try:
        return model.model_validate(document.tree, context=context), list(document.problems)
    except ValidationError as error:
        return None, [*document.problems, *from_validation(error, model)]


def _named_files(sources: Sources) -> Iterator[tuple[str, Path]]:
    """Yield all files that are read, except the main one, with the place that names each."""
    for include in sources.includes:
        for file in include.files:
            yield location(include.place), file
    for document in sources.all():
        suffix = "" if document is sources.main else f" of {document.file}"
        for where, name in cross_checks.named_files(document.tree, ()):
            yield f"{location(where)}{suffix}", document.file.absolute().parent / name


def _error(sources: Sources, located: Iterable[_Located]) -> ConfigurationError:
    """Return all problems, file by file, each in the order of its file and with its position."""
    by_file: dict[Path, list[Problem]] = {document.file: [] for document in sources.all()}
    wanted: dict[Path, list[Place]] = {document.file: [] for document in sources.all()}
    for document, problem in located:
        by_file[document.file].append(problem)
        wanted[document.file].append(problem.path)
        if problem.first:
            other, path = sources.origin(problem.first)
            wanted[other.file].append(path)
    marks = {
        document.file: document.marks(wanted[document.file])
        for document in sources.all()
        if wanted[document.file]
    }
    texts, places = [], []
    for document in sources.all():
        for problem in in_file_order(_each_once(by_file[document.file]), document.tree):
            text = message(problem, document.tree)
            if problem.first:
                text = text.replace(FIRST, _elsewhere(*sources.origin(problem.first), document, marks))
            texts.append(text)
            mark = problem.mark or innermost(marks[document.file], problem.path)
            places.append(place_text(document.file, mark))
    files = [sources.main.file, *(file for _, file in _named_files(sources))]
    error = ConfigurationError(str(sources.main.file), texts, places, files=files, patterns=sources.patterns)
    return (
        ConfigurationError.joined([*([error] if texts else []), *sources.errors]) if sources.errors else error
    )


def _each_once(problems: Sequence[Problem]) -> list[Problem]:
    """Leave out what follows from a problem that was found while reading the YAML."""
    reported = {problem.path for problem in problems if problem.mark}
    return [problem for problem in problems if problem.mark or problem.path not in reported]


def _elsewhere(
    document: Document, path: Place, here: Document, marks: Mapping[Path, Mapping[Place, Mark]]
) -> str:
    mark = innermost(marks[document.file], path)
    if document is not here:
        return f"{location(path)} in {place_text(document.file, mark)}"
    return f"{location(path)} on line {mark[0]}" if mark else location(path)
