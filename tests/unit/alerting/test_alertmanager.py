import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.alerting import rules
from exporter.alerting.alertmanager import Alertmanager, Answer, Verdict, message
from exporter.alerting.engine import Alert, Now, State
from exporter.config import AlertmanagerConfiguration
from exporter.config.fields import ValidationContext
from exporter.masking import Mask
from tests.certificates import Authority, Pair

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_NO_PASSWORD = (
    "the proxy in proxy_url requires a user and password (HTTP 407); "
    "write them as http://USER:PASSWORD@HOST:PORT"
)


class _Peer:
    """A proxy or an Alertmanager that sends the same response to each message."""

    def __init__(self, response: bytes) -> None:
        self.port = 0
        self.heads: list[list[str]] = []
        self.clients: list[str] = []
        self.open: set[asyncio.Task[Any]] = set()
        self._response = response

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.open.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                length = next((line for line in head if line.startswith("Content-Length")), ":0")
                await reader.readexactly(int(length.partition(":")[2]))
                self.heads.append(head)
                if certificate := writer.get_extra_info("peercert"):
                    self.clients.append(dict(pair for (pair,) in certificate["subject"])["commonName"])
                writer.write(self._response)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def _serving(response: bytes = _OK, context: ssl.SSLContext | None = None) -> AsyncIterator[_Peer]:
    peer = _Peer(response)
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=context) as server:
        peer.port = server.sockets[0].getsockname()[1]
        yield peer
        await asyncio.gather(*peer.open)


def _alertmanager(mask: Mask, environment: Mapping[str, str] | None = None, **section: Any) -> Alertmanager:
    context = ValidationContext(Path("/"), environment or {})
    configuration = AlertmanagerConfiguration.model_validate(section, context=context)
    return Alertmanager(configuration, mask, lambda: 0.0)


async def _post(alertmanager: Alertmanager) -> Answer:
    try:
        return await alertmanager.post([])
    finally:
        await alertmanager.close()


async def test_a_proxy() -> None:
    """The message goes through the proxy, with its password, which is masked from then on."""
    mask = Mask()
    async with _serving() as proxy:
        answer = await _post(
            _alertmanager(
                mask,
                url="http://am.test:9093",
                proxy_url=f"http://user:p4ssw0rd@127.0.0.1:{proxy.port}",
                basic_auth={"username": "noc", "password": "0ther-pass"},
            )
        )
    assert answer.verdict is Verdict.ACCEPTED
    assert proxy.heads[0][0] == "POST http://am.test:9093/api/v2/alerts HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in proxy.heads[0][1:])
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwNHNzdzByZA=="
    assert headers["Authorization"] == "Basic bm9jOjB0aGVyLXBhc3M="
    assert mask("p4ssw0rd 0ther-pass") == "*** ***"


async def test_a_proxy_of_the_environment() -> None:
    """It is used if `proxy_url` is absent, unless NO_PROXY or `off` exclude it."""
    async with _serving() as proxy, _serving() as direct:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "other.test"}
        mask, url = Mask(), "http://am.test:9093"
        assert (await _post(_alertmanager(mask, environment, url=url))).verdict is Verdict.ACCEPTED
        assert len(proxy.heads) == 1
        for section in ({"url": "http://other.test:9"}, {"url": url, "proxy_url": "off"}):
            answer = await _post(_alertmanager(mask, environment, **section))
            assert answer.verdict is Verdict.FAILED
        local = _alertmanager(mask, environment, url=f"http://127.0.0.1:{direct.port}")
        assert (await _post(local)).verdict is Verdict.ACCEPTED
        assert (len(proxy.heads), len(direct.heads)) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", _NO_PASSWORD),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
    ],
)
async def test_an_error_of_the_proxy(answer: bytes, detail: str) -> None:
    """A 407 is the proxy's; another status may be of either."""
    async with _serving(answer) as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        found = await _post(_alertmanager(Mask(), url="http://am.test:9093", proxy_url=proxy_url))
    assert found == Answer(Verdict.FAILED, detail)


async def test_where_nothing_listens() -> None:
    """The failure names the proxy, if there is one, in words and without an address in Python syntax."""
    found = await _post(_alertmanager(Mask(), url="http://am.test", proxy_url="http://127.0.0.1:9"))
    assert found.detail == "no connection to the proxy in proxy_url: Connection refused"
    found = await _post(_alertmanager(Mask(), url="http://127.0.0.1:9"))
    assert found == Answer(Verdict.FAILED, "no connection: Connection refused")


