"""TLS, client certificates and passwords, with a real exporter and Prometheus."""

import base64
import contextlib
import http.client
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from exporter.cli import main
from tests.certificates import Authority, Pair
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import UNREACHABLE_URL
from tests.e2e.programs import (
    LEFTOVERS,
    Exporter,
    Simulator,
    Start,
    running_programs,
    start_exporter,
    wait_until,
)
from tests.e2e.prometheus import start_prometheus

_PASSWORD = "correct horse battery staple"
_TLS = "tls_server_config: {cert_file: exporter.pem, key_file: exporter.key}"
_WRONG = 16  # passwords, whose sequential checks take 2 s or more


def _hash(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def _configuration(url: str) -> str:
    return f"switches: [{{name: pbx, url: '{url}', key: demo-admin, tenants: [{{code: ACME}}]}}]"


@dataclass(frozen=True)
class Client:
    """An HTTP client, like curl, with a certificate, a password, both or neither."""

    port: int
    context: ssl.SSLContext | None = None
    user: str | None = None
    password: str = _PASSWORD
    address: str = "127.0.0.1"

    def status(self, path: str = "/metrics", method: str = "GET", **headers: str) -> int:
        """Return the status of a response. Raise OSError if there is none."""
        return self.response(path, method, **headers).status

    def response(
        self, path: str = "/metrics", method: str = "GET", **headers: str
    ) -> http.client.HTTPResponse:
        """Return a response that was read completely."""
        if self.user is not None:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        connection = self.connection()
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            response.read()
            return response
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection, which opens with the first request."""
        source = (self.address, 0)
        if self.context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, 20, source_address=source)
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, source_address=source, context=self.context
        )


def _trusting(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def _port(exporter: Exporter) -> int:
    return int(exporter.base_url.rpartition(":")[2])


@dataclass(frozen=True)
class Protected:
    """An exporter that requires TLS 1.3, a client certificate and a password, and a client with both."""

    exporter: Exporter
    web_file: Path
    authority: Authority
    prometheus: Pair
    good: Client


@pytest.fixture(scope="module")
def protected(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Protected]:
    """Start a protected exporter. At the end, its log must have no secret."""
    directory = tmp_path_factory.mktemp("protected")
    authority = Authority(require_program("openssl", "openssl"), directory)
    authority.issue("exporter")
    prometheus = authority.issue("prometheus", names="DNS:prometheus.example", usage="clientAuth")
    secret = _hash(_PASSWORD)
    web_file = directory / "web.yml"
    web_file.write_text(
        "tls_server_config:\n  cert_file: exporter.pem\n  key_file: exporter.key\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.pem\n"
        "  client_allowed_sans: [prometheus.example, localhost]\n  min_version: TLS13\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
        f"basic_auth_users:\n  prometheus: {secret}\n"
    )
    with running_programs(directory) as run:
        exporter = start_exporter(
            run,
            directory / "config.yaml",
            _configuration(UNREACHABLE_URL),
            f"--web.config.file={web_file}",
            "--web.enable-lifecycle",
            "--log.level=debug",
        )
        good = Client(_port(exporter), _trusting(authority, prometheus), "prometheus")
        yield Protected(exporter, web_file, authority, prometheus, good)
        log = exporter.program.text()
        assert exporter.program.stop() == 0
    assert not [text for text in (_PASSWORD, secret, *LEFTOVERS) if text in log]


def test_prometheus_discovers_each_switch_with_certificate_and_password(
    protected: Protected, run_program: Start, require_program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """The job does not need `scheme`: the targets have the one of the request to `/sd`."""
    executable, access = require_program("prometheus", "prometheus"), _access(protected, tmp_path)
    url = f"https://127.0.0.1:{_port(protected.exporter)}/sd"
    scrape = {"static_configs": [], "http_sd_configs": [{"url": url, **access}], **access}
    prometheus = start_prometheus(run_program, executable, tmp_path, protected.exporter, scrape=scrape)

    def up() -> dict[str, float]:
        found = prometheus.series("up")
        return {dict(labels).get("switch", ""): value for (_, labels), value in found.items()}

    wait_until(lambda: up() == {"": 1, "pbx": 1}, 60, lambda: f"both targets; up: {up()}")


def _access(protected: Protected, directory: Path) -> dict[str, Any]:
    """Return the settings for Prometheus."""
    (directory / "password").write_text(_PASSWORD)
    return {
        "basic_auth": {"username": "prometheus", "password_file": str(directory / "password")},
        "tls_config": {
            "ca_file": str(protected.authority.certificate),
            "cert_file": str(protected.prometheus.certificate),
            "key_file": str(protected.prometheus.key),
        },
    }


def test_certificate_and_password_give_access(protected: Protected) -> None:
    """To every page and to POST /-/reload; responses have the configured header."""
    for path in ("/metrics", "/sd", "/", "/runbooks/", "/api/v1/status", "/-/healthy"):
        assert protected.good.status(path) == 200
    assert protected.good.status("/-/reload", "POST") == 200
    assert protected.good.response("/").headers["X-Frame-Options"] == "deny"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (None, ""),
        ("prometheus", "wrong"),
        ("prometheus", ""),
        ("nobody", _PASSWORD),
        ("prometheus", "x" * 80),
        ("prometheus", _PASSWORD + "x" * 80),
        ("prometheus", "\N{SNOWMAN}\0"),
    ],
)
def test_a_wrong_password_is_rejected(protected: Protected, user: str | None, password: str) -> None:
    """With 401 and the header that makes browsers ask, on every page except the liveness probe."""
    client = replace(protected.good, user=user, password=password)
    for path in ("/metrics", "/metrics?switch=", "/sd", "/", "/api/v1/status", "/-/ready", "/nothing"):
        response = client.response(path)
        assert (response.status, response.headers["WWW-Authenticate"][:5]) == (401, "Basic"), path
    assert client.status("/-/reload", "POST") == 401
    assert client.status("/-/healthy") == 200


def test_connections_without_a_valid_certificate_fail(protected: Protected, tmp_path: Path) -> None:
    """No certificate, one of another authority, a server certificate, and TLS below the minimum."""
    other = Authority(protected.authority.openssl, tmp_path, "other").issue("client")
    server = protected.authority.issue("server-only", usage="serverAuth")
    old = _trusting(protected.authority, protected.prometheus)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    contexts = [None, _trusting(protected.authority), old]
    contexts += [_trusting(protected.authority, pair) for pair in (other, server)]
    for context in contexts:
        with pytest.raises((OSError, http.client.HTTPException)):
            replace(protected.good, context=context).response()
    assert protected.good.status() == 200


def test_a_certificate_with_another_name_is_rejected(protected: Protected) -> None:
    """With 403 on every page: its name is not in client_allowed_sans."""
    other = protected.authority.issue("other-client", names="DNS:else.example")
    client = replace(protected.good, context=_trusting(protected.authority, other))
    assert {client.status(path) for path in ("/metrics", "/-/healthy")} == {403}


def test_healthcheck(protected: Protected, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It uses the web configuration: TLS, and the exporter's own certificate as client certificate."""
    address = f"--web.listen-address=127.0.0.1:{protected.good.port}"
    assert main(["healthcheck", address, f"--web.config.file={protected.web_file}"]) == 0
    assert capsys.readouterr().out == "softswitch-exporter is healthy.\n"

    for name in ("exporter.pem", "exporter.key"):
        shutil.copy(protected.web_file.parent / name, tmp_path)
    (tmp_path / "web.yml").write_text(_TLS)  # without client certificates
    for flags in ([], [f"--web.config.file={tmp_path / 'web.yml'}"]):
        assert main(["healthcheck", address, *flags]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "client_ca_file must have issued cert_file" in line


def test_wrong_passwords_do_not_delay_the_right_one(run_exporter: StartExporter, tmp_path: Path) -> None:
    """A client that was accepted before does not wait for the checks of wrong passwords."""
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: {_hash(_PASSWORD, cost=11)}}}")
    exporter = run_exporter(_configuration(UNREACHABLE_URL), f"--web.config.file={tmp_path / 'web.yml'}")
    good = Client(_port(exporter), user="prometheus")
    assert good.status() == 200
    statuses: list[int] = []
    with ThreadPoolExecutor(_WRONG) as crowd:
        for number in range(_WRONG):
            wrong = replace(good, password=f"wrong {number}", address=f"127.0.0.{2 + number % 4}")
            crowd.submit(lambda client: statuses.append(client.status()), wrong)
        wait_until(lambda: statuses, 60, "the first wrong password to be rejected")
        meanwhile = [good.status() for _ in range(3)]
        rejected = len(statuses)

        assert meanwhile == [200] * 3
        assert rejected < _WRONG
    assert set(statuses) <= {401, 429}


