"""Many idle or stalled clients do not stop scrapes, polling or the log."""

import contextlib
import socket
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import Start, StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, switch
from tests.e2e.programs import EXPORTER, Exporter, free_port, get, print_result, wait_until


@contextlib.contextmanager
def _clients(exporter: Exporter, count: int, request: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open ``count`` connections, send a request on each, and read nothing."""
    host, port = exporter.base_url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect((host, int(port)))
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            connections.append(connection)
        yield connections


def test_idle_clients_cannot_exhaust_file_descriptors(
    run_simulator: StartSimulator, run_program: Start, tmp_path: Path
) -> None:
    """With 100 file descriptors and 500 clients, scrapes and polling continue, and little is logged."""
    file = tmp_path / "config.yaml"
    simulator = run_simulator("--tenants=3")
    file.write_text(configuration(switch("pbx", simulator.url)))
    port = free_port()
    arguments = (f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}")
    limited = ("sh", "-c", 'ulimit -n 100; exec "$0" "$@"')
    program = run_program(*limited, *EXPORTER, *arguments)
    program.wait_for("listening")
    exporter = Exporter(program, f"http://127.0.0.1:{port}")
    with _clients(exporter, 500):
        before = simulator.requests()["counts"]["total"]
        slowest = 0.0
        for _ in range(10):
            started = time.monotonic()
            assert exporter.value("softswitch_exporter_config_last_reload_successful") == 1
            slowest = max(slowest, time.monotonic() - started)
        wait_until(lambda: simulator.requests()["counts"]["total"] > before + 6, 60, "polling")
        wait_until(lambda: exporter.value("softswitch_up", switch="pbx") == 1, 60, "the switch to be up")
    print_result(f"the slowest scrape took {slowest:.2f} s; {len(program.text())} characters of log")
    assert program.text().count("\n") < 20, program.text()
    assert program.stop() == 0


def _many_series(url: str) -> str:
    watch = [str(1000 + number) for number in range(100)]
    tenants = [{"code": f"T{number}", "watch": watch} for number in range(500)]
    off = {name: {"tenant_interval": "off"} for name in ("balance", "registrations", "channels", "calls")}
    return configuration({"name": "pbx", "url": url, "key": "demo-admin", "queries": off, "tenants": tenants})


def _is_served(exporter: Exporter) -> bool:
    try:
        exporter.metrics()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def test_stalled_readers_use_little_memory(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """With 60 unread scrapes and 300 unread status pages, scrapes are served and memory is limited."""
    exporter = run_exporter(_many_series(run_simulator("--tenants=1").url))
    assert len(exporter.metrics()) > 4_000_000, "must exceed socket buffers"
    before = exporter.resident_bytes()
    with (
        _clients(exporter, 300, b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        _clients(exporter, 60, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ):
        # Stalled requests are dropped for new ones after a second.
        wait_until(lambda: _is_served(exporter), 60, "a scrape")
        served = sum(_is_served(exporter) for _ in range(4))
        with contextlib.suppress(urllib.error.HTTPError):
            get(f"{exporter.base_url}/")
        grown = exporter.resident_bytes() - before
    print_result(f"{served} of 4 scrapes served; {grown / 2**20:.1f} MiB more resident memory")
    assert served == 4
    assert grown < 60 * 2**20
    assert exporter.program.text().count("\n") < 20, exporter.program.text()
