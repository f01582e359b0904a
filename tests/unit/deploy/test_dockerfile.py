"""What can be said of the Dockerfile without building it; tests/e2e/test_image.py builds it."""

import re
from pathlib import Path

import exporter
from exporter.cli.arguments import DEFAULT_LISTEN_ADDRESS

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins(lock: str) -> set[str]:
    """Return the name==version entries of a lock file."""
    return set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_version_is_that_of_the_program() -> None:
    """The label tells what is inside."""
    assert f'org.opencontainers.image.version="{exporter.__version__}"' in DOCKERFILE


def test_the_port_is_the_default_one() -> None:
    """The exporter listens where the image says it does."""
    assert f"\nEXPOSE {DEFAULT_LISTEN_ADDRESS.removeprefix(':')}\n" in DOCKERFILE


def test_what_is_copied_is_let_through() -> None:
    """The file .dockerignore leaves out everything but what the Dockerfile copies."""
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    passed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(passed)


def test_the_package_is_built_with_what_was_tested() -> None:
    """The tools of the build stage have the versions that development uses."""
    build = pins("requirements-build.lock")
    assert any(pin.startswith("hatchling==") for pin in build)
    assert build <= pins("requirements-dev.lock")