def test_rotated_files_are_used_without_a_restart(
    run_simulator: StartSimulator, run_exporter: StartExporter, authority: Authority, tmp_path: Path
) -> None:
    """Certificate, password and the key of the switch. An invalid file changes nothing and is logged once."""
    simulator = run_simulator()
    authority.issue("exporter")
    web_file, key = tmp_path / "web.yml", tmp_path / "pbx.key"
    key.write_text("wrong-key")
    users = f"{_TLS}\nbasic_auth_users: {{a: %s}}\n"
    web_file.write_text(users % _hash("first"))
    exporter = run_exporter(
        _configuration(simulator.url).replace(
            "key: demo-admin", f"key_file: {key}, queries: {{channels: {{interval: 500ms}}}}"
        ),
        f"--web.config.file={web_file}",
    )
    first = Client(_port(exporter), _trusting(authority), "a", "first")
    second = replace(first, password="second")
    serial = _serial(first)
    with contextlib.closing(first.connection()) as open_connection:
        open_connection.request("GET", "/-/healthy")
        open_connection.getresponse().read()

        web_file.write_text((users % _hash("second")).replace("exporter.key", "authority.key"))
        exporter.program.wait_for("msg=.web configuration not loaded.*is not the key of")
        assert (first.status(), second.status(), _serial(first)) == (200, 401, serial)

        authority.issue("exporter")
        web_file.write_text(users % _hash("second"))
        key.write_text("demo-admin")
        wait_until(lambda: second.status() == 200, 60, "the new password to be accepted")
        assert (first.status(), _serial(first) != serial) == (401, True)

        open_connection.request("GET", "/-/healthy")
        last = open_connection.getresponse()
        assert (last.status, last.headers["Connection"]) == (200, "close")
    wait_until(lambda: "admin" in _keys_sent(simulator), 60, "the new key to be sent")
    # Not at each check, but perhaps again when only one of two files was replaced.
    assert exporter.program.text().count("web configuration not loaded") <= 3


