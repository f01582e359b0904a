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


def _users(cost: int) -> dict[str, Any]:
    known = bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)).decode()
    return {"basic_auth_users": {"alice": known, "josé": known}}


_USERS = _users(4)


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
async def _guarded(written: Mapping[str, Any], access: Access | None = None) -> AsyncIterator[Client]:
    """Serve pages with the rules of a web configuration."""
    access = access or Access(Passwords())
    access.apply(WebConfiguration.model_validate(written), None)
    application = web.Application()
    application.router.add_get("/-/healthy", _page)
    application.router.add_get("/metrics", _stream)
    application.router.add_get("/", _page)
    application.router.add_post("/-/reload", _page)
    access.guard(application)
    async with TestClient(TestServer(application)) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/nothing", "/-/reload", "/-/healthy/"])
async def test_everything_but_health_needs_a_password(method: str, path: str) -> None:
    """This includes paths that do not exist, and those that resemble the open one."""
    async with _guarded(_USERS) as client:
        response = await client.request(method, path)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="softswitch-exporter", charset="UTF-8"'
        assert method == "HEAD" or "A valid user and password are required" in await response.text()
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
async def test_no_spelling_of_a_path_bypasses_the_password(target: str) -> None:
    """The rules and the router see the same path."""
    async with _guarded(_USERS) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        response = await reader.read()
        writer.close()
    assert response.split()[1] in {b"401", b"400"}
    assert b"a page" not in response


@pytest.mark.parametrize("auth", [_ALICE, _as("josé", "secret")])
async def test_a_correct_password(auth: dict[str, str]) -> None:
    """It gives access to every page, and a path that does not exist stays 404."""
    async with _guarded(_USERS) as client:
        assert (await client.get("/metrics", headers=auth)).status == 200
        assert (await client.post("/-/reload", headers=auth)).status == 200
        assert (await client.get("/nothing", headers=auth)).status == 404


async def test_headers_are_on_every_response() -> None:
    """They are on pages, streams, refusals and errors, until another configuration applies."""
    access = Access(Passwords())
    headers = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'"}
    async with _guarded({"http_server_config": {"headers": headers}, **_USERS}, access) as client:
        for auth in (_ALICE, {}):
            for path in ("/metrics", "/nothing", "/-/healthy"):
                response = await client.get(path, headers=auth)
                assert headers.items() <= dict(response.headers).items()
        access.apply(WebConfiguration(), None)
        response = await client.get("/metrics")
        assert (response.status, headers.keys() & response.headers.keys()) == (200, set())


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
async def test_cross_site_requests(headers: dict[str, str], status: int) -> None:
    """They are rejected if they change something. curl sends neither header, and is accepted."""
    async with _guarded({}) as client:
        assert (await client.post("/-/reload", headers=headers)).status == status
        assert (await client.get("/metrics", headers=headers)).status == 200


_REBOUND = {"Host": "evil.example:10390"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/-/healthy", 200), ("GET", "/metrics", 200), ("GET", "/", 403), ("POST", "/-/reload", 403)],
)
async def test_an_unknown_host(method: str, path: str, status: int) -> None:
    """It can read the open paths, but neither the status nor reload."""
    access = Access(Passwords(), open_paths=["/metrics", "/-/healthy"])
    async with _guarded({}, access) as client:
        response = await client.request(method, path, headers=_REBOUND)
        assert response.status == status
        if status == 403:
            assert "--web.external-url=http://evil.example:10390" in await response.text()
        assert (await client.request(method, path)).status == 200


async def test_a_password_replaces_the_check_of_the_host() -> None:
    """A browser has no password for another site's name."""
    async with _guarded(_USERS) as client:
        assert (await client.post("/-/reload", headers={**_ALICE, **_REBOUND})).status == 200
        assert (await client.post("/-/reload", headers=_REBOUND)).status == 401


async def test_a_reverse_proxy() -> None:
    """The external URL is an allowed origin, whatever host the proxy sends."""
    access = Access(Passwords(), Hosts(external_url="https://exporter.example/pbx"))
    async with _guarded({}, access) as client:
        for host in ("exporter.example", "10.0.0.1:10390"):
            headers = {"Host": host, "Origin": "https://exporter.example"}
            assert (await client.post("/-/reload", headers=headers)).status == 200
            assert (await client.post("/-/reload", headers={**headers, "Origin": "https://x"})).status == 403


async def test_too_many_passwords() -> None:
    """Of many concurrent wrong passwords from one address, most get 429, and none 200."""
    async with _guarded(_users(8)) as client:
        wrong = [client.get("/metrics", headers=_as("alice", str(number))) for number in range(50)]
        responses = [await response for response in asyncio.as_completed(wrong)]
        assert {response.status for response in responses} == {401, 429}
        busy = [response for response in responses if response.status == 429]
        assert {response.headers["Retry-After"] for response in busy} == {"1"}


def test_names_of_client_certificates() -> None:
    """The kinds are those of exporter-toolkit; IP addresses have their short form."""
    names = [
        ("DNS", "a.example"),
        ("email", "b@c.example"),
        ("URI", "spiffe://d"),
        ("othername", "e"),
        ("DirName", ((("commonName", "x"),),)),
        ("IP Address", "0:0:0:0:0:0:0:1"),
        ("IP Address", "192.0.2.1"),
    ]
    expected = {"a.example", "b@c.example", "spiffe://d", "::1", "192.0.2.1"}
    assert certificate_names({"subjectAltName": names}) == expected
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
        f"{socket.gethostname()}:10390",
        "",
        None,
    ],
)
def test_allowed_hosts(host: str | None) -> None:
    """Addresses, unregistrable names, listen addresses, the external URL and the host name are allowed."""
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
def test_other_hosts(host: str) -> None:
    """A name that anyone could register is not allowed, whatever it contains."""
    assert not _HOSTS.allows(host)


@given(st.text())
def test_untrusted_hosts(host: str) -> None:
    """No host raises, and the refusal is one printable line."""
    assert Hosts().allows(host) in {True, False}
    assert host_refusal(host).isprintable()
