"""The commands as a person uses them: demo, probe, simulate, help and version."""

import re
import signal
from pathlib import Path

import pytest

from exporter import __version__
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, finish, get, wait_until

_FLAGS = (
    "--config.file --config.check --web.listen-address --web.telemetry-path "
    "--log.level --log.format --version probe simulate demo"
)


def test_the_demo_shows_live_values(run_program: Start) -> None:
    """Without a configuration: pages that open, values that change within 30 s, an end with status 0."""
    demo = run_program(*EXPORTER, "demo", "--port", "0", "--simulator-port", "0")
    demo.wait_for("Live values follow")
    urls = re.findall(r"http://127\.0\.0\.1:\d+\S*", demo.text())
    assert [re.sub(r".*:\d+", "", url) for url in urls] == ["/metrics", "/", "/api/v1/status", "/"]
    for url in urls:
        assert get(url)
    assert Path(re.findall(r"The configuration is (.+)", demo.text())[0]).exists()

    def shown() -> list[dict[str, str]]:
        lines = re.findall(r"^\d\d:\d\d:\d\d  (up .+)$", demo.text(), re.MULTILINE)
        return [dict(value.rsplit(" ", 1) for value in line.split("  ")) for line in lines]

    def changed() -> bool:
        every = [values for values in shown() if len(values) == 8]
        return len({tuple(values.items()) for values in every}) > 1

    wait_until(changed, 30, "values that change")
    last = shown()[-1]
    assert last["up"] == "1"
    assert int(last["peers"]) > 0
    assert int(last["registered"]) > 0
    assert demo.stop(signal.SIGINT) == 0
    assert "Traceback" not in demo.text()
    # Standard error stands in the same file: nothing went wrong on the way.
    assert "level=" not in demo.text()


@pytest.mark.parametrize("flag", ["--port", "--simulator-port"])
def test_the_demo_says_which_port_is_taken(flag: str, run_simulator: StartSimulator) -> None:
    """Exit status 1 and one sentence that names the address and the reason."""
    port = run_simulator().base_url.rpartition(":")[2]
    ports = {"--port": "0", "--simulator-port": "0", flag: port}

    finished = finish("demo", *(f"{name}={value}" for name, value in ports.items()))

    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "address already in use" in line.lower()


def test_version() -> None:
    """The program, its version and Python's."""
    finished = finish("--version")

    assert finished.returncode == 0
    assert re.fullmatch(
        rf"softswitch-exporter {re.escape(__version__)} \(Python 3\.\d+\.\d+\)\n", finished.stdout
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), _FLAGS),
        (("probe",), "--config.file --switch --query --tenant --extension"),
        (("simulate",), "--listen --tenants --nodes --extensions --seed"),
        (("demo",), "--port --simulator-port"),
    ],
)
def test_help_names_every_flag(command: tuple[str, ...], expected: str) -> None:
    """What is pinned for the command line (design, section 7) and built is in its help."""
    finished = finish(*command, "--help", COLUMNS="200")

    assert finished.returncode == 0
    words = set(re.findall(r"--[\w.-]+|\b\w+\b", finished.stdout))
    assert set(expected.split()) - words == set()


def test_a_second_simulator_on_the_same_port(run_simulator: StartSimulator) -> None:
    """Exit status 1 and one sentence that names address, reason and flag."""
    address = run_simulator().base_url.removeprefix("http://")

    finished = finish("simulate", f"--listen={address}")

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr == (
        f"Cannot listen on {address}: Address already in use. Choose another address with --listen.\n"
    )
