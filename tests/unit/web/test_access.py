import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import bcrypt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import WebConfiguration
from exporter.web.access import Access, Hosts, certificate_names, host_refusal
from exporter.web.passwords import Passwords

_HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
_USERS = {"basic_auth_users": {"alice": _HASH, "josé": _HASH}}


def _as(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


_ALICE = _as("alice", "secret")

Client = TestClient[web.Request, web.Application]


async def _page(_: web.Request) -> web.Response:
    return web.Response(text="a page")


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"a page")
    return response


@contextlib.asynccontextmanager
async def _guarded(access: Access, written: Mapping[str, Any]) -> AsyncIterator[Client]:
    """Serve pages under the rules of a web configuration."""
    access.apply(WebConfiguration.model_validate(written), None)
    application = web.Application()
    application.router.add_get("/-/healthy", _page)
    application.router.add_get("/metrics", _stream)
    application.router.add_get("/", _page)
    application.router.add_post("/-/reload", _page)
    access.guard(application)
    async with TestClient(TestServer(application)) as client:
        yield client


async def test_without_users_all_are_let_in() -> None:
    """An empty configuration asks for nothing, and adds no header."""
    async with _guarded(Access(Passwords()), {}) as client:
        answer = await client.get("/metrics")
        assert (answer.status, await answer.text()) == (200, "a page")
        assert "X-Frame-Options" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/nothing", "/-/reload", "/-/healthy/"])
async def test_everything_but_health_needs_a_password(method: str, path: str) -> None:
    """Also what does not exist, and paths that look like the open one."""
    async with _guarded(Access(Passwords()), _USERS) as client:
        answer = await client.request(method, path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="softswitch-exporter", charset="UTF-8"'
        assert await answer.text() == (
            "A user and the right password are needed.\n" if method != "HEAD" else ""
        )
        assert (await client.get("/-/healthy")).status == 200
        assert (await client.get("/-/health%79")).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "//-/healthy",
        "/-/healthy/../../metrics",
        "/-/healthy/..%2f..%2fmetrics",
        "/-/healthy;/../metrics",
        "/metrics?/-/healthy",
        "/metrics#/-/healthy",
        "http://127.0.0.1/metrics",
        "http:///-/healthy/../metrics",
        "127.0.0.1/-/healthy",
    ],
)
async def test_no_spelling_leads_around_the_password(target: str) -> None:
    """What stands in a request line is one path for the rules and for the pages."""
    async with _guarded(Access(Passwords()), _USERS) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    assert answer.split()[1] in {b"401", b"400"}
    assert b"a page" not in answer


@pytest.mark.parametrize("auth", [_ALICE, _as("josé", "secret")])
async def test_the_right_password(auth: dict[str, str]) -> None:
    """It opens every page, and does not make those exist that do not."""
    async with _guarded(Access(Passwords()), _USERS) as client:
        assert (await client.get("/metrics", headers=auth)).status == 200
        assert (await client.post("/-/reload", headers=auth)).status == 200
        assert (await client.get("/nothing", headers=auth)).status == 404


