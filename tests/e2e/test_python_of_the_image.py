"""Tests of what depends on the version of Python also pass with that of the image.

Python 3.13 verifies certificates more strictly than 3.11, and event loops change with each version.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.containers import docker, require_engine

# The base image may have to be pulled over a slow connection.
pytestmark = pytest.mark.timeout(600)

_REPOSITORY = Path(__file__).parents[2]

_TESTS = (
    "tests/unit/net/test_tls.py",
    "tests/unit/net/test_proxy.py",
    "tests/unit/test_client.py",
    "tests/unit/test_clock.py",
    "tests/unit/test_schedule.py",
    "tests/unit/config/test_connection.py",
    "tests/unit/poll/test_dispatcher.py",
    "tests/unit/poll/test_sweep.py",
    "tests/unit/web/test_tls.py",
)

_TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "hypothesis", "jsonschema")
_DEPENDENCIES = (
    *("iniconfig", "packaging", "pluggy", "pygments", "sortedcontainers"),
    *("jsonschema-specifications", "referencing", "rpds-py"),
)
"""Dependencies of the tools; pip rejects any that is missing here, because it has no hash."""

_DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY *.lock ./
RUN python3 -m venv --without-pip /venv \\
 && pip --python /venv/bin/python install --no-cache-dir --require-hashes -r runtime.lock -r tools.lock
"""


def _locked(names: tuple[str, ...]) -> str:
    """Return the lines of requirements-dev.lock for these packages."""
    lock = (_REPOSITORY / "requirements-dev.lock").read_text()
    entries = {
        re.split("[=\\s]", entry)[0]: entry for entry in re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
    }
    return "".join(entries[name] for name in names)


@pytest.fixture
def image(tmp_path: Path, require_program: Callable[[str, str], str]) -> str:
    """Build an image with the dependencies of the exporter and of these tests."""
    require_engine(require_program)
    (tmp_path / "Dockerfile").write_text(_DOCKERFILE)
    (tmp_path / "runtime.lock").write_text((_REPOSITORY / "requirements-kubernetes.lock").read_text())
    (tmp_path / "tools.lock").write_text(_locked(_TOOLS + _DEPENDENCIES))
    base = os.environ.get("BASE_IMAGE", "python:3.13-slim-trixie")
    return docker("build", "--quiet", f"--build-arg=BASE_IMAGE={base}", str(tmp_path))


def test_on_the_python_of_the_image(image: str) -> None:
    """TLS, proxies and clocks work the same."""
    run = ("run", "--rm", "--read-only", "--tmpfs=/tmp", f"--volume={_REPOSITORY}:/src:ro", "--workdir=/src")
    # The sources are read-only: no caches.
    settings = {
        "CI": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/dev/null",
    }
    environment = [f"--env={name}={value}" for name, value in settings.items()]
    command = ("/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS)
    assert " passed" in docker(*run, *environment, image, *command).splitlines()[-1]
