"""TLS, client certificates and passwords, with the real exporter and the real Prometheus."""

import base64
import contextlib
import http.client
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import bcrypt
import pytest

from exporter.cli import main
from tests.certificates import Authority, Pair
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    run_command,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import start_prometheus

_PASSWORD = "correct horse battery staple"
_TLS = "tls_server_config: {cert_file: exporter.pem, key_file: exporter.key}"
_WRONG = 16  # passwords that are checked one after the other, in 2 s or more
_LEFTOVERS = ("Traceback", "Task was destroyed", "never awaited", "never retrieved", "Unclosed")


def _hash(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def _configuration(url: str) -> str:
    return f"switches: [{{name: pbx, url: '{url}', key: demo-admin, tenants: [{{code: ACME}}]}}]"


@dataclass(frozen=True)
class Client:
    """Asks an exporter, as curl would: with a certificate, a password, both or neither."""

    port: int
    context: ssl.SSLContext | None = None
    user: str | None = None
    password: str = _PASSWORD
    address: str = "127.0.0.1"

    def status(self, path: str = "/metrics", method: str = "GET", **headers: str) -> int:
        """Return the status of the answer. Raises OSError where there is none."""
        return self.answer(path, method, **headers).status

    def answer(self, path: str = "/metrics", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """Return the answer, read to its end."""
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
        """Return a connection that will be opened with the first request."""
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
class Guarded:
    """An exporter that wants TLS 1.3, a client certificate and a password, and who may ask it."""

    exporter: Exporter
    web_file: Path
    authority: Authority
    prometheus: Pair
    good: Client


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[Guarded]:
    """Start a guarded exporter for the whole module, and see at the end that it has told no secret."""
    directory = tmp_path_factory.mktemp("guarded")
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
            _configuration(start_simulator(run).url),
            f"--web.config.file={web_file}",
            "--web.enable-lifecycle",
            "--log.level=debug",
        )
        good = Client(_port(exporter), _trusting(authority, prometheus), "prometheus")
        yield Guarded(exporter, web_file, authority, prometheus, good)
        said = exporter.program.text()
        assert exporter.program.stop() == 0
    assert not [text for text in (_PASSWORD, secret, *_LEFTOVERS) if text in said]


def test_prometheus_scrapes_with_certificate_and_password(
    guarded: Guarded, run_program: Start, require_program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """The real one, with scheme, tls_config and basic_auth, has what is served."""
    (tmp_path / "password").write_text(_PASSWORD)
    pair = guarded.prometheus
    prometheus = start_prometheus(
        run_program,
        require_program("prometheus", "prometheus"),
        tmp_path,
        guarded.exporter,
        scrape={
            "scheme": "https",
            "basic_auth": {"username": "prometheus", "password_file": str(tmp_path / "password")},
            "tls_config": {
                "ca_file": str(guarded.authority.certificate),
                "cert_file": str(pair.certificate),
                "key_file": str(pair.key),
            },
        },
    )

    at = prometheus.after_two_scrapes(time.time())

    assert prometheus.series("softswitch_exporter_build_info", at)


def test_who_has_both_is_let_in(guarded: Guarded) -> None:
    """Every page, also the POST; with the configured header."""
    for path in ("/metrics", "/", "/api/v1/status", "/-/healthy"):
        assert guarded.good.status(path) == 200
    assert guarded.good.status("/-/reload", "POST") == 200
    assert guarded.good.answer("/").headers["X-Frame-Options"] == "deny"


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
def test_who_has_not_the_password_is_not(guarded: Guarded, user: str | None, password: str) -> None:
    """401 with what a browser needs to ask for it, on every page but the one for probes."""
    stranger = replace(guarded.good, user=user, password=password)
    for path in ("/metrics", "/", "/api/v1/status", "/-/ready", "/nothing"):
        answer = stranger.answer(path)
        assert (answer.status, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic"), path
    assert stranger.status("/-/reload", "POST") == 401
    assert stranger.status("/-/healthy") == 200


def test_who_has_not_the_certificate_is_not_connected(guarded: Guarded, tmp_path: Path) -> None:
    """None, one of another authority, one that is not for clients, and TLS below the minimum."""
    other = Authority(guarded.authority.openssl, tmp_path, "other").issue("client")
    server = guarded.authority.issue("server-only", usage="serverAuth")
    old = _trusting(guarded.authority, guarded.prometheus)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    contexts = [None, _trusting(guarded.authority), old]
    contexts += [_trusting(guarded.authority, pair) for pair in (other, server)]
    for context in contexts:
        with pytest.raises((OSError, http.client.HTTPException)):
            replace(guarded.good, context=context).answer()
    assert guarded.good.status() == 200


def test_a_certificate_with_another_name(guarded: Guarded) -> None:
    """It is valid, and none of client_allowed_sans: 403, for every page."""
    other = guarded.authority.issue("other-client", names="DNS:else.example")
    client = replace(guarded.good, context=_trusting(guarded.authority, other))
    assert {client.status(path) for path in ("/metrics", "/-/healthy")} == {403}


def test_another_site_cannot_make_a_browser_reload(guarded: Guarded) -> None:
    """The browser has the password, and says where the form was: 403. For one of ours, 200."""
    good = guarded.good
    assert good.status("/-/reload", "POST", Origin="https://evil.example") == 403
    assert good.status("/-/reload", "POST", Sec_Fetch_Site="cross-site") == 403
    assert good.status("/-/reload", "POST", Origin=f"https://127.0.0.1:{good.port}") == 200


def test_healthcheck(guarded: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows from the web configuration how to ask: with TLS, and the exporter's own certificate."""
    address = f"--web.listen-address=127.0.0.1:{guarded.good.port}"
    asked = run_command("healthcheck", address, f"--web.config.file={guarded.web_file}")
    assert (asked.returncode, asked.stdout) == (0, "softswitch-exporter is healthy.\n")

    for name in ("exporter.pem", "exporter.key"):
        shutil.copy(guarded.web_file.parent / name, tmp_path)
    (tmp_path / "web.yml").write_text(_TLS)  # without the line that says that a certificate is needed
    for flags in ([], [f"--web.config.file={tmp_path / 'web.yml'}"]):
        assert main(["healthcheck", address, *flags]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "client_ca_file issued cert_file" in line


def _waiting(client: Client, answers: list[int]) -> None:
    answers.append(client.status())


def test_wrong_passwords_do_not_hold_up_the_right_one(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """While checks of wrong ones wait in line, who was let in before is let in without waiting."""
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: {_hash(_PASSWORD, cost=11)}}}")
    exporter = run_exporter(_configuration(run_simulator().url), f"--web.config.file={tmp_path / 'web.yml'}")
    good = Client(_port(exporter), user="prometheus")
    assert good.status() == 200
    answers: list[int] = []
    with ThreadPoolExecutor(_WRONG) as crowd:
        for number in range(_WRONG):
            wrong = replace(good, password=f"wrong {number}", address=f"127.0.0.{2 + number % 4}")
            crowd.submit(_waiting, wrong, answers)
        wait_until(lambda: answers, 20, "the first wrong password to be refused")
        while_they_waited = [good.status() for _ in range(3)]
        refused_meanwhile = len(answers)

        assert while_they_waited == [200] * 3
        assert refused_meanwhile < _WRONG
    assert set(answers) <= {401, 429}


def test_what_is_rotated_is_used_without_a_restart(
    run_simulator: StartSimulator, run_exporter: StartExporter, authority: Authority, tmp_path: Path
) -> None:
    """Certificate, password and the key of the switch; what is bad changes nothing and is told once."""
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
        exporter.program.wait_for("msg=.web configuration not loaded.*is not the key of", 30)
        assert (first.status(), second.status(), _serial(first)) == (200, 401, serial)

        authority.issue("exporter")
        web_file.write_text(users % _hash("second"))
        key.write_text("demo-admin")
        wait_until(lambda: second.status() == 200, 30, "the new password to be taken")
        assert (first.status(), _serial(first) != serial) == (401, True)

        open_connection.request("GET", "/-/healthy")
        last = open_connection.getresponse()
        assert (last.status, last.headers["Connection"]) == (200, "close")
    wait_until(lambda: "admin" in _keys_sent(simulator), 30, "the new key to be sent")
    assert exporter.program.text().count("web configuration not loaded") == 1


def _keys_sent(simulator: Simulator) -> set[str]:
    return {request["key"] for request in simulator.requests()["requests"]}


def _serial(client: Client) -> str:
    """Return the serial number of the certificate that is shown on a new connection."""
    assert client.context
    with (
        socket.create_connection(("127.0.0.1", client.port), 10) as plain,
        client.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return str((connection.getpeercert() or {})["serialNumber"])


def test_stops_in_time_with_a_scrape_half_read_through_tls(
    run_simulator: StartSimulator, run_exporter: StartExporter, authority: Authority, tmp_path: Path
) -> None:
    """TLS has a goodbye of its own, for which nobody waits long."""
    authority.issue("exporter")
    web_file = tmp_path / "web.yml"
    web_file.write_text(_TLS)
    watch = ", ".join(f'"{number}"' for number in range(1000, 1100))
    tenants = ", ".join(f"{{code: T{number}}}" for number in range(300))
    exporter = run_exporter(
        f"switches: [{{name: pbx, url: '{run_simulator().url}', key: demo-admin, "
        f"tenant_defaults: {{watch: [{watch}]}}, tenants: [{tenants}]}}]",
        f"--web.config.file={web_file}",
    )
    with (
        socket.create_connection(("127.0.0.1", _port(exporter)), 10) as plain,
        _trusting(authority).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        started = time.monotonic()

        assert exporter.program.stop() == 0

        assert time.monotonic() - started < 5
    assert not [word for word in _LEFTOVERS if word in exporter.program.text()]
