import argparse
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.wfile.write(f"GET {self.path}\n".encode())

    def log_message(self, *_: Any) -> None:
        pass


class _DualStackServer(HTTPServer):
    """Listens on every interface, as the exporter does by default."""

    def server_bind(self) -> None:
        self.socket.close()
        self.socket = every_interface(0)
        self.server_name, self.server_port = "localhost", self.socket.getsockname()[1]


@contextmanager
def _serving(server: HTTPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve one status on every interface, and return the port."""
    handler = type("Handler", (_Handler,), {"status": getattr(request, "param", 200)})
    with _serving(_DualStackServer(("", 0), handler)) as number:
        yield number


def _run(*addresses: tuple[str | None, int], web_file: Path | None = None) -> int:
    return run(argparse.Namespace(web_listen_address=list(addresses), web_config_file=web_file))


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "::", "localhost"])  # noqa: S104 -- queried
def test_healthy(port: int, host: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 0, for each form of the address."""
    assert _run((host, port)) == 0
    assert capsys.readouterr() == ("GET /-/healthy\n", "")


@pytest.mark.parametrize("port", [503, 401, 404], indirect=True)
def test_other_status(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 1, and the body is printed."""
    assert _run((None, port)) == 1
    assert capsys.readouterr() == ("", "GET /-/healthy\n")


def test_no_response(port: int, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One sentence and exit status 1; without a valid web configuration HTTPS and HTTP are tried."""
    assert _run((None, 1)) == 1
    assert capsys.readouterr().err == "no response from 127.0.0.1:1: Connection refused\n"
    assert _run((None, port), web_file=tmp_path / "gone.yml") == 0
    assert _run(("::1", 1), web_file=tmp_path / "gone.yml") == 1
    assert capsys.readouterr().err.startswith("no response from [::1]:1: ")


@pytest.mark.parametrize("host", [None, "::", "0.0.0.0"])  # noqa: S104 -- queried
@pytest.mark.parametrize(("served", "refused"), [("127.0.0.1", "[::1]"), ("::1", "127.0.0.1")])
def test_only_one_address_family(
    host: str | None, served: str, refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On every interface, IPv4 and IPv6 both have to respond."""
    family = socket.AF_INET6 if ":" in served else socket.AF_INET
    server = type("Server", (HTTPServer,), {"address_family": family})((served, 0), _Handler)
    with _serving(server) as port:
        assert _run((host, port)) == 1
    assert capsys.readouterr().err == f"no response from {refused}:{port}: Connection refused\n"


def test_every_address_is_checked(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One address without a response is enough for exit status 1."""
    assert _run(("127.0.0.1", port), ("127.0.0.1", 1)) == 1
    assert capsys.readouterr().err == "no response from 127.0.0.1:1: Connection refused\n"


def test_flags_before_or_after_the_command() -> None:
    """The flags of the exporter also apply to the command."""
    flags = ["--web.listen-address=:1", "--web.config.file=web.yml"]
    for line in (["healthcheck", *flags], [*flags, "healthcheck"]):
        arguments = parser().parse_args(line)
        assert arguments.web_listen_address == [(None, 1)]
        assert arguments.web_config_file == Path("web.yml")
