"""The commands as users run them: demo, probe, simulate, help and version."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli import main
from tests.e2e.conftest import Start, StartSimulator
from tests.e2e.programs import EXPORTER, get, run_command, wait_until

_FLAGS = (
    "--config.file --config.check --web.listen-address --web.telemetry-path "
    "--log.level --log.format --version probe simulate demo"
)


def test_demo(run_program: Start) -> None:
    """It prints URLs that work and values that change within 30 s, and exits with status 0 on SIGINT."""
    demo = run_program(*EXPORTER, "demo", "--port", "0", "--simulator-port", "0")
    demo.wait_for("Live values follow")
    urls = re.findall(r"http://127\.0\.0\.1:\d+\S*", demo.text())
    assert [re.sub(r".*:\d+", "", url) for url in urls] == ["/metrics", "/", "/api/v1/status", "/"]
    for url in urls:
        assert get(url)
    assert Path(re.findall(r"Configuration: (.+)", demo.text())[0]).exists()

    def printed() -> list[dict[str, str]]:
        lines = re.findall(r"^\d\d:\d\d:\d\d  (up .+)$", demo.text(), re.MULTILINE)
        return [dict(value.rsplit(" ", 1) for value in line.split("  ")) for line in lines]

    def changed() -> bool:
        complete = [values for values in printed() if len(values) == 9]
        return len({tuple(values.items()) for values in complete}) > 1

    wait_until(changed, 30, "values that change")
    last = printed()[-1]
    assert last["up"] == "1"
    assert int(last["peers"]) > 0
    assert int(last["registered"]) > 0
    assert "trunks down" in last
    assert demo.stop(signal.SIGINT) == 0
    assert "Traceback" not in demo.text()
    # Standard error goes to the same file: nothing was logged.
    assert "level=" not in demo.text()


@pytest.mark.parametrize("flag", ["--port", "--simulator-port"])
def test_demo_reports_a_port_in_use(flag: str, run_simulator: StartSimulator) -> None:
    """Exit status 1 and one line with the address and the reason."""
    port = run_simulator().base_url.rpartition(":")[2]
    ports = {"--port": "0", "--simulator-port": "0", flag: port}

    finished = run_command("demo", *(f"{name}={value}" for name, value in ports.items()))

    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "address already in use" in line.lower()
    assert line.endswith(f"choose another address with {flag}")


def test_version() -> None:
    """It prints the versions of the program and of Python."""
    finished = run_command("--version")

    assert finished.returncode == 0
    assert re.fullmatch(
        rf"softswitch-exporter {re.escape(__version__)} \(Python 3\.\d+\.\d+, OpenSSL \d[\w.]+\)\n",
        finished.stdout,
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
    "command",
    [
        ("--config.check",),
        ("probe",),
        ("demo", "--port=0", "--simulator-port=0"),
        ("--help",),
    ],
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
