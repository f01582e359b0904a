"""The commands as a person uses them: demo, probe, simulate, help and version."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from exporter import __version__
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, get, run_command, wait_until

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
    assert Path(re.findall(r"Configuration: (.+)", demo.text())[0]).exists()

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

    finished = run_command("demo", *(f"{name}={value}" for name, value in ports.items()))

    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "address already in use" in line.lower()


def test_version() -> None:
    """The program, its version and Python's."""
    finished = run_command("--version")

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
    finished = run_command(*command, "--help", COLUMNS="200")

    assert finished.returncode == 0
    words = set(re.findall(r"--[\w.-]+|\b\w+\b", finished.stdout))
    assert set(expected.split()) - words == set()


def test_a_second_simulator_on_the_same_port(run_simulator: StartSimulator) -> None:
    """Exit status 1 and one sentence that names address, reason and flag."""
    address = run_simulator().base_url.removeprefix("http://")

    finished = run_command("simulate", f"--listen={address}")

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr == (
        f"softswitch-exporter: cannot listen on {address}: address already in use; "
        "choose another address with --listen\n"
    )


_CHECKED = "switches: [{name: \u2026, url: 'http://127.0.0.1:9/', key: the-key}]"


@pytest.mark.parametrize(
    "command",
    [
        ("--config.check",),
        ("probe",),
        ("demo", "--port=0", "--simulator-port=0"),
        ("--help",),
    ],
)
def test_a_pipe_that_is_closed_early_is_no_error(command: tuple[str, ...], tmp_path: Path) -> None:
    """As in `| head -1`: it ends at once, with the status of a program that SIGPIPE ended, and in silence."""
    file = tmp_path / "config.yaml"
    file.write_text(f"{_CHECKED}\nalerting: {{alertmanagers: [{{url: 'http://127.0.0.1:9'}}]}}", "utf-8")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        finished = subprocess.run(
            [*EXPORTER, f"--config.file={file}", *command],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    # argparse ignores that its help cannot be written.
    assert (finished.returncode, finished.stderr) == (0 if command == ("--help",) else 141, b"")


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """One sentence, exit status 1."""
    file = tmp_path / "config.yaml"
    file.write_text(_CHECKED, "utf-8")
    with Path("/dev/full").open("wb") as full:
        finished = subprocess.run(
            [*EXPORTER, f"--config.file={file}", "--config.check"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert finished.returncode == 1
    assert finished.stderr == "softswitch-exporter: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("command", ["--config.check", "probe", "probe --switch=\u2026"])
def test_an_encoding_that_lacks_characters(command: str, tmp_path: Path) -> None:
    """What the terminal's encoding cannot show is escaped, on both outputs."""
    file = tmp_path / "config.yaml"
    file.write_text(_CHECKED.replace("key: the-key", "tenants: [{code: \u2026, key: the-key}]"), "utf-8")

    finished = run_command(f"--config.file={file}", *command.split(), PYTHONIOENCODING="latin-1")

    assert "Traceback" not in finished.stderr
    assert "\\u2026" in finished.stdout + finished.stderr


def test_an_argument_that_is_not_text() -> None:
    """Bytes that are no UTF-8 are refused, and not sent to the switch as something else."""
    arguments: list[str | bytes] = [*EXPORTER, "probe", b"--tenant=Gr\xf6\xdfe"]
    finished = subprocess.run(
        arguments, capture_output=True, timeout=30, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert finished.returncode == 2
    assert b"argument --tenant: expected text in the encoding of this terminal" in finished.stderr
