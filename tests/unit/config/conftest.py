"""Fixtures that load a configuration written in the test."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.config import Configuration, load
from exporter.errors import ConfigurationError

Load = Callable[..., Configuration]
Raised = Callable[..., list[str]]
Problems = Callable[..., list[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a function that loads a configuration from text."""

    def run(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(path, environment or {})

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