def _server(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_a_changed_authority_is_read_again(tmp_path: Path, authority: Authority) -> None:
    """No reload is needed."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(Authority(authority.openssl, tmp_path, "other").certificate.read_bytes())
    pair = authority.issue("am")
    async with _serving(context=_server(pair)) as server:
        alertmanager = _alertmanager(
            Mask(),
            url=f"https://127.0.0.1:{server.port}",
            tls={"ca_file": str(ca_file), "server_name": "localhost"},
        )
        answer = await alertmanager.post([])
        assert (answer.verdict, answer.detail.partition(":")[0]) == (
            Verdict.FAILED,
            "its certificate was not accepted",
        )
        ca_file.write_bytes(authority.certificate.read_bytes())
        async with asyncio.timeout(20):
            while answer.verdict is not Verdict.ACCEPTED:
                await asyncio.sleep(0.05)
                answer = await alertmanager.post([])
        await alertmanager.close()


async def test_a_client_certificate_that_changes(authority: Authority, tmp_path: Path) -> None:
    """A later message uses the new certificate, without a reload."""
    pairs = {name: authority.issue(name) for name in ("server", "old", "new")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pairs["server"].certificate, pairs["server"].key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    file = tmp_path / "client.pem"
    for name in ("old", "new"):
        both = pairs[name].certificate.read_bytes() + pairs[name].key.read_bytes()
        (tmp_path / f"{name}-both.pem").write_bytes(both)
    shutil.copy(tmp_path / "old-both.pem", file)
    async with _serving(context=context) as peer:
        tls = {"ca_file": str(authority.certificate), "cert_file": str(file)}
        alertmanager = _alertmanager(Mask(), url=f"https://localhost:{peer.port}", tls=tls)
        await alertmanager.load()
        await alertmanager.post([])
        shutil.copy(tmp_path / "new-both.pem", file)
        while peer.clients[-1] == "old":
            assert (await alertmanager.post([])).verdict is Verdict.ACCEPTED
        await alertmanager.close()
    assert peer.clients[-1] == "new"


_WALL = 1_700_000_000.0
_NODE = (rules.NODE_MISSING, (("switch", "pbx"), ("node", "pbx1")))


def _ago(text: str) -> float:
    return _WALL - datetime.fromisoformat(text).timestamp()


def _firing() -> Alert:
    return Alert(_NODE, State.FIRING, 600.0, 0.0, 0.0, fired_at=600.0)


def test_a_firing_alert_expires_in_four_minutes() -> None:
    """It starts when it began to fire."""
    sent = message(_firing(), {}, Now(660.0, _WALL))

    assert (_ago(sent["startsAt"]), _ago(sent["endsAt"])) == (60, -240)
    assert sent["labels"] == {
        "alertname": "SoftswitchNodeMissing",
        "severity": "critical",
        "scope": "node",
        "switch": "pbx",
        "node": "pbx1",
    }
    assert sent["annotations"].keys() == {"summary", "description", "runbook_url"}


def test_an_ended_alert_has_its_end() -> None:
    """Both times are in the past."""
    alert = Alert(_NODE, State.RESOLVED, 720.0, 0.0, 0.0, fired_at=600.0)
    sent = message(alert, {}, Now(780.0, _WALL))

    assert (_ago(sent["startsAt"]), _ago(sent["endsAt"])) == (180, 60)


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_stepped_clock_moves_both_times(step: float) -> None:
    """Ages stay the same, whatever the wall clock shows."""
    sent = message(_firing(), {}, Now(660.0, _WALL + step))

    assert (_ago(sent["startsAt"]) + step, _ago(sent["endsAt"]) + step) == (60, -240)


def test_a_moment_in_the_future_is_now() -> None:
    """Moments are whole intervals, so one may be a little ahead of the clock."""
    assert _ago(message(_firing(), {}, Now(590.0, _WALL))["startsAt"]) == 0


def test_configured_labels_are_added_and_override_nothing() -> None:
    """As external_labels in Prometheus; empty ones are dropped, as Alertmanager does."""
    labels = message(_firing(), {"site": "eu", "node": "mine", "empty": ""}, Now(660.0, _WALL))["labels"]

    assert (labels["site"], labels["node"], "empty" in labels) == ("eu", "pbx1", False)
