"""No key, password or credential of a list is in any output of the program, whatever a switch responds.

Every key here starts with one marker and ends with another. No encoding changes them, so searching for the
markers finds every key, and parts of keys too.
"""

import contextlib
import html
import json
import re
import signal
import socketserver
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from http.client import parse_headers
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from exporter.cli import main
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration, queries, switch
from tests.e2e.programs import Exporter, Simulator, free_port, get, get_json, wait_until

BEGIN, END = "s3cr3t", "0fk3y"
ADMIN_KEY = f'{BEGIN}+Key/with&odd=chars%"<ü>{END}'
LITERAL_KEY = f"{BEGIN}~literal+{END}"
ENVIRONMENT_KEY = f"{BEGIN}/environment\\{END}"
PROXY_PASSWORD = f"{BEGIN}%2Bproxy{END}"
PROXY_CREDENTIALS = f"monitor:{BEGIN}+proxy{END}"
ALERTMANAGER_PASSWORD = f"{BEGIN}+basic/of Alertmanager{END}"
ALERTMANAGER_TOKEN = f"{BEGIN}/bearer=of+Alertmanager{END}"
MARKERS = (
    BEGIN,
    END,
    "PASSWORD-MUST-NOT-SHOW",
    *(
        b64encode(credentials.encode()).decode().rstrip("=")
        for credentials in (PROXY_CREDENTIALS, f"noc:{ALERTMANAGER_PASSWORD}")
    ),
)


def _php(key: str) -> str:
    """Encode a key as PHP's json_encode does, which also escapes slashes."""
    return json.dumps(key).replace("/", r"\/")[1:-1]


def _lower(key: str) -> str:
    """Percent-encode a key with lower-case hexadecimal digits, as some servers do."""
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quote(key, safe=""))


_INVALID_TABLE = (
    "Number|Name|Tech|State|Username|Password|\n100|Desk|SIP|OK|100-X|PASSWORD-MUST-NOT-SHOW-1|x|\n"
)


def _faults(key: str) -> dict[str, dict[str, str]]:
    """Return faults by name. Some respond with this key in different encodings."""
    return {
        "refusal": {"kind": "refuse_key"},
        "sentence": {"kind": "sentence", "text": f"The key {key} may not do that"},
        "web page": {"kind": "html"},
        "garbage": {"kind": "garbage"},
        "diagnostic": {"kind": "php_warning"},
        "diagnostic with the key": {"kind": "body", "text": f"<b>Warning</b>: no key {key} in <b>x.php</b>"},
        "redirect": {"kind": "redirect", "location": f"/login?key={quote(key)}"},
        "reset": {"kind": "reset"},
        "hang": {"kind": "hang"},
        "half": {"kind": "truncate"},
        "status": {"kind": "status"},
        "as a query": {"kind": "body", "text": f"What is key={quote_plus(key)} meant to be"},
        "as a path": {"kind": "body", "text": f"What is key={quote(key, safe='')} meant to be"},
        "in lower case": {"kind": "body", "text": f"What is key={_lower(key)} meant to be"},
        "as HTML": {"kind": "body", "text": f"What is {html.escape(key)} meant to be"},
        "as JSON": {"kind": "body", "text": json.dumps({"error": f"wrong key {key}"})},
        "as JSON in UTF-8": {"kind": "body", "text": json.dumps({"error": f"key {key}"}, ensure_ascii=False)},
        "as JSON of PHP": {"kind": "body", "text": f'{{"error": "wrong key {_php(key)}"}}'},
        "cut off": {"kind": "body", "text": f"{'What a strange request ' * 5}it has key {key} and more"},
        "alone": {"kind": "body", "text": key},
        "for a node": {"kind": "body", "text": f"{key}:3|pbx1:4|"},
    }


def assert_no_secrets(texts: Mapping[str, str]) -> None:
    """Assert that no text has a marker. The error shows the text around it."""
    found = {
        f"{name}: …{text[max(0, place.start() - 60) : place.end() + 20]}…"
        for name, text in texts.items()
        for marker in MARKERS
        for place in re.finditer(re.escape(marker), text)
    }
    assert not found, "\n".join(sorted(found))


