"""Fixtures that start real programs and see that each of them ends."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.programs import EXPORTER, Exporter, Program, Simulator, start

Start = Callable[..., Program]
StartSimulator = Callable[..., Simulator]
StartExporter = Callable[..., Exporter]


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Start]:
    """Start any program; whatever still runs at the end of the test is killed."""
    programs: list[Program] = []
    numbers = itertools.count(1)

    def run(*command: str, **environment: str) -> Program:
        programs.append(start(command, tmp_path / f"output-{next(numbers)}.log", **environment))
        return programs[-1]

    yield run
    for program in programs:
        program.process.kill()
        program.process.wait()


@pytest.fixture
def run_simulator(run_program: Start) -> StartSimulator:
    """Start a simulated switch with these flags."""

    def run(*flags: str) -> Simulator:
        program = run_program(*EXPORTER, "simulate", "--listen=127.0.0.1:0", *flags)
        return Simulator(program, program.wait_for(r"(http://127\.0\.0\.1:\d+)/")[1])

    return run


@pytest.fixture
def run_exporter(run_program: Start, tmp_path: Path) -> StartExporter:
    """Start an exporter with this configuration text and these flags."""
    numbers = itertools.count(1)

    def run(configuration: str, *flags: str, **environment: str) -> Exporter:
        file = tmp_path / f"config-{next(numbers)}.yaml"
        file.write_text(configuration)
        program = run_program(
            *EXPORTER, f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags, **environment
        )
        port = program.wait_for(r'address="?127\.0\.0\.1:(\d+)')[1]
        return Exporter(program, f"http://127.0.0.1:{port}")

    return run
