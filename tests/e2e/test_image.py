"""The image, built and run in a real Docker engine as an administrator would run it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import exporter
from exporter.metrics.catalogue import BUILD_INFO
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
from tests.e2e.programs import Exporter, get, print_result, samples, wait_until
from tests.e2e.prometheus import Prometheus

# Where the base image is still to be pulled, over a slow line.
pytestmark = pytest.mark.timeout(600)

HARDENED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")


@pytest.fixture(scope="module")
def stack(
    require_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Start the simulated switch and the exporter of the compose file."""
    require_engine(require_program)
    with running_stack(tmp_path_factory.mktemp("compose")) as running:
        yield running


def test_compose_takes_the_whole_file(stack: Stack) -> None:
    """Compose knows every key in it, those of the services that are not built here too."""
    resolved = json.loads(docker(*stack.compose, "config", "--format=json"))
    assert {*BUILT, "prometheus", "alertmanager", "grafana"} <= resolved["services"].keys()
    unchecked = {name for name, service in resolved["services"].items() if "healthcheck" not in service}
    assert unchecked == {"exporter"}  # its image has one


def test_the_services_are_healthy(stack: Stack) -> None:
    """The health check of the image and that of the simulator say so, each of its own service."""
    states = {service: inspect("container", stack.container(service))["State"] for service in BUILT}
    assert {state["Health"]["Status"] for state in states.values()} == {"healthy"}
    assert states["exporter"]["Health"]["Log"][-1]["ExitCode"] == 0


def test_the_health_check_can_fail(stack: Stack) -> None:
    """Where nobody listens it exits with a status other than 0, which Docker takes for unhealthy."""
    with pytest.raises(AssertionError, match="healthcheck"):
        stack.execute("exporter", "softswitch-exporter", "healthcheck", "--web.listen-address=127.0.0.1:9")


def test_the_exporter_can_do_nothing_but_its_work(stack: Stack) -> None:
    """Its process is of no known user, without capabilities and ways to get any, and cannot write."""
    status = dict(
        line.split(":", 1) for line in stack.execute("exporter", "cat", "/proc/1/status").splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.execute("exporter", "touch", "/tmp/file")  # noqa: S108  # inside the container


def test_the_image_holds_what_runs_and_no_tools(stack: Stack) -> None:
    """Everything is compiled, which a start could not do; neither pip nor a build tool is installed."""
    listing = "import sys, pathlib; print(*(p for p in pathlib.Path(sys.prefix).rglob('*') if p.is_file()))"
    files = stack.execute("exporter", "python3", "-c", listing).split()
    packages = {Path(file).parts[6].partition("-")[0] for file in files if "/site-packages/" in file}
    assert {"exporter", "aiohttp", "pydantic"} <= packages
    assert packages & {"pip", "hatchling", "setuptools", "pytest"} == set()
    sources = [file for file in files if "/site-packages/exporter/" in file and file.endswith(".py")]
    assert sources
    compiled = {
        Path(file).with_suffix("").stem for file in files if "/exporter/" in file and file.endswith(".pyc")
    }
    assert {Path(file).stem for file in sources} <= compiled


def test_the_labels_tell_what_the_image_is(stack: Stack) -> None:
    """Version and revision are those of the program."""
    labels = inspect("container", stack.container("exporter"))["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == exporter.__version__
    assert labels[f"{prefix}revision"] == REVISION
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert labels[f"{prefix}source"].startswith("https://")


def test_prometheus_scrapes_the_container(
    stack: Stack, run_program: Start, run_prometheus: Callable[[Exporter], Prometheus]
) -> None:
    """The real one finds the exporter up, with its version and revision, and the switch up."""
    output = run_program("docker", "logs", "--follow", stack.container("exporter"))
    prometheus = run_prometheus(Exporter(output, f"http://{stack.address('exporter', 10390)}"))
    at = prometheus.after_two_scrapes(time.time())
    [(labels, one)] = [(dict(key[1]), value) for key, value in prometheus.series(BUILD_INFO.name, at).items()]
    assert (labels["version"], labels["revision"], one) == (exporter.__version__, REVISION, 1)

    def up() -> bool:
        newest = prometheus.series("softswitch_up", time.time())
        return list(newest.values()) == [1]

    wait_until(up, 30, "softswitch_up 1 in Prometheus")


def test_it_starts_quickly_and_stops_when_told(stack: Stack, run_program: Start) -> None:
    """Run by hand it serves a whole scrape, and SIGTERM ends it with status 0 within 5 seconds."""
    name = f"softswitch-test-{os.getpid()}-own"
    try:
        container = run_program("docker", "run", f"--name={name}", *HARDENED, *_as_in_the_stack(stack))
        container.wait_for("msg=listening")
        assert samples(get(f"http://{docker('port', name, '10390')}/metrics").decode())
        scraped = datetime.now(UTC)
        started = datetime.fromisoformat(inspect("container", name)["State"]["StartedAt"])
        asked_to_stop = time.monotonic()
        assert container.stop() == 0  # the client passes the signal on, and the status back
        stopped = time.monotonic() - asked_to_stop
    finally:
        docker("rm", "--force", name)
    assert stopped < 5
    print_result(
        f"container: {(scraped - started).total_seconds():.2f} s to the first scrape, {stopped:.2f} s to stop"
    )


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
    """It adds less than 50 MB to its base."""
    image = inspect("image", inspect("container", stack.container("exporter"))["Image"])
    base = inspect("image", os.environ.get("BASE_IMAGE", "python:3.13-slim-trixie"))
    print_result(f"image: {image['Size'] / 1e6:.0f} MB, of which the base {base['Size'] / 1e6:.0f} MB")
    assert image["Size"] - base["Size"] < 50e6
