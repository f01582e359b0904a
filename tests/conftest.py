"""What tests of every kind share."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from exporter.config import SwitchConfiguration, load
from tests.certificates import Authority

# A busy machine is no defect: no example has a time limit, the whole test has (pytest-timeout).
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str, str], str]:
    """Return a function that finds a program, or skips the test with the command that installs it.

    In CI a missing program is a failure: a check that is skipped there is a check nobody runs.
    """

    def find(name: str, package: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        advice = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)

    return find


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., SwitchConfiguration]:
    """Return a function that makes the configuration of one switch from settings as they are in the file."""

    def configure(**settings: object) -> SwitchConfiguration:
        switch = {"name": "pbx", "url": "http://127.0.0.1:9/api", "key": "admin-key", **settings}
        path = tmp_path / "config.yaml"
        # What is JSON is YAML as well.
        path.write_text(json.dumps({"switches": [{k: v for k, v in switch.items() if v is not None}]}))
        (made,) = load(path, {}).switches
        return made

    return configure


@pytest.fixture
def authority(tmp_path: Path, require_program: Callable[[str, str], str]) -> Authority:
    """Return an authority that issues certificates into the directory of the test."""
    return Authority(require_program("openssl", "openssl"), tmp_path)


@pytest.fixture(scope="module")
def authority_of_module(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Authority:
    """Return an authority that all tests of a module share."""
    return Authority(require_program("openssl", "openssl"), tmp_path_factory.mktemp("certificates"))
