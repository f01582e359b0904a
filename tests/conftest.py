"""Fixtures for all tests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from exporter.config import SwitchConfiguration, load
from tests.certificates import Authority

# Containers often set this. The tests start hundreds of programs: each would compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Slow examples on a busy machine are fine; pytest-timeout limits the whole test.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


LONGEST_FIRST = (
    "unit/alerts/test_rules.py",
    "e2e/test_pasted_commands.py",
    "e2e/test_status_page_problems.py",
    "e2e/test_lease_processes.py",
    "e2e/test_daemon_alerting.py",
    "e2e/test_alert_parity.py",
    "e2e/test_status_page.py",
    "unit/alerting/test_differential.py",
    "e2e/test_scrape_per_switch.py",
    "e2e/test_debian_package.py",
    "e2e/test_web_security.py",
    "e2e/test_keepalived_network.py",
    "unit/alerts/test_scrapes.py",
    "unit/alerts/test_mutants.py",
    "e2e/test_outside.py",
    "e2e/test_storage.py",
    "e2e/test_dashboards_without_data.py",
    "e2e/test_outages.py",
    "e2e/test_fault_matrix.py",
    "e2e/test_auto_reload.py",
    "e2e/test_new_query.py",
    "e2e/test_requests_sent.py",
    "e2e/test_phone_technologies.py",
    "e2e/test_dashboards.py",
    "e2e/test_package.py",
    "e2e/test_client_limits.py",
    "e2e/test_prometheus.py",
    "e2e/test_private_lists.py",
    "e2e/test_demo_page.py",
    "e2e/test_lease_alerts.py",
    "e2e/test_lease_partitions.py",
    "e2e/test_first_configuration.py",
    "e2e/test_state_file.py",
    "e2e/test_wall_clock.py",
    "e2e/test_formats.py",
    "e2e/test_all_faults_at_once.py",
    "e2e/test_python_of_the_image.py",
    "e2e/test_image.py",
    "unit/cli/probe/test_render.py",
    "unit/cli/probe/draft/test_pace.py",
    "e2e/test_soak.py",
    "e2e/test_keepalived_exporter.py",
    "e2e/test_keepalived_processes.py",
    "e2e/test_runbook_pages.py",
    "e2e/test_lifecycle.py",
    "e2e/test_hundred_switches.py",
    "e2e/test_large_lists.py",
)
"""The files that take longest. They start in this order, so that no worker is left with one at the end.

All others follow in the order of pytest.
"""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


FindProgram = Callable[[str, str], str]
Configured = Callable[..., SwitchConfiguration]
"""Returns the path of a program, by its name and Debian package."""

_NEWER = os.environ.get("NEWER_PROGRAMS") or None
"""A directory with newer versions of some programs, created by ``.ci/newer-programs``."""


def _skip(advice: str) -> NoReturn:
    """Skip the test, or fail it in CI: otherwise nothing would ever run it."""
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
    """Return a function that finds a program, or skips the test with the command to install it.

    Prefers the version in ``NEWER_PROGRAMS`` over the installed one.
    """
    return lambda name, package: (_NEWER and shutil.which(name, path=_NEWER)) or _installed(name, package)


@pytest.fixture(scope="session")
def require_root() -> None:
    """Skip the test unless it may create network namespaces."""
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode:
        _skip("network namespaces need root: run the tests with sudo")


@pytest.fixture(scope="session")
def require_npm_program() -> Callable[[str], str]:
    """Return a function that finds a program from npm, or skips the test with the command to install it."""
    return lambda name: shutil.which(name) or _skip(f"{name} is not installed: npm install --global {name}")


@pytest.fixture(scope="session")
def require_newest() -> FindProgram:
    """Return a function that finds a program in ``NEWER_PROGRAMS``, for tests of new features."""
    return _newest


@pytest.fixture(scope="session")
def require_installed() -> FindProgram:
    """Return a function that finds the installed version of a program, for tests of old versions."""
    return _installed


@pytest.fixture(scope="session", params=[_installed, _newest], ids=["installed", "newest"])
def require_each(request: pytest.FixtureRequest) -> FindProgram:
    """Run the test with the installed version of a program and with the newest.

    If there is only one version, the other run is skipped.
    """
    find: FindProgram = request.param
    return find


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Return a function that loads the configuration of one switch with these settings."""

    def configure(**settings: object) -> SwitchConfiguration:
        switch = {"name": "pbx", "url": "http://127.0.0.1:9/api", "key": "admin-key", **settings}
        path = tmp_path / "config.yaml"
        # JSON is valid YAML.
        path.write_text(json.dumps({"switches": [{k: v for k, v in switch.items() if v is not None}]}))
        (made,) = load(path, {}).switches
        return made

    return configure


@pytest.fixture
def authority(tmp_path: Path, require_program: Callable[[str, str], str]) -> Authority:
    """Return a certificate authority that writes to ``tmp_path``."""
    return Authority(require_program("openssl", "openssl"), tmp_path)


@pytest.fixture(scope="module")
def authority_of_module(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Authority:
    """Return a certificate authority shared by all tests of a module."""
    return Authority(require_program("openssl", "openssl"), tmp_path_factory.mktemp("certificates"))
