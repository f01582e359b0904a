"""A process that has the log open but does not read it: everything else keeps working."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import EXPORTER, STOPS_WITHIN, Exporter, Program, free_port, get, wait_until


def _full_pipe() -> tuple[int, int]:
    """Return the descriptors of a full pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 1024)
    except BlockingIOError:
        os.set_blocking(writer, True)
        return reader, writer


@contextmanager
def _unread(*command: str) -> Iterator[tuple[Program, int]]:
    """Run a command whose output nobody reads; yield it and the read end of its pipe."""
    reader, writer = _full_pipe()
    process = subprocess.Popen((*EXPORTER, *command), stdout=writer, stderr=writer)
    os.close(writer)
    try:
        yield Program(process, Path(os.devnull)), reader
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def _is_healthy(url: str) -> bool:
    return b"healthy" in get(f"{url}/-/healthy")


def test_the_daemon_keeps_working_and_stops(run_simulator: StartSimulator, tmp_path: Path) -> None:
    """It polls, serves, reloads and stops; its log lines arrive once somebody reads."""
    simulator = run_simulator("--tenants=3")
    file = tmp_path / "config.yaml"
    file.write_text(configuration(switch("pbx", simulator.url)))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = (f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle")
    with _unread(*command) as (program, reader):
        exporter = Exporter(program, url)
        wait_until(lambda: _is_healthy(url), 60, "the exporter to serve")
        file.write_text(configuration(switch("other", simulator.url)))
        program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: exporter.value("softswitch_up", switch="other") == 1, 60, "the reload and a poll")
        assert exporter.value("softswitch_exporter_log_lines_dropped_total") == 0

        text = b""
        while b"configuration loaded" not in text:
            text += os.read(reader, 65536)
        assert b"msg=listening" in text
        program.process.send_signal(signal.SIGTERM)
        while chunk := os.read(reader, 65536):
            text += chunk
        assert text.endswith(b"msg=stopped\n")
        assert program.process.wait(STOPS_WITHIN) == 0


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_sigterm_is_handled(command: str) -> None:
    """Every command that runs until a signal stops while its output is unread."""
    port = free_port()
    arguments: tuple[str, ...] = (command, f"--port={port}", "--simulator-port=0")
    if command == "simulate":
        arguments = (command, f"--listen=127.0.0.1:{port}")
    with _unread(*arguments) as (program, _):
        wait_until(lambda: get(f"http://127.0.0.1:{port}/"), 60, "the command to serve")
        assert program.stop() == 0
