"""Fixtures that start real programs and stop them after the test."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.certificates import Authority
from tests.e2e.pair import Pair, running_pair
from tests.e2e.programs import (
    Exporter,
    Program,
    Simulator,
    print_result,
    running_programs,
    start_exporter,
    start_simulator,
)

Start = Callable[..., Program]
StartSimulator = Callable[..., Simulator]
StartExporter = Callable[..., Exporter]


def pytest_configure(config: pytest.Config) -> None:
    """Declare markers, and let started programs receive SIGINT."""
    # A shell without job control ignores SIGINT in background jobs, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "forbidden_requests_expected: the test sends forbidden requests to the simulator"
    )


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts programs; they are killed after the test."""
    with running_programs(tmp_path) as run:
        yield run


@pytest.fixture
def memory_directory() -> Iterator[Path]:
    """Return a directory in memory, because writes to a busy disk may take longer than an interval."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture
def run_simulator(run_program: Start, request: pytest.FixtureRequest) -> Iterator[StartSimulator]:
    """Return a function that starts a simulated switch with flags.

    After the test, none may have received a request that is not on the allow-list.
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
    """Return a function that starts an exporter with a configuration text and flags."""
    numbers = itertools.count(1)

    def run(configuration: str, *flags: str, **environment: str) -> Exporter:
        file = tmp_path / f"config-{next(numbers)}.yaml"
        return start_exporter(run_program, file, configuration, *flags, **environment)

    return run


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    require_program: Callable[[str, str], str],
    require_root: None,
    authority_of_module: Authority,
) -> Iterator[Pair]:
    """Return two exporters under keepalived, shared by the tests of a module. Both run after each."""
    for name, package in (("keepalived", "keepalived"), ("ip", "iproute2"), ("curl", "curl")):
        require_program(name, package)
    directory = tmp_path_factory.mktemp("pair")
    with running_programs(directory) as run, running_pair(run, directory, authority_of_module) as pair:
        yield pair
        print_result("\n".join(["nobody polls (s), both poll (s), requests", *pair.results]))