async def test_headers_stand_on_every_answer() -> None:
    """On pages, on streams, on refusals and on what does not exist; another configuration changes them."""
    access = Access(Passwords())
    headers = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'"}
    async with _guarded(access, {"http_server_config": {"headers": headers}, **_USERS}) as client:
        for auth in (_ALICE, {}):
            for path in ("/metrics", "/nothing", "/-/healthy"):
                answer = await client.get(path, headers=auth)
                assert headers.items() <= dict(answer.headers).items()
        access.apply(WebConfiguration(), None)
        answer = await client.get("/metrics")
        assert (answer.status, headers.keys() & answer.headers.keys()) == (200, set())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://exporter:10390", "Host": "exporter:10390"}, 200),
        ({"Origin": "http://Exporter:10390", "Host": "exporter:10390"}, 200),
        ({"Origin": "http://exporter:10391", "Host": "exporter:10390"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://[evil"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://behind.a.proxy", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_what_another_site_makes_a_browser_send(headers: dict[str, str], status: int) -> None:
    """A browser says where a request comes from; curl says nothing, and is no victim. Reading is harmless."""
    async with _guarded(Access(Passwords()), {}) as client:
        assert (await client.post("/-/reload", headers=headers)).status == status
        assert (await client.get("/metrics", headers=headers)).status == 200


_REBOUND = {"Host": "evil.example:10390"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/-/healthy", 200), ("GET", "/metrics", 200), ("GET", "/", 403), ("POST", "/-/reload", 403)],
)
async def test_a_name_of_somebody_else(method: str, path: str, status: int) -> None:
    """Under it there are the metrics and health, and neither the status nor a reload."""
    access = Access(Passwords(), open_paths=["/metrics", "/-/healthy"])
    async with _guarded(access, {}) as client:
        answer = await client.request(method, path, headers=_REBOUND)
        assert answer.status == status
        if status == 403:
            assert "--web.external-url=http://evil.example:10390" in await answer.text()
        assert (await client.request(method, path)).status == 200


async def test_a_password_makes_the_name_irrelevant() -> None:
    """A browser has sent none for a name that is not ours."""
    async with _guarded(Access(Passwords()), _USERS) as client:
        assert (await client.post("/-/reload", headers={**_ALICE, **_REBOUND})).status == 200
        assert (await client.post("/-/reload", headers=_REBOUND)).status == 401


async def test_behind_a_proxy() -> None:
    """A page at the external URL may send what changes something, whatever host the proxy asks for."""
    access = Access(Passwords(), Hosts(external_url="https://exporter.example/pbx"))
    async with _guarded(access, {}) as client:
        for host in ("exporter.example", "10.0.0.1:10390"):
            headers = {"Host": host, "Origin": "https://exporter.example"}
            assert (await client.post("/-/reload", headers=headers)).status == 200
            assert (await client.post("/-/reload", headers={**headers, "Origin": "https://x"})).status == 403


async def test_too_many_at_once() -> None:
    """A crowd with wrong passwords from one address is told to come back; none of it is let in."""
    async with _guarded(Access(Passwords()), {"basic_auth_users": {"alice": _hash_of_cost(8)}}) as client:
        wrong = [client.get("/metrics", headers=_as("alice", str(number))) for number in range(50)]
        answers = [await answer for answer in asyncio.as_completed(wrong)]
        assert {answer.status for answer in answers} == {401, 429}
        assert {answer.headers["Retry-After"] for answer in answers if answer.status == 429} == {"1"}


def _hash_of_cost(cost: int) -> str:
    return bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)).decode()


def test_names_of_client_certificates() -> None:
    """Of every kind that the toolkit compares, addresses in their short form, and of no other kind."""
    directory = ("DirName", ((("commonName", "x"),),))
    names = [
        ("DNS", "a.example"),
        ("email", "b@c.example"),
        ("URI", "spiffe://d"),
        ("othername", "e"),
        directory,
    ]
    addresses = [("IP Address", "0:0:0:0:0:0:0:1"), ("IP Address", "192.0.2.1")]
    assert certificate_names({"subjectAltName": (*names, *addresses)}) == {
        *("a.example", "b@c.example", "spiffe://d", "::1", "192.0.2.1")
    }
    assert certificate_names({}) == set()


_HOSTS = Hosts([(None, 10390), ("pbx.example.com", 10390)], "https://Monitoring.example.com:8443/exporter")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "192.0.2.7:10390",
        "[::1]:10390",
        "[2001:db8::1]",
        "localhost:10390",
        "exporter:10390",
        "exporter.monitoring.svc:10390",
        "exporter.monitoring.svc.cluster.local",
        "a.localhost",
        "pbx.example.com:10390",
        "monitoring.example.com",
        "MONITORING.example.com.:80",
        "",
        None,
    ],
)
def test_our_names(host: str | None) -> None:
    """Addresses, names that nobody can own, those listened on, and that of the external URL, at any port."""
    assert _HOSTS.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:10390",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:80:10390",
        "xsvc.example",
        "monitoring.example.com.evil.example",
        "[::1].evil.example",
        "a.svc.evil.example",
    ],
)
def test_names_of_somebody_else(host: str) -> None:
    """A name that anybody could let lead here is not ours, whatever is in it."""
    assert not _HOSTS.allows(host)


def test_the_name_of_the_machine() -> None:
    """It is allowed without being named."""
    assert Hosts().allows(f"{socket.gethostname()}:10390")


@given(st.text())
def test_any_host_is_judged(host: str) -> None:
    """Nothing is raised, and the refusal is one line that a terminal can show."""
    assert Hosts().allows(host) in {True, False}
    assert host_refusal(host).isprintable()


def test_the_refusal_says_what_to_do() -> None:
    """It names the flag, as it is to be set."""
    assert (
        "start the exporter with --web.external-url=http://exporter.example:10390 (or https)"
        in host_refusal("exporter.example:10390")
    )
