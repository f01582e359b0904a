"""The image, built and run in a real Docker engine."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import exporter
from exporter.metrics.catalogue import BUILD_INFO
from exporter.shipped import assets
from tests.e2e.conftest import Start
from tests.e2e.containers import (
    BUILT,
    COMPOSE_FILE,
    REVISION,
    Stack,
    docker,
    inspect,
    require_engine,
    running_stack,
)
from tests.e2e.programs import get, print_result, samples, wait_until

# The base image may have to be pulled over a slow connection.
pytestmark = pytest.mark.timeout(600)

HARDENED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")


@pytest.fixture(scope="module")
def stack(
    require_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run the simulated switch and the exporter of the compose file."""
    require_engine(require_program)
    with running_stack(tmp_path_factory.mktemp("compose")) as running:
        yield running


def test_the_compose_file_is_valid(stack: Stack) -> None:
    """Compose accepts every key, also of services that are not built here."""
    resolved = json.loads(docker(*stack.compose, "config", "--format=json"))
    assert {*BUILT, "prometheus", "alertmanager", "grafana"} <= resolved["services"].keys()
    without = {name for name, service in resolved["services"].items() if "healthcheck" not in service}
    assert without == {"exporter"}  # its image has one


def test_the_health_check(stack: Stack) -> None:
    """The services are healthy by those of the image and of the simulator; one fails if nothing listens."""
    states = {service: inspect("container", stack.container(service))["State"] for service in BUILT}
    assert {state["Health"]["Status"] for state in states.values()} == {"healthy"}
    assert states["exporter"]["Health"]["Log"][-1]["ExitCode"] == 0
    with pytest.raises(AssertionError, match="healthcheck"):
        stack.execute("exporter", "softswitch-exporter", "healthcheck", "--web.listen-address=127.0.0.1:9")