def _keys_sent(simulator: Simulator) -> set[str]:
    return {request["key"] for request in simulator.requests()["requests"]}


def _serial(client: Client) -> str:
    """Return the serial number of the certificate of a new connection."""
    assert client.context
    with (
        socket.create_connection(("127.0.0.1", client.port), 10) as plain,
        client.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return str((connection.getpeercert() or {})["serialNumber"])


def test_stops_within_five_seconds_with_a_scrape_half_read_through_tls(
    run_exporter: StartExporter, authority: Authority, tmp_path: Path
) -> None:
    """The exporter does not wait long for the shutdown of TLS."""
    authority.issue("exporter")
    web_file = tmp_path / "web.yml"
    web_file.write_text(_TLS)
    watch = ", ".join(f'"{number}"' for number in range(1000, 1100))
    tenants = ", ".join(f"{{code: T{number}}}" for number in range(300))
    exporter = run_exporter(
        f"switches: [{{name: pbx, url: '{UNREACHABLE_URL}', key: demo-admin, "
        f"tenant_defaults: {{watch: [{watch}]}}, tenants: [{tenants}]}}]",
        f"--web.config.file={web_file}",
    )
    with (
        socket.create_connection(("127.0.0.1", _port(exporter)), 10) as plain,
        _trusting(authority).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert exporter.program.stop() == 0
    exporter.program.assert_nothing_left()
