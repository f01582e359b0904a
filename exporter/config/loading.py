"""Reads and checks a configuration file as a whole."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from exporter.config import yaml_file
from exporter.config.checks import across
from exporter.config.problems import Problem, from_validation, in_file_order
from exporter.config.schema import Configuration
from exporter.config.sections import Surroundings
from exporter.config.wording import shape
from exporter.errors import ConfigurationError


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read a configuration file, the key files and environment variables it names included.

    Relative paths in it start from its own directory. Raises ConfigurationError with every problem there is,
    in the order of the file.
    """
    tree, problems = yaml_file.read(path)
    if not isinstance(tree, dict):
        raise ConfigurationError(str(path), [f"file: is {shape(tree)}; begin with `switches:`"])
    configuration = None
    found: list[Problem] = []
    try:
        configuration = Configuration.model_validate(
            tree, context=Surroundings(path.absolute().parent, environment)
        )
    except ValidationError as error:
        found = from_validation(error, Configuration)
    found += across(tree)
    told = {problem.path for problem in problems}  # by the reader, with the line
    problems += [problem for problem in found if problem.path not in told]
    if configuration is None or problems:
        raise ConfigurationError(str(path), [str(problem) for problem in in_file_order(problems, tree)])
    return configuration
