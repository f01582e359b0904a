"""Tests of what depends on the version of Python also pass with that of the image.

Python 3.13 verifies certificates more strictly than 3.11, and event loops change with each version.
"""

import os
import re
import subprocess
import sys
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
"""Dependencies of the tools; uv rejects any that is missing here, because it has no hash."""


def _locked(names: tuple[str, ...]) -> str:
    """Return the lines of requirements-dev.lock for these packages."""
    lock = (_REPOSITORY / "requirements-dev.lock").read_text()
    entries = {
        re.split("[=\\s]", entry)[0]: entry for entry in re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
    }
    return "".join(entries[name] for name in names)


def test_on_the_python_of_the_image(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    """TLS, proxies and clocks work the same."""
    require_engine(require_program)
    base = os.environ.get("BASE_IMAGE", "python:3.13-slim-trixie")
    version = docker("run", "--rm", base, "python3", "-c", "import sys; print(sys.version[:4])")
    lock, libraries = tmp_path / "tools.lock", tmp_path / "libraries"
    lock.write_text(_locked(_TOOLS + _DEPENDENCIES))
    requirements = [f"--requirement={file}" for file in (_REPOSITORY / "requirements-kubernetes.lock", lock)]
    install = (Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--require-hashes")
    options = (f"--target={libraries}", f"--python-version={version.strip()}", "--only-binary=:all:")
    subprocess.run([*install, *options, *requirements], check=True)
    run = ("run", "--rm", "--read-only", "--tmpfs=/tmp", f"--volume={_REPOSITORY}:/src:ro", "--workdir=/src")
    # The sources are read-only: no caches.
    settings = {
        "CI": "true",
        "PYTHONPATH": "/libraries",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/dev/null",
    }
    environment = [f"--env={name}={value}" for name, value in settings.items()]
    volume = f"--volume={libraries}:/libraries:ro"
    command = ("python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS)
    assert " passed" in docker(*run, volume, *environment, base, *command).splitlines()[-1]
