"""The commands as users run them: demo, probe, simulate, help and version."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from exporter.cli import main
from tests.e2e.conftest import StartSimulator
from tests.e2e.programs import EXPORTER, run_command

_FLAGS = (
    "--config.file --config.check --web.listen-address --web.telemetry-path "
    "--log.level --log.format --version probe simulate demo"
)


def test_demo_reports_a_port_in_use(run_simulator: StartSimulator) -> None:
    """Exit status 1 and one line with the address, the reason and the flag."""
    port = run_simulator().base_url.rpartition(":")[2]
    for flag in ("--port", "--simulator-port"):
        ports = {"--port": "0", "--simulator-port": "0", flag: port}
        finished = run_command("demo", *(f"{name}={value}" for name, value in ports.items()))
        assert finished.returncode == 1
        (line,) = finished.stderr.splitlines()
        assert f"127.0.0.1:{port}" in line
        assert "address already in use" in line.lower()
        assert line.endswith(f"choose another address with {flag}")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), _FLAGS),
        (("probe",), "--config.file --switch --query --tenant --extension"),
        (("simulate",), "--listen --tenants --nodes --extensions --seed"),
        (("demo",), "--port --simulator-port"),
    ],
)
def test_help_lists_every_flag(
    command: tuple[str, ...],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The help has the flags and commands that the design requires."""
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as exited:
        main([*command, "--help"])

    assert exited.value.code == 0
    words = set(re.findall(r"--[\w.-]+|\b\w+\b", capsys.readouterr().out))
    assert set(expected.split()) - words == set()


_CONFIGURATION = "switches: [{name: \u2026, url: 'http://127.0.0.1:9/', key: the-key}]"


@pytest.mark.parametrize(
    "command", [("--config.check",), ("probe",), ("demo", "--port=0", "--simulator-port=0"), ("--help",)]
)
def test_a_closed_pipe_ends_a_command_silently(command: tuple[str, ...], tmp_path: Path) -> None:
    """As in `| head -1`: the exit status is that of a program ended by SIGPIPE."""
    file = tmp_path / "config.yaml"
    file.write_text(
        f"{_CONFIGURATION}\nalerting: {{alertmanagers: [{{url: 'http://127.0.0.1:9'}}]}}", "utf-8"
    )
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
    # argparse ignores errors when it writes the help.
    assert (finished.returncode, finished.stderr) == (0 if command == ("--help",) else 141, b"")


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """Exit status 1 and one line."""
    file = tmp_path / "config.yaml"
    file.write_text(_CONFIGURATION, "utf-8")
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
def test_characters_that_the_encoding_lacks_are_escaped(command: str, tmp_path: Path) -> None:
    """On standard output and on standard error."""
    file = tmp_path / "config.yaml"
    file.write_text(
        _CONFIGURATION.replace("key: the-key", "tenants: [{code: \u2026, key: the-key}]"), "utf-8"
    )

    finished = run_command(f"--config.file={file}", *command.split(), PYTHONIOENCODING="latin-1")

    assert "Traceback" not in finished.stderr
    assert "\\u2026" in finished.stdout + finished.stderr


def test_an_argument_that_is_not_utf8() -> None:
    """It is rejected, and not sent to the switch in another encoding."""
    arguments: list[str | bytes] = [*EXPORTER, "probe", b"--tenant=Gr\xf6\xdfe"]
    finished = subprocess.run(
        arguments, capture_output=True, timeout=30, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert finished.returncode == 2
    assert b"argument --tenant: expected text in the encoding of this terminal" in finished.stderr
