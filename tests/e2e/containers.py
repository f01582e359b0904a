"""The services of deploy/compose.yaml that are built here, in a real Docker engine."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMPOSE_FILE = Path(__file__).parents[2] / "deploy/compose.yaml"
REVISION = "0123456789abcdef"
BUILT = ("simulator", "exporter")
"""Services whose image is built here; images of the others would be pulled."""

_FREE_PORTS = """
services:
  simulator: {ports: !override ["127.0.0.1::10391"]}
  exporter: {ports: !override ["127.0.0.1::10390"]}
"""


def require_engine(require_program: Callable[[str, str], str]) -> None:
    """Skip the test if there is no Docker engine; in CI, fail it."""
    require_program("docker", "docker-cli docker-compose")
    commands = [["docker", "info"], ["docker", "buildx", "version"], ["docker", "compose", "version"]]
    if all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands):
        return
    advice = "no Docker engine with buildx and compose; as root on Debian, run: .ci/docker-engine make test"
    if os.environ.get("CI") == "true":
        pytest.fail(advice)
    pytest.skip(advice)


def docker(*arguments: str, **environment: str) -> str:
    """Run a docker command and return its output. Raise AssertionError with both outputs if it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "REVISION": REVISION, **environment},
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def inspect(kind: str, name: str) -> dict[str, Any]:
    """Return how Docker describes an image or a container."""
    [found] = json.loads(docker("inspect", f"--type={kind}", name))
    described: dict[str, Any] = found
    return described


@dataclass(frozen=True)
class Stack:
    """Healthy services."""

    compose: tuple[str, ...]

    def container(self, service: str) -> str:
        """Return the ID of the container of a service."""
        return docker(*self.compose, "ps", "--quiet", service)

    def address(self, service: str, port: int) -> str:
        """Return the local address on which a port of a service is published."""
        return docker(*self.compose, "port", service, str(port))

    def execute(self, service: str, *command: str) -> str:
        """Run a command inside a container and return its output."""
        return docker(*self.compose, "exec", "--no-TTY", service, *command)


@contextlib.contextmanager
def running_stack(directory: Path) -> Iterator[Stack]:
    """Build the image, run its services and wait until they are healthy."""
    override = directory / "ports.yaml"
    override.write_text(_FREE_PORTS)
    compose = (
        "compose",
        f"--project-name=softswitch-test-{os.getpid()}",
        f"--file={COMPOSE_FILE}",
        f"--file={override}",
    )
    try:
        docker(*compose, "up", "--build", "--detach", "--wait", *BUILT)
        yield Stack(compose)
    finally:
        docker(*compose, "down", "--volumes", "--timeout=5")
