import argparse
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.arguments import parser
from exporter.cli.healthcheck import run
from exporter.web.listener import every_interface


class _Handler(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(f"asked for {self.path}\n".encode())

    def log_message(self, *_: Any) -> None:
        pass


class _DualStackServer(HTTPServer):
    """Listens on every interface, as the exporter does by default."""

    def server_bind(self) -> None:
        self.socket.close()
        self.socket = every_interface(0)
        self.server_name, self.server_port = "localhost", self.socket.getsockname()[1]


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve one status for everything, and return the port."""
    handler = type("Handler", (_Handler,), {"status": getattr(request, "param", 200)})
    with _DualStackServer(("", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _arguments(host: str | None, port: int, web_file: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(listen_addresses=[(host, port)], web_config_file=web_file)


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "::", "localhost"])  # noqa: S104 -- asked
def test_healthy(port: int, host: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """However the address to serve on is written, this machine is asked, and its sentence is passed on."""
    assert run(_arguments(host, port)) == 0
    assert capsys.readouterr() == ("asked for /-/healthy\n", "")


@pytest.mark.parametrize("port", [503, 401, 404], indirect=True)
def test_not_healthy(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Any other status is 1, with what was said."""
    assert run(_arguments(None, port)) == 1
    assert capsys.readouterr() == ("", "asked for /-/healthy\n")


def test_nobody_answers(port: int, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """No connection is 1, with one sentence; with a web configuration that is bad both schemes are tried."""
    assert run(_arguments(None, 1)) == 1
    assert capsys.readouterr().err == "no answer from 127.0.0.1:1: Connection refused\n"
    assert run(_arguments(None, port, tmp_path / "gone.yml")) == 0
    assert run(_arguments("::1", 1, tmp_path / "gone.yml")) == 1
    assert capsys.readouterr().err.startswith("no answer from [::1]:1: ")


@pytest.mark.parametrize("host", [None, "::", "0.0.0.0"])  # noqa: S104 -- asked
@pytest.mark.parametrize(("served", "refused"), [("127.0.0.1", "[::1]"), ("::1", "127.0.0.1")])
def test_one_of_two_families(
    host: str | None, served: str, refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where every interface is meant, an exporter that answers over one of the two alone is not healthy."""
    family = socket.AF_INET6 if ":" in served else socket.AF_INET
    server_class = type("Server", (HTTPServer,), {"address_family": family})
    with server_class((served, 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert run(_arguments(host, server.server_port)) == 1
        server.shutdown()
        thread.join()
    assert capsys.readouterr().err == f"no answer from {refused}:{server.server_port}: Connection refused\n"


def test_each_address_is_asked(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several addresses the last one counts as much as the first."""
    arguments = argparse.Namespace(
        listen_addresses=[("127.0.0.1", port), ("127.0.0.1", 1)], web_config_file=None
    )
    assert run(arguments) == 1
    assert capsys.readouterr().err == "no answer from 127.0.0.1:1: Connection refused\n"


def test_its_flags_are_those_of_the_exporter() -> None:
    """Before the command or after it, and the default is the exporter's."""
    flags = ["--web.listen-address=:1", "--web.config.file=web.yml"]
    for line in (["healthcheck", *flags], [*flags, "healthcheck"]):
        arguments = parser().parse_args(line)
        assert arguments.listen_addresses == [(None, 1)]
        assert arguments.web_config_file == Path("web.yml")
