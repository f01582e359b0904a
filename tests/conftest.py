"""What tests of every kind share."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from exporter.config import SwitchConfiguration, load
from tests.certificates import Authority

# A busy machine is no defect: no example has a time limit, the whole test has (pytest-timeout).
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


FindProgram = Callable[[str, str], str]
"""Returns where a program is, by its name and the Debian package that has it."""

_NEWER = os.environ.get("NEWER_PROGRAMS") or None
"""A directory with newer versions of some programs; ``.ci/newer-programs`` makes one."""


def _skip(advice: str) -> NoReturn:
    """Skip the test. In CI that is a failure: a check that is skipped there is a check nobody runs."""
    if os.environ.get("CI") == "true":
        pytest.fail(advice)
    pytest.skip(advice)


def _installed(name: str, package: str) -> str:
    return shutil.which(name) or _skip(f"{name} is not installed: apt-get install {package}")


def _newest(name: str, package: str) -> str:
    return (_NEWER and shutil.which(name, path=_NEWER)) or _skip(
        f"no newer {name} ({package}): .ci/newer-programs DIRECTORY, then set NEWER_PROGRAMS=DIRECTORY/bin"
    )


@pytest.fixture(scope="session")
def require_program() -> FindProgram:
    """Return a function that finds a program, or skips the test with the command that installs it.

    Of two versions the newer one: that of ``NEWER_PROGRAMS``, else the installed one.
    """
    return lambda name, package: (_NEWER and shutil.which(name, path=_NEWER)) or _installed(name, package)


@pytest.fixture(scope="session")
def require_newest() -> FindProgram:
    """Return a function that finds a program of ``NEWER_PROGRAMS``, for tests of what only these can do."""
    return _newest


@pytest.fixture(scope="session")
def require_installed() -> FindProgram:
    """Return a function that finds the installed version of a program, for what must work with older ones."""
    return _installed


@pytest.fixture(scope="session", params=[_installed, _newest], ids=["installed", "newest"])
def require_each(request: pytest.FixtureRequest) -> FindProgram:
    """Return a function that finds the installed version of a program, then one that finds the newest.

    A test that uses it runs twice; where there is one version only, the other run is skipped.
    """
    find: FindProgram = request.param
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
