"""The Dockerfile, without building it; tests/e2e/test_image.py builds it."""

import re
from pathlib import Path

import exporter
from exporter.cli.arguments import DEFAULT_LISTEN_ADDRESS

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins(lock: str) -> set[str]:
    """Return the name==version entries of a lock file."""
    return set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_version_label_is_current() -> None:
    """It is the version of the package."""
    assert f'org.opencontainers.image.version="{exporter.__version__}"' in DOCKERFILE


def test_the_port_is_the_default_one() -> None:
    """The image exposes the exporter's default port."""
    assert f"\nEXPOSE {DEFAULT_LISTEN_ADDRESS.removeprefix(':')}\n" in DOCKERFILE


def test_dockerignore_allows_only_copied_files() -> None:
    """``.dockerignore`` excludes everything that the Dockerfile does not copy."""
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    passed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(passed)


def test_the_build_tools_are_the_tested_versions() -> None:
    """The build stage uses the same versions as development."""
    build = pins("requirements-build.lock") | pins("requirements-sbom.lock")
    assert {"hatchling", "cyclonedx-bom"} <= {pin.partition("==")[0] for pin in build}
    assert build <= pins("requirements-dev.lock")
