"""Start and stop of the daemon, also while a switch hangs and a client does not read."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Start, StartExporter, StartSimulator
from tests.e2e.full_configuration import UNREACHABLE_URL
from tests.e2e.programs import EXPORTER, STOPS_WITHIN, Exporter, Program, get, run_command, wait_until


def _configuration(url: str, *, tenants: int = 1, watched: int = 1) -> str:
    watch = ", ".join(f'"{1000 + number}"' for number in range(watched))
    codes = "\n".join(f"      - code: ACME{number or ''}" for number in range(tenants))
    return f"""\
switches:
  - name: pbx
    url: {url}
    key: demo-admin
    timeout: 60s
    queries:
      balance: {{tenant_interval: 5s}}
      registrations: {{tenant_interval: off}}
    tenant_defaults: {{watch: [{watch}]}}
    tenants:
{codes}
"""


def _request_without_reading(exporter: Exporter) -> socket.socket:
    """Request the metrics, and return the connection once the response has begun."""
    host, port = exporter.base_url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect((host, int(port)))
    connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def _rest(connection: socket.socket) -> int:
    """Return how many bytes can still be read until the connection ends."""
    read = 0
    try:
        while chunk := connection.recv(65536):
            read += len(chunk)
    except ConnectionError:
        return read
    return read


def test_stops_while_requests_hang_and_a_scrape_is_half_read(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """On SIGTERM, with exit status 0 and no warning about anything that was not closed."""
    simulator = run_simulator()
    simulator.inject_fault(kind="hang")
    exporter = run_exporter(_configuration(simulator.url, tenants=500, watched=100), "--log.level=debug")
    wait_until(lambda: simulator.requests()["counts"]["in_flight"] == 4, 60, "hanging requests")
    whole = len(exporter.metrics())
    assert whole > 4_000_000, "more than fits into buffers"
    with _request_without_reading(exporter) as connection:
        status = exporter.program.stop()
        assert _rest(connection) < whole, "the scrape was half read"
    assert status == 0, exporter.program.text()
    exporter.program.assert_nothing_left()
    assert exporter.program.text().rstrip().endswith("msg=stopped")


def test_stops_during_the_first_sweep(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """On SIGINT, with exit status 0 and no warning about anything that was not closed."""
    exporter = run_exporter(_configuration(run_simulator("--latency=0.2").url, tenants=50))

    assert exporter.program.stop(signal.SIGINT) == 0
    exporter.program.assert_nothing_left()


def _start_while_importing(run: Start, directory: Path, *before: str) -> Program:
    """Start an exporter, with an optional prefix command, that hangs while it imports a library."""
    (directory / "structlog.py").write_text("import time\nprint('importing')\ntime.sleep(60)\n")
    command = (*before, *EXPORTER, "--config.file=config.yaml")
    program = run(*command, PYTHONPATH=str(directory))
    program.wait_for("importing")
    return program


def test_signals_during_import(run_program: Start, tmp_path: Path) -> None:
    """SIGHUP is ignored, because there is no configuration to reload yet; SIGTERM ends it."""
    program = _start_while_importing(run_program, tmp_path)
    program.process.send_signal(signal.SIGHUP)
    assert program.stop(signal.SIGTERM) == -signal.SIGTERM


def test_sigterm_during_import_as_the_first_process_of_a_container(
    run_program: Start, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """It ends, although the kernel ignores unhandled signals for this process."""
    within = (require_program("unshare", "util-linux"), "--pid", "--fork", "--kill-child")
    allowed = subprocess.run([*within, "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"only root can create a PID namespace: {allowed.stderr.strip()}")
    program = _start_while_importing(run_program, tmp_path, *within)
    outside = program.process.pid
    first = int(Path(f"/proc/{outside}/task/{outside}/children").read_text())

    os.kill(first, signal.SIGTERM)

    assert program.process.wait(STOPS_WITHIN) == 128 + signal.SIGTERM


def test_an_exporter_with_an_invalid_configuration_does_not_start(tmp_path: Path) -> None:
    """Exit status 2; all errors are on standard error, with their places."""
    file = tmp_path / "config.yaml"
    file.write_text("switches:\n- {name: pbx, url: 'ftp://pbx/', key: k, colour: blue}\n")

    done = run_command(f"--config.file={file}", "--web.listen-address=127.0.0.1:0")

    assert (done.returncode, done.stdout) == (2, "")
    *errors, summary = done.stderr.splitlines()
    assert [error.split(": ")[1] for error in errors] == ["switches[0].url", "switches[0].colour"]
    assert all(error.startswith(f"{file}:2:") for error in errors)
    assert summary == "2 errors found; nothing was started"


def test_an_exporter_on_an_address_in_use_does_not_start(run_exporter: StartExporter, tmp_path: Path) -> None:
    """Exit status 1 and one line with address, reason and flag; the other exporter keeps running.

    A daemon that listens on some of its addresses only would be noticed too late.
    """
    first = run_exporter(_configuration(UNREACHABLE_URL))
    address = first.base_url.removeprefix("http://")
    flags = ["--web.listen-address=127.0.0.1:0", f"--web.listen-address={address}"]

    second = run_command(f"--config.file={tmp_path / 'config-1.yaml'}", *flags)

    assert second.returncode == 1
    assert second.stderr == (
        f"softswitch-exporter: cannot listen on {address}: address already in use; "
        "choose another address with --web.listen-address\n"
    )
    assert b"healthy" in get(f"{first.base_url}/-/healthy")
