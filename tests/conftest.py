"""What tests of every kind share."""

import os
import shutil
from collections.abc import Callable

import pytest


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
