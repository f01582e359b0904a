"""Fixtures that start real programs and see that each of them ends."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.e2e.programs import (
    Exporter,
    Program,
    Simulator,
    running_programs,
    start_exporter,
    start_simulator,
)
from tests.e2e.prometheus import Prometheus, start_prometheus

Start = Callable[..., Program]
StartSimulator = Callable[..., Simulator]
StartExporter = Callable[..., Exporter]
StartPrometheus = Callable[[Exporter], Prometheus]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers of these tests, and let the programs they start be interrupted."""
    # A shell without job control ignores Ctrl-C for what it runs in the background; programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "forbidden_requests_expected: the simulator is sent what it forbids, on purpose"
    )


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Start]:
    """Start any program; whatever still runs at the end of the test is killed."""
    with running_programs(tmp_path) as run:
        yield run


@pytest.fixture
def memory_directory() -> Iterator[Path]:
    """Give a directory in memory: a busy disk might not have finished a write when the next one is due."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture
def run_simulator(run_program: Start, request: pytest.FixtureRequest) -> Iterator[StartSimulator]:
    """Start a simulated switch with these flags.

    At the end of the test none may have been sent a request that is not on the allow-list.
    """
    simulators: list[Simulator] = []

    def run(*flags: str) -> Simulator:
        simulators.append(start_simulator(run_program, *flags))
        return simulators[-1]

    yield run
    if request.node.get_closest_marker("forbidden_requests_expected") is None:
        for simulator in simulators:
            simulator.assert_no_forbidden_requests()


@pytest.fixture
def run_exporter(run_program: Start, tmp_path: Path) -> StartExporter:
    """Start an exporter with this configuration text and these flags."""
    numbers = itertools.count(1)

    def run(configuration: str, *flags: str, **environment: str) -> Exporter:
        file = tmp_path / f"config-{next(numbers)}.yaml"
        return start_exporter(run_program, file, configuration, *flags, **environment)

    return run


@pytest.fixture
def run_prometheus(
    run_program: Start, require_program: Callable[[str, str], str], tmp_path: Path
) -> StartPrometheus:
    """Start a Prometheus that scrapes this exporter every second."""
    executable = require_program("prometheus", "prometheus")
    return lambda exporter: start_prometheus(run_program, executable, tmp_path, exporter)
