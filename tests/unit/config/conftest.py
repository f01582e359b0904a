"""Fixtures that load a configuration written in the test."""

import json
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import jsonschema
import pytest

from exporter.config import Configuration, load
from exporter.config.json_schema import schema_text
from exporter.config.tree import read_yaml
from exporter.errors import ConfigurationError
from tests import yaml_with_types

SCHEMA = jsonschema.Draft202012Validator(json.loads(schema_text()))

Load = Callable[..., Configuration]
Raised = Callable[..., list[str]]
Problems = Callable[..., list[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a function that loads a configuration from text. The JSON Schema must accept it as well."""

    def run(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        configuration = load(path, environment or {})
        for tree in (read_yaml(path).tree, yaml_with_types.load(path.read_text(encoding="utf-8"))):
            assert [error.message for error in SCHEMA.iter_errors(tree)] == []
        return configuration

    return run


@pytest.fixture
def problems(loaded: Load) -> Problems:
    """Return a function that returns the problems of an invalid configuration."""

    def run(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, environment)
        return list(caught.value.problems)

    return run


@pytest.fixture
def raised(loaded: Load, tmp_path: Path) -> Raised:
    """Return a function that returns the errors of an invalid configuration: ``LINE:COLUMN: problem``."""

    def run(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, environment)
        return [line.removeprefix(f"{tmp_path / 'config.yaml'}:") for line in str(caught.value).splitlines()]

    return run
