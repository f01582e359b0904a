"""Reads and checks a file as a whole: the configuration, or that of the web server."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from exporter.config import checks, tls_server, yaml_file
from exporter.config.problems import Problem, from_validation, in_file_order, sentence
from exporter.config.schema import Configuration
from exporter.config.sections import Surroundings
from exporter.config.web import WebConfiguration
from exporter.errors import ConfigurationError
from exporter.fields import Section
from exporter.wording import shape

_Whole = TypeVar("_Whole", bound=Section)
_Across = Callable[[Mapping[str, Any]], Iterable[Problem]]


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read a configuration file, the key files and environment variables it names included.

    Relative paths in it start from its own directory. Raises ConfigurationError with every problem there is,
    in the order of the file.
    """
    across = partial(checks.across, file=path)
    configuration = _load(path, environment, Configuration, across, "`switches:`")
    for switch in configuration.switches:
        for tenant in switch.tenants:
            switch.settings(tenant.code)  # worked out here, in the thread that reads, and then kept
    return configuration


def load_web(path: Path) -> WebConfiguration:
    """Read the file of ``--web.config.file``, the certificates and keys it names included.

    An empty file is a problem: one that is just being written must not open what a password protects.
    Raises ConfigurationError like ``load``.
    """
    return _load(path, {}, WebConfiguration, tls_server.across, "`tls_server_config:` or `basic_auth_users:`")


def _load(
    path: Path, environment: Mapping[str, str], model: type[_Whole], across: _Across, beginning: str
) -> _Whole:
    tree, problems = yaml_file.read(path)
    if not isinstance(tree, dict):
        raise ConfigurationError(str(path), [f"file: is {shape(tree)}; begin with {beginning}"])
    configuration = None
    found: list[Problem] = []
    try:
        configuration = model.model_validate(tree, context=Surroundings(path.absolute().parent, environment))
    except ValidationError as error:
        found = from_validation(error, model)
    found += across(tree)
    told = {problem.path for problem in problems}  # by the reader, with the line
    problems += [problem for problem in found if problem.path not in told]
    if configuration is None or problems:
        raise ConfigurationError(
            str(path), [sentence(problem, tree) for problem in in_file_order(problems, tree)]
        )
    return configuration
