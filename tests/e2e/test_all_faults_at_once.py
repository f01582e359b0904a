"""A real process with all faults at once, with logs that cannot be written, and with malformed requests."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import StartExporter
from tests.e2e.fake_switch import fake_switch
from tests.e2e.programs import (
    EXPORTER,
    STOPS_WITHIN,
    Exporter,
    free_port,
    get,
    print_result,
    running_programs,
    samples,
    start_exporter,
    wait_until,
)
from tests.e2e.response_faults import FAULTS, QUERIES
from tests.e2e.test_secrets import ADMIN_KEY, assert_no_secrets

_OPERATIONS = ("COUNTPEERS", "COUNTCHANNELS", "COUNTCALLS", "INFO balance", "INFO config", "INFO extensions")
CODES = tuple(f"T{number}" for number in range(len(FAULTS)))
HEALTHY = ("S0", "S1", "S2")
MEBIBYTE = 2**20


@contextmanager
def _all_faults_at_once() -> Iterator[str]:
    """Serve a switch from a thread, with a different fault for each tenant; yield its URL."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    urls: list[str] = []

    async def serve() -> None:
        async with fake_switch(*CODES, *HEALTHY) as switch:
            for code, (fault, _) in zip(CODES, FAULTS.values(), strict=True):
                switch.faults |= {(operation, code): fault for operation in _OPERATIONS}
            urls.append(switch.url)
            ready.set()
            await end.wait()

    end = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    ready.wait(60)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


def _configuration(url: str) -> str:
    queries = {query: dict.fromkeys(intervals, "2s") for query, intervals in QUERIES.items()}
    queries["registrations"]["source"] = "extensions"
    queries["tenants"]["interval"] = "off"
    switch = {
        "name": "pbx",
        "url": url,
        "key": ADMIN_KEY,
        "timeout": "2s",
        "stale_after": 100,
        "max_concurrency": 40,
        "max_requests_per_second": 400,
        "tenant_defaults": {"extensions": ["100"]},
        "tenants": [{"code": code} for code in (*CODES, *HEALTHY)],
        "queries": queries,
    }
    return json.dumps({"switches": [switch]})


def _peak_memory(exporter: Exporter) -> int:
    """Return the peak resident memory in bytes."""
    status = Path(f"/proc/{exporter.program.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_all_faults_at_once(run_exporter: StartExporter) -> None:
    """Scrapes, SIGHUP and SIGTERM work, memory is limited, and no key is shown."""
    with _all_faults_at_once() as url:
        exporter = run_exporter(_configuration(url), "--log.level=debug")

        def tenants_with(metric: str) -> set[str]:
            return {dict(labels)["tenant"] for name, labels in samples(exporter.metrics()) if name == metric}

        # Some faults have no effect on some queries.
        wait_until(
            lambda: len(tenants_with("softswitch_query_failure") & {*CODES}) >= len(CODES) - 12,
            90,
            "failures",
        )
        wait_until(lambda: tenants_with("softswitch_tenant_balance") >= {*HEALTHY}, 60, "healthy tenants")
        for number in range(1, 4):
            exporter.program.process.send_signal(signal.SIGHUP)
            exporter.program.wait_for_lines("configuration loaded", number)
        assert tenants_with("softswitch_tenant_balance") >= {*HEALTHY}
        texts = {
            path: get(f"{exporter.base_url}{path}").decode() for path in ("/", "/api/v1/status", "/metrics")
        }
        peak = _peak_memory(exporter)

        status = exporter.program.stop()

    assert status == 0, exporter.program.text()
    exporter.program.assert_nothing_left()
    assert_no_secrets({**texts, "log": exporter.program.text()})
    print_result(f"{len(FAULTS)} faults at once: at most {peak / MEBIBYTE:.0f} MiB")
    # Endless lists are read up to 64 MiB each, from two or three tenants at a time.
    assert peak < 600 * MEBIBYTE, f"{peak / MEBIBYTE:.0f} MiB"


@pytest.mark.parametrize("log", ["a full disk", "a closed pipe"])
def test_the_exporter_runs_without_a_log(log: str, tmp_path: Path) -> None:
    """With a full disk or a closed pipe as its log, it serves, reloads, and exits with status 0."""
    file = tmp_path / "config.yaml"
    file.write_text("switches: [{name: pbx, url: 'http://127.0.0.1:9/', key: k, tenants: [{code: ACME}]}]")
    port = free_port()
    if log == "a full disk":
        output = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, output = os.pipe()
        os.close(reader)
    command = (*EXPORTER, f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}")
    with subprocess.Popen(command, stdout=output, stderr=output) as process:
        os.close(output)
        exporter = f"http://127.0.0.1:{port}"
        failure = b'reason="connect"} 1'
        wait_until(lambda: failure in get(f"{exporter}/metrics"), 60, "a failure that is logged")
        before = get(f"{exporter}/metrics").count(b"tenant_info")
        file.write_text(file.read_text().replace("[{code: ACME}]", "[{code: ACME}, {code: BOREAL}]"))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: get(f"{exporter}/metrics").count(b"tenant_info") > before, 60, "the reload")
        process.send_signal(signal.SIGTERM)

        assert process.wait(STOPS_WITHIN) == 0


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Start an exporter."""
    switch = {"name": "pbx", "url": "http://127.0.0.1:9/", "key": "k"}
    folder = tmp_path_factory.mktemp("scraped")
    with running_programs(folder) as run:
        yield start_exporter(run, folder / "config.yaml", json.dumps({"switches": [switch]}))


@pytest.mark.parametrize(
    "request_sent",
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    ],
    ids=["a long header", "many headers", "a long path", "TLS", "a body without end"],
)
def test_malformed_requests_are_rejected(request_sent: bytes, exporter: Exporter) -> None:
    """They get an error status or a closed connection, no exception is logged, and scrapes continue."""
    address = ("127.0.0.1", int(exporter.base_url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=60) as connection:
        try:
            connection.sendall(request_sent)
            status = connection.recv(12)
        except ConnectionError:
            status = b""
    assert status in {b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 405", b"HTTP/1.1 431"}
    assert "softswitch_up" in exporter.metrics()
    assert "Traceback" not in exporter.program.text()
