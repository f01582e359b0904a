"""What a switch says that must not be taken at its word: figures of the whole, and answers without an end."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from tests.e2e.conftest import StartExporter
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Exporter, get, print_result, samples, wait_until
from tests.e2e.stub_switch import Parameters, stub_switch

OFF = {"interval": "off", "tenant_interval": "off"}
NOTHING = {
    "peers": OFF,
    "channels": OFF,
    "calls": OFF,
    "license": {"interval": "off"},
    "balance": {"tenant_interval": "off"},
    "registrations": {"tenant_interval": "off"},
}
MEBIBYTE = 2**20


def _configuration(url: str, codes: list[str], **queries: dict[str, str]) -> str:
    return configuration(
        {
            "name": "pbx",
            "url": url,
            "key": "demo-admin",
            "max_requests_per_second": 200,
            "queries": {**NOTHING, **queries},
            "tenant_defaults": {"extensions": "all"},
            "tenants": [{"code": code} for code in codes],
        }
    )


def _tenants_with(exporter: Exporter, name: str) -> set[str]:
    return {dict(labels)["tenant"] for family, labels in samples(exporter.metrics()) if family == name}


class _Deaf:
    """A switch that answers COUNTCALLS for the whole installation, whoever it is about."""

    def __init__(self) -> None:
        self.heeds = False

    def __call__(self, sent: Parameters) -> str | None:
        tenant = sent.get("tenant", "")
        match sent["reqtype"]:
            case "COUNTCALLS":
                return str(len(tenant)) if tenant and self.heeds else "42"
            case "COUNTCHANNELS":
                return json.dumps({"pbx1": len(tenant) or 84})
        return None


def test_a_switch_that_ignores_the_tenant(run_exporter: StartExporter) -> None:
    """No tenant is told the whole installation's calls as its own; when it is heeded, they come back."""
    codes = ["A", "BB", "CCC", "DDDD", "EEEEE", "FFFFFF"]
    deaf = _Deaf()
    labels = {"switch": "pbx", "query": "calls", "scope": "tenant", "reason": "scope_ignored"}
    with stub_switch(deaf) as replay:
        both = {"interval": "500ms", "tenant_interval": "1s"}
        exporter = run_exporter(_configuration(replay.url, codes, calls=both, channels=both))

        def failing(code: str) -> bool:
            return exporter.value("softswitch_query_failure", tenant=code, **labels) == 1

        wait_until(lambda: all(map(failing, codes)), 20, "scope_ignored of all tenants")
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert _tenants_with(exporter, "softswitch_tenant_calls") == set()
            time.sleep(0.1)
        assert exporter.value("softswitch_calls", switch="pbx") == 42
        assert _tenants_with(exporter, "softswitch_tenant_channels") == set(codes)

        deaf.heeds = True

        wait_until(lambda: len(_tenants_with(exporter, "softswitch_tenant_calls")) == 6, 20, "the calls")
        for code in codes:
            assert exporter.value("softswitch_tenant_calls", switch="pbx", tenant=code) == len(code)
            assert not failing(code)
        assert replay.unexpected == []


def test_four_tenants_prove_nothing(run_exporter: StartExporter) -> None:
    """So few may well have all the calls there are."""
    codes = ["A", "B", "C", "D"]
    with stub_switch(_Deaf()) as replay:
        both = {"interval": "300ms", "tenant_interval": "500ms"}
        exporter = run_exporter(_configuration(replay.url, codes, calls=both))
        wait_until(lambda: len(_tenants_with(exporter, "softswitch_tenant_calls")) == 4, 20, "the calls")
        asked = len(replay.requests)
        wait_until(lambda: len(replay.requests) > asked + 20, 20, "more sweeps")

        assert _tenants_with(exporter, "softswitch_tenant_calls") == set(codes)
        assert _tenants_with(exporter, "softswitch_query_failure") == set()


def _counts(size: int) -> bytes:
    """Return an answer of COUNTPEERS of exactly so many bytes: two nodes and much white space."""
    answer = json.dumps({"pbx1": 3, "pbx2": 4}).encode()
    return answer[:-1] + b" " * (size - len(answer)) + b"}"


def _extensions(size: int) -> bytes:
    """Return a list of extensions of exactly so many bytes, 3.4 kB a record as it was seen."""
    records: list[bytes] = []
    length = 2
    while length < size - 4000:
        record = {"ex_number": str(100 + len(records)), "st_state": "NOT_INUSE", "ex_notes": "x" * 3300}
        records.append(json.dumps(record).encode())
        length += len(records[-1]) + 1
    text = b"[" + b",".join(records) + b"]"
    return text[:-1] + b" " * (size - len(text)) + b"]"


@contextlib.contextmanager
def _serving(bodies: dict[str, bytes]) -> Iterator[str]:
    """Answer each request type, or else its ``info``, with a body; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent = dict(parse_qsl(urlsplit(self.path).query))
            body = bodies[sent.get("tenant", "") or sent["reqtype"]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # what is too large is not read to its end
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that has gone: too large an answer is not read to its end."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_counts_of_more_than_eight_mebibytes(run_exporter: StartExporter) -> None:
    """A count of 8 MiB is read; one byte more is too large, and changes no value."""
    bodies = {"COUNTPEERS": _counts(8 * MEBIBYTE)}
    labels = {"switch": "pbx", "query": "peers", "scope": "switch", "tenant": "", "reason": "too_large"}
    with _serving(bodies) as url:
        exporter = run_exporter(_configuration(url, [], peers={"interval": "2s"}))
        wait_until(lambda: exporter.value("softswitch_peers", switch="pbx") == 7, 20, "the count")

        bodies["COUNTPEERS"] = _counts(8 * MEBIBYTE + 1)

        wait_until(lambda: exporter.value("softswitch_query_failure", **labels) == 1, 20, "too_large")
        assert exporter.value("softswitch_peers", switch="pbx") == 7


def test_lists_of_up_to_64_mebibytes(run_exporter: StartExporter) -> None:
    """A list of 64 MiB is read while pages are served; one byte more is too large, for its tenant alone."""
    bodies = {"FITS": _extensions(64 * MEBIBYTE), "BURSTS": _extensions(64 * MEBIBYTE + 1)}
    expected = bodies["FITS"].count(b"ex_number")
    labels = {"switch": "pbx", "query": "registrations", "scope": "tenant", "tenant": "BURSTS"}
    query = {"registrations": {"tenant_interval": "10s", "source": "extensions"}}
    with _serving(bodies) as url:
        exporter = run_exporter(_configuration(url, list(bodies), **query))
        slowest = 0.0

        def both_known() -> bool:
            nonlocal slowest
            started = time.monotonic()
            get(f"{exporter.base_url}/-/healthy")
            slowest = max(slowest, time.monotonic() - started)
            failed = exporter.value("softswitch_query_failure", reason="too_large", **labels)
            known = exporter.value(
                "softswitch_tenant_extensions", switch="pbx", tenant="FITS", state="registered"
            )
            return failed == 1 and known == expected

        wait_until(both_known, 60, "both lists")

    print_result(f"two lists of 64 MiB, {expected} extensions; the slowest /-/healthy took {slowest:.3f} s")
    assert _tenants_with(exporter, "softswitch_extension_registered") == {"FITS"}
    assert slowest < 1