class _Echo(socketserver.StreamRequestHandler):
    """Echoes the request in unusual places of the response."""

    responses = (
        b"%(line)s\r\n\r\n",
        b"HTTP/1.1 200 %(query)s\r\nContent-Length: 2\r\n\r\n12",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/?%(query)s\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: %(query)s=1; path=/\r\nContent-Length: 2\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\n%(query)s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %(query)s\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %(key)s\r\nContent-Length: 2\r\n\r\n12",
        b"HTTP/1.1 %(query)s OK\r\n\r\n",
    )
    requests = 0

    def handle(self) -> None:
        """Respond to one request and close."""
        line = self.rfile.readline().strip()
        while self.rfile.readline().strip():
            pass
        query = line.partition(b"?")[2].partition(b" ")[0]
        key = query.rpartition(b"key=")[2]
        response = self.responses[_Echo.requests % len(self.responses)]
        _Echo.requests += 1
        self.wfile.write(response % {b"line": line, b"query": query, b"key": key})


class _EchoingAlertmanager(socketserver.StreamRequestHandler):
    """Rejects alerts, and echoes the credentials of the request."""

    def handle(self) -> None:
        """Respond to one request and close."""
        self.rfile.readline()
        headers = parse_headers(self.rfile)
        self.rfile.read(int(headers["Content-Length"]))
        scheme, _, value = headers["Authorization"].partition(" ")
        decoded = b64decode(value).decode() if scheme == "Basic" else value
        body = f"{scheme} {value} is {decoded} or {quote(decoded, safe='')}".encode()
        self.wfile.write(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@contextlib.contextmanager
def _echoing(handler: type[socketserver.BaseRequestHandler] = _Echo) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _alerting(echo_url: str, directory: Path) -> dict[str, Any]:
    """Return a section with each kind of credential, for an Alertmanager that echoes and one that is off."""
    password, token = directory / "password", directory / "token"
    password.write_text(f"{ALERTMANAGER_PASSWORD}\n")
    token.write_text(f"{ALERTMANAGER_TOKEN}\n")
    dead = f"http://127.0.0.1:{free_port()}"
    kinds: dict[str, dict[str, Any]] = {
        "password": {"basic_auth": {"username": "noc", "password": ALERTMANAGER_PASSWORD}},
        "file": {"basic_auth": {"username": "noc", "password_file": str(password)}},
        "token": {"bearer_token_file": str(token)},
    }
    alertmanagers = [
        {"url": f"{url}/{kind}", **credentials}
        for url in (echo_url, dead)
        for kind, credentials in kinds.items()
    ]
    return {"alertmanagers": alertmanagers, "state_file": str(directory / "alerts.json")}


@pytest.fixture
def simulator(run_simulator: StartSimulator) -> Simulator:
    """Start a switch whose admin key has special characters."""
    return run_simulator(f"--admin-key={ADMIN_KEY}", "--tenants=45", "--extensions=2")


def _codes(simulator: Simulator) -> list[str]:
    return [code for code, tenant in simulator.truth()["tenants"].items() if not tenant["disabled"]]


def _failing_tenants(simulator: Simulator) -> list[dict[str, Any]]:
    """Apply each fault to its own tenant, and return these tenants for a configuration."""
    codes = iter(_codes(simulator))
    tenants: list[dict[str, Any]] = []
    for fault in _faults(ADMIN_KEY).values():
        tenants.append({"code": next(codes), "extensions": ["100"]})
        simulator.inject_fault(tenant=tenants[-1]["code"], **fault)
    keys = {"key": LITERAL_KEY, "key_env": "KEY_OF_A_TENANT"}
    for setting, value in keys.items():
        secret = ENVIRONMENT_KEY if setting == "key_env" else value
        for name in ("sentence", "as a query", "as JSON of PHP", "refusal"):
            tenants.append({"code": next(codes), setting: value, "extensions": ["100"]})
            simulator.inject_fault(tenant=tenants[-1]["code"], **_faults(secret)[name])
    return tenants


def _configuration(simulator: Simulator, echo_url: str, alerting: dict[str, Any], directory: Path) -> str:
    key_file = directory / "admin-key"
    key_file.write_text(f"{ADMIN_KEY}\n", encoding="utf-8")
    common = {"timeout": "2s", "max_concurrency": 20, "queries": queries("1s")}
    proxied = {"url": "http://pbx.example.com/pbx/proxyapi.php", "key": ADMIN_KEY}
    simulator_proxy = simulator.base_url.replace("http://", f"http://monitor:{PROXY_PASSWORD}@")
    dead_proxy = f"http://monitor:{PROXY_PASSWORD}@127.0.0.1:{free_port()}"
    switches = [
        switch("failing", simulator.url, tenants=_failing_tenants(simulator), **common),
        switch("echo", f"{echo_url}/pbx/proxyapi.php", **common),
        switch("proxied", "http://pbx.example.com/pbx/proxyapi.php", **common),
        switch("cut-off", "http://pbx.example.com/pbx/proxyapi.php", **common),
    ]
    switches[2] |= {**proxied, "proxy_url": simulator_proxy}
    switches[3] |= {**proxied, "proxy_url": dead_proxy}
    for settings in switches[:2]:
        del settings["key"]
        settings["key_file"] = str(key_file)
    return configuration(*switches, alerting=alerting)


def _pages(exporter: Exporter) -> dict[str, str]:
    openmetrics = "application/openmetrics-text; version=1.0.0"
    return {
        "/runbooks/": get(f"{exporter.base_url}/runbooks/SoftswitchKeyRefused").decode(),
        "/": get(f"{exporter.base_url}/").decode(),
        "/api/v1/status": get(f"{exporter.base_url}/api/v1/status").decode(),
        "/metrics": exporter.metrics(),
        "/metrics in OpenMetrics": exporter.metrics(Accept=openmetrics),
    }


def _failures(exporter: Exporter) -> dict[tuple[str, str], set[str]]:
    """Return the details of failures, by switch and tenant."""
    failures: dict[tuple[str, str], set[str]] = {}
    for settings in get_json(f"{exporter.base_url}/api/v1/status")["switches"]:
        for query in settings["queries"]:
            for failure in query["failures"]:
                failures.setdefault((settings["name"], failure["tenant"]), set()).add(failure["detail"])
    return failures


def test_the_daemon_shows_no_secrets(
    simulator: Simulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Not in the log at debug level, pages, metrics or files, with every fault applied."""
    _Echo.requests = 0
    with _echoing() as echo_url, _echoing(_EchoingAlertmanager) as alertmanager_url:
        alerting = _alerting(alertmanager_url, tmp_path)
        text = _configuration(simulator, echo_url, alerting, tmp_path)
        storage = tmp_path / "storage"
        storage.mkdir()
        flags = ("--log.level=debug", f"--storage.path={storage}")
        exporter = run_exporter(text, *flags, KEY_OF_A_TENANT=ENVIRONMENT_KEY)
        expected = len(json.loads(text)["switches"][0]["tenants"])

        def all_failed() -> bool:
            failures = _failures(exporter)
            failing = {tenant for name, tenant in failures if name == "failing" and tenant}
            # Each echoed response a few times, and both proxies: one that works and one that is down.
            return (
                len(failing) == expected
                and _Echo.requests >= 3 * len(_Echo.responses)
                and ("cut-off", "") in failures
                and exporter.value("softswitch_up", switch="proxied") == 1
                and all(
                    exporter.value(_NOTIFICATION_ERRORS, alertmanager=it["url"])
                    for it in alerting["alertmanagers"]
                )
            )

        wait_until(all_failed, 60, "every tenant to fail")
        texts = _pages(exporter)
        failures = _failures(exporter)
        exporter.program.stop(signal.SIGTERM)
    texts["log"] = exporter.program.text()
    texts["state file"] = Path(alerting["state_file"]).read_text()
    texts |= {file.name: file.read_text() for file in storage.iterdir()}
    assert {file.name for file in storage.iterdir()} == {"switches.json", "timeline.json"}  # and state_file
    assert_no_secrets(texts)
    # The keys were sent and echoed: only the mask hides them.
    assert {"admin", "wrong"} == {request["key"] for request in simulator.requests()["requests"]}
    assert sum(any("***" in detail for detail in details) for details in failures.values()) >= len(
        _PLAIN_ECHOES
    )
    assert texts["log"].count("Basic *** is noc:*** or noc%3A***") == 2
    assert texts["log"].count("Bearer *** is *** or ***") == 1


_NOTIFICATION_ERRORS = "softswitch_alerting_notifications_errors_total"

_PLAIN_ECHOES = ("sentence", "as a query", "as a path", "as HTML", "as JSON")
"""Faults whose response is shown, with the key masked."""

_TENANT_REQUESTS = (
    {"reqtype": "COUNTPEERS"},
    {"reqtype": "COUNTCHANNELS"},
    {"reqtype": "COUNTCALLS"},
    {"reqtype": "INFO", "info": "balance"},
    {"reqtype": "INFO", "info": "config"},
    {"reqtype": "INFO", "info": "extensions"},
)
"""Requests of ``probe --tenant``."""


def test_probe_shows_no_secrets(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the response is, also where it is cut off, it prints no key and no part of a list."""
    codes = _codes(simulator)
    faults = [fault for word, fault in _faults(ADMIN_KEY).items() if word not in {"hang", "status"}]
    # The response is cut off in the middle of the key.
    faults.append({"kind": "body", "text": f"{'x ' * 1020}{ADMIN_KEY} and more"})
    singles = _TENANT_REQUESTS[:-1]  # without the list
    probed = codes[: -(-len(faults) // len(singles))]
    for number, fault in enumerate(faults):
        simulator.inject_fault(
            tenant=probed[number // len(singles)], **singles[number % len(singles)], **fault
        )
    # Each of these also gets a list that is invalid or preceded by other text.
    healthy, *broken = codes[-5:]
    lists = (
        {"kind": "php_warning"},
        {"kind": "truncate"},
        {"kind": "body", "text": _INVALID_TABLE},
        faults[1],
    )
    for code, fault in zip(broken, lists, strict=True):
        simulator.inject_fault(tenant=code, **_TENANT_REQUESTS[-1], **fault)
    text = configuration(switch("failing", simulator.url) | {"key": ADMIN_KEY, "timeout": "5s"})
    file = tmp_path / "probed.yaml"
    file.write_text(text, encoding="utf-8")
    flags = {code: [f"--tenant={code}"] for code in (*probed, healthy, *broken)}
    texts: dict[str, str] = {}
    for name, given in (flags | {"whole": [], "tenants": ["--query=tenants"]}).items():
        main(["probe", f"--config.file={file}", *given])
        texts[name] = "".join(capsys.readouterr())
    assert all("verdict" in output for output in texts.values())
    assert any("***" in output.replace("key=***", "") for output in texts.values())
    # Besides the list of extensions, each gets the three valid lists of phones: BLFS, PEERS, CHANSIPPEERS.
    assert texts[healthy].count("verdict   valid list of") == 4
    assert "verdict   valid list of" in texts["tenants"]
    assert {texts[code].count("verdict   valid list of") for code in broken} == {3}
    assert_no_secrets(texts)


def test_commands_show_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--config.check`` and ``test-alert``, for a configuration with every kind of credential."""
    file = tmp_path / "good.yaml"
    good = switch(
        "good",
        "http://127.0.0.1:9/pbx/proxyapi.php",
        proxy_url=f"http://monitor:{PROXY_PASSWORD}@127.0.0.1:9",
        tenants=[{"code": "ACME", "key": LITERAL_KEY}, {"code": "BOREAL", "key_env": "KEY_OF_A_TENANT"}],
    )
    with _echoing(_EchoingAlertmanager) as alertmanager_url:
        alerting = _alerting(alertmanager_url, tmp_path)
        file.write_text(configuration(good | {"key": ADMIN_KEY}, alerting=alerting), encoding="utf-8")
        monkeypatch.setenv("KEY_OF_A_TENANT", ENVIRONMENT_KEY)
        assert main([f"--config.file={file}", "--config.check"]) == 0
        check = "".join(capsys.readouterr())
        assert main(["test-alert", f"--config.file={file}"]) == 1
        test = "".join(capsys.readouterr())
    assert "is valid" in check
    assert test.count("***") == 9
    assert_no_secrets({"--config.check": check, "test-alert": test})