def test_the_container_is_hardened(stack: Stack) -> None:
    """The process has its own user, no capabilities, no new privileges and a read-only file system."""
    status = dict(
        line.split(":", 1) for line in stack.execute("exporter", "cat", "/proc/1/status").splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.execute("exporter", "touch", "/tmp/file")  # noqa: S108  # inside the container


def test_the_volume_is_writable(stack: Stack) -> None:
    """The exporter, which is not root, writes its memory to it."""

    def is_written() -> bool:
        files = stack.execute("exporter", "ls", "/var/lib/softswitch-exporter").split()
        return {"switches.json", "timeline.json"} <= set(files)

    wait_until(is_written, 60, "both files")


def test_the_image_has_no_build_tools(stack: Stack) -> None:
    """Nor pip. All modules are compiled, because the file system is read-only at run time.

    The header of the bytecode says that it is never compared with the source, so two builds can be equal.
    """
    listing = "import sys, pathlib; print(*(p for p in pathlib.Path(sys.prefix).rglob('*') if p.is_file()))"
    files = stack.execute("exporter", "python3", "-c", listing).split()
    packages = {Path(file).parts[6].partition("-")[0] for file in files if "/site-packages/" in file}
    assert {"exporter", "aiohttp", "kubernetes_asyncio", "pydantic"} <= packages
    assert packages & {"pip", "hatchling", "setuptools", "pytest"} == set()
    sources = [file for file in files if "/site-packages/exporter/" in file and file.endswith(".py")]
    assert sources
    compiled = {
        Path(file).with_suffix("").stem for file in files if "/exporter/" in file and file.endswith(".pyc")
    }
    assert {Path(file).stem for file in sources} <= compiled
    headers = (
        "import sys, pathlib; print(*{p.read_bytes()[4] for p in pathlib.Path(sys.prefix).rglob('*.pyc')})"
    )
    assert stack.execute("exporter", "python3", "-c", headers) == "1"


def test_the_image_lists_its_contents(stack: Stack) -> None:
    """The SBOM has every installed package with its version."""
    sbom = json.loads(stack.execute("exporter", "cat", "/opt/softswitch-exporter/sbom.cdx.json"))
    installed = (
        "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    )
    listed = {f"{part['name']}=={part['version']}" for part in sbom["components"]}
    listed.add(f"{sbom['metadata']['component']['name']}=={exporter.__version__}")
    assert set(stack.execute("exporter", "python3", "-c", installed).split()) == listed


def test_the_labels_of_the_image(stack: Stack) -> None:
    """Version and revision are those of the program, also in its metrics."""
    labels = inspect("container", stack.container("exporter"))["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == exporter.__version__
    assert labels[f"{prefix}revision"] == REVISION
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert labels[f"{prefix}source"].startswith("https://")
    metrics = samples(get(f"http://{stack.address('exporter', 10390)}/metrics").decode())
    [of_build] = [dict(labels) for name, labels in metrics if name == BUILD_INFO.name]
    assert (of_build["version"], of_build["revision"]) == (exporter.__version__, REVISION)


def test_the_image_has_the_files_for_other_programs(stack: Stack) -> None:
    """And it serves the runbooks."""
    page = get(f"http://{stack.address('exporter', 10390)}/runbooks/SoftswitchNodeMissing")
    assert b"<h1>SoftswitchNodeMissing</h1>" in page
    assert stack.execute("exporter", "softswitch-exporter", "assets", "--list").splitlines() == [*assets()]


def test_the_commands_of_the_runbooks_work_in_the_container(stack: Stack) -> None:
    """In a shell in the directory of the configuration, as the index of the runbooks says."""
    commands = (
        "cd /etc/softswitch-exporter"
        " && softswitch-exporter --config.file=config.yaml --config.check"
        " && softswitch-exporter probe --config.file=config.yaml --query=license"
    )
    assert "verdict   valid" in stack.execute("exporter", "sh", "-c", commands)


def test_any_user_can_run_it(stack: Stack, run_program: Start) -> None:
    """OpenShift chooses an unknown user in group 0. It serves metrics, keeps its memory and stops."""
    name = f"softswitch-test-{os.getpid()}-any-user"
    user = ("--user=1000680000:0", "--mount=type=volume,dst=/var/lib/softswitch-exporter")
    flags = (
        "--config.file=/etc/softswitch-exporter/config.yaml",
        "--storage.path=/var/lib/softswitch-exporter",
    )
    try:
        container = run_program(
            "docker", "run", f"--name={name}", *HARDENED, *user, *_as_in_the_stack(stack), *flags
        )
        container.wait_for("msg=listening")
        assert samples(get(f"http://{docker('port', name, '10390')}/metrics").decode())
        assert docker("exec", name, "id", "-u") == "1000680000"
        docker("exec", name, "softswitch-exporter", "healthcheck")
        signalled = time.monotonic()
        assert container.stop() == 0  # the client forwards the signal and returns the status
        stopped = time.monotonic() - signalled
        kept = docker("cp", f"{name}:/var/lib/softswitch-exporter/timeline.json", "-")
    finally:
        docker("rm", "--force", "--volumes", name)
    assert "exporter started" in kept
    assert stopped < 10  # after which Docker kills it


def _as_in_the_stack(stack: Stack) -> list[str]:
    simulator = inspect("container", stack.container("simulator"))
    [network] = simulator["NetworkSettings"]["Networks"]
    files = COMPOSE_FILE.parent / "compose"
    return [
        f"--network={network}",
        "--publish=127.0.0.1::10390",
        f"--volume={files / 'exporter'}:/etc/softswitch-exporter:ro",
        f"--volume={files / 'switch.key'}:/run/secrets/switch-key:ro",
        simulator["Image"],
    ]


def test_the_image_is_small(stack: Stack) -> None:
    """It adds less than 90 MB to its base image; 51 MB are the client for the Kubernetes API."""
    image = inspect("image", inspect("container", stack.container("exporter"))["Image"])
    base = inspect("image", os.environ.get("BASE_IMAGE", "python:3.13-slim-trixie"))
    print_result(f"image: {image['Size'] / 1e6:.0f} MB, of which the base {base['Size'] / 1e6:.0f} MB")
    assert image["Size"] - base["Size"] < 90e6
