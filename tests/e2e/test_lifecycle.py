"""Start, readiness and the end of the daemon, also where a switch hangs and a client does not read."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Start, StartExporter, StartSimulator
from tests.e2e.programs import EXPORTER, Exporter, Program, Simulator, get, run_command, wait_until

# What Python and aiohttp say when something was not ended properly.
LEFTOVERS = ("Traceback", "Task was destroyed", "never awaited", "never retrieved", "Unclosed")


def _configuration(simulator: Simulator, *, tenants: int = 1, watched: int = 1, timeout: str = "60s") -> str:
    watch = ", ".join(f'"{1000 + number}"' for number in range(watched))
    codes = "\n".join(f"      - code: ACME{number or ''}" for number in range(tenants))
    return f"""\
switches:
  - name: pbx
    url: {simulator.url}
    key: demo-admin
    timeout: {timeout}
    queries:
      balance: {{tenant_interval: 5s}}
      registrations: {{tenant_interval: off}}
    tenant_defaults: {{watch: [{watch}]}}
    tenants:
{codes}
"""


def _request_without_reading(exporter: Exporter) -> socket.socket:
    """Ask for the metrics and leave the answer lying; return the connection once the answer has begun."""
    host, port = exporter.base_url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect((host, int(port)))
    connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def _rest(connection: socket.socket) -> int:
    """Return how many bytes there are still to be read until the connection ends."""
    read = 0
    try:
        while chunk := connection.recv(65536):
            read += len(chunk)
    except ConnectionError:
        return read
    return read


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_within_5_seconds_while_requests_hang_and_a_scrape_is_half_read(
    number: signal.Signals, run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """Exit status 0, in time, and nothing in the output that was not ended properly."""
    simulator = run_simulator()
    simulator.inject_fault(kind="hang")
    exporter = run_exporter(_configuration(simulator, tenants=500, watched=100), "--log.level=debug")
    wait_until(lambda: simulator.requests()["counts"]["in_flight"] == 4, 10, "requests that hang")
    whole = len(exporter.metrics())
    assert whole > 4_000_000, "more than buffers hold"
    with _request_without_reading(exporter) as connection:
        started = time.monotonic()

        status = exporter.program.stop(number)

        seconds = time.monotonic() - started
        assert _rest(connection) < whole, "the scrape was half read"
    assert status == 0, exporter.program.text()
    assert seconds < 5
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]
    assert exporter.program.text().rstrip().endswith("msg=stopped")


def test_stops_at_once_after_the_start(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """A signal in the middle of the first sweep ends it, without leaving anything behind."""
    exporter = run_exporter(_configuration(run_simulator("--latency=0.2"), tenants=50))

    assert exporter.program.stop(signal.SIGTERM, seconds=5) == 0
    assert not [word for word in LEFTOVERS if word in exporter.program.text()]


def _being_loaded(run: Start, directory: Path, *before: str) -> Program:
    """Start an exporter, behind another command, that does not get past a library that it loads."""
    (directory / "structlog.py").write_text("import time\nprint('loading')\ntime.sleep(60)\n")
    command = (*before, *EXPORTER, "--config.file=config.yaml")
    program = run(*command, PYTHONPATH=str(directory))
    program.wait_for("loading")
    return program


def test_signals_while_it_is_loaded(run_program: Start, tmp_path: Path) -> None:
    """SIGHUP does not end it, since what is to be read anew has not been read yet; SIGTERM does."""
    program = _being_loaded(run_program, tmp_path)
    program.process.send_signal(signal.SIGHUP)
    assert program.stop(signal.SIGTERM, seconds=5) == -signal.SIGTERM


def test_sigterm_to_the_first_process_of_a_container_while_it_is_loaded(
    run_program: Start, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """It ends, although the kernel ignores there what nobody handles."""
    within = (require_program("unshare", "util-linux"), "--pid", "--fork", "--kill-child")
    allowed = subprocess.run([*within, "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"only root may make a namespace of processes: {allowed.stderr.strip()}")
    program = _being_loaded(run_program, tmp_path, *within)
    outside = program.process.pid
    first = int(Path(f"/proc/{outside}/task/{outside}/children").read_text())

    os.kill(first, signal.SIGTERM)

    assert program.process.wait(5) == 128 + signal.SIGTERM


def test_a_second_start_on_the_same_port_says_why_it_cannot(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Exit status 1 and one sentence with address, reason and flag; the first one goes on."""
    first = run_exporter(_configuration(run_simulator()))
    address = first.base_url.removeprefix("http://")

    second = run_command(f"--config.file={tmp_path / 'config-1.yaml'}", f"--web.listen-address={address}")

    assert second.returncode == 1
    assert second.stderr == (
        f"softswitch-exporter: cannot listen on {address}: address already in use; "
        "choose another address with --web.listen-address\n"
    )
    assert b"healthy" in get(f"{first.base_url}/-/healthy")


def test_none_of_several_addresses_is_served_where_one_cannot_be(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """A daemon that half listens would be found too late: it does not start."""
    first = run_exporter(_configuration(run_simulator()))
    address = first.base_url.removeprefix("http://")

    second = run_command(
        f"--config.file={tmp_path / 'config-1.yaml'}",
        "--web.listen-address=127.0.0.1:0",
        f"--web.listen-address={address}",
    )

    assert second.returncode == 1
    assert address in second.stderr


def _status(url: str) -> int:
    try:
        get(url)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def test_ready_once_each_query_was_tried_and_healthy_from_the_start(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """A query that hangs keeps readiness away until it has failed; health says nothing about switches."""
    simulator = run_simulator("--tenants=3")
    simulator.inject_fault(kind="hang", reqtype="LICENSEDAYS")
    exporter = run_exporter(_configuration(simulator, timeout="2s"))
    wait_until(
        lambda: exporter.value(
            "softswitch_query_success", switch="pbx", query="channels", scope="switch", tenant=""
        ),
        5,
        "the first answer",
    )

    assert _status(f"{exporter.base_url}/-/ready") == 503
    assert _status(f"{exporter.base_url}/-/healthy") == 200
    wait_until(lambda: _status(f"{exporter.base_url}/-/ready") == 200, 15, "readiness")
    failure = {"switch": "pbx", "query": "license", "scope": "switch", "tenant": "", "reason": "timeout"}
    assert exporter.value("softswitch_query_failure", **failure) == 1
    assert _status(f"{exporter.base_url}/-/healthy") == 200


def test_the_simulator_and_the_demo_stop_on_both_signals(run_program: Start) -> None:
    """Each exits with status 0 within 5 seconds and leaves nothing behind."""
    programs = [
        run_program(*EXPORTER, *command)
        for command in (
            ("simulate", "--listen=127.0.0.1:0"),
            ("simulate", "--listen=127.0.0.1:0"),
            ("demo", "--port=0", "--simulator-port=0"),
        )
    ]
    for program, number in zip(programs, (signal.SIGTERM, signal.SIGINT, signal.SIGTERM), strict=True):
        program.wait_for(r"http://127\.0\.0\.1:\d+/")

        assert program.stop(number, seconds=5) == 0
        assert not [word for word in LEFTOVERS if word in program.text()]
