import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Collection
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.metrics.exposition import Exposition, Format
from exporter.store import Store
from exporter.web import Server, Sources, serve
from tests.unit.web.conftest import Pollers

_LOCAL = ("127.0.0.1", 0)


class _Poller:
    """The part of a poller that readiness needs."""

    def __init__(self, *, tried: bool) -> None:
        self.tried = tried

    def is_tried(self) -> bool:
        return self.tried


@contextlib.asynccontextmanager
async def _serving(sources: Sources, path: str = "/metrics", **changes: Any) -> AsyncIterator[Server]:
    server = await serve(dataclasses.replace(sources, **changes), [_LOCAL], path)
    try:
        yield server
    finally:
        await server.close()


async def _get(server: Server, path: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    host, port = server.addresses[0]
    url = f"http://{host}:{port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, allow_redirects=False, headers=headers) as response,
    ):
        await response.read()
        return response


async def test_routes(sources: Sources) -> None:
    """Every path returns its content type."""
    async with _serving(sources) as server:
        for path, content_type in {
            "/metrics": Format.TEXT.value,
            "/": "text/html; charset=utf-8",
            "/api/v1/status": "application/json; charset=utf-8",
            "/-/healthy": "text/plain; charset=utf-8",
            "/-/ready": "text/plain; charset=utf-8",
            "/sd": "application/json; charset=utf-8",
        }.items():
            response = await _get(server, path)
            assert (response.status, response.headers["Content-Type"]) == (200, content_type)


@pytest.mark.parametrize("path", ["/metrics", "/own"])
async def test_a_scrape_of_some_switches(sources: Sources, path: str) -> None:
    """The parameters select the series, at any telemetry path, in any format and encoding."""
    asked: list[Collection[str] | None] = []

    def stores(switches: Collection[str] | None) -> list[Store]:
        asked.append(switches)
        return []

    registry = CollectorRegistry()
    Gauge("own", "The exporter's.", registry=registry)
    exposition = Exposition(stores, registry)
    async with _serving(sources, path, exposition=exposition, switches=lambda: ["a", "b&c"]) as server:
        for query, own in {
            "": True,
            "?switch=a&switch=b%26c": False,
            "?switch=": True,
            "?only=exporter&switch=a": True,
        }.items():
            response = await _get(server, f"{path}{query}")
            assert (response.status, "own" in await response.text()) == (200, own)
        accepted = {"Accept": Format.OPENMETRICS.value, "Accept-Encoding": "gzip"}
        response = await _get(server, f"{path}?switch=a", **accepted)
        assert (response.headers["Content-Encoding"], await response.text()) == ("gzip", "# EOF\n")
        response = await _get(server, f"{path}?switch=x")
        assert (response.status, await response.text()) == (
            400,
            'Unknown switch "x". Configured: "a", "b&c".\n',
        )
        assert f'href="./{path[1:]}"' in await (await _get(server, "/")).text()
        assert (await _get(server, "/own" if path == "/metrics" else "/metrics")).status == 404
        [own_target, *_] = await (await _get(server, "/sd")).json()
        assert own_target["labels"].get("__metrics_path__", "/metrics") == path
    assert asked == [None, {"a", "b&c"}, set(), {"a"}, {"a"}]


async def test_service_discovery_has_the_access_rules_of_a_scrape(sources: Sources) -> None:
    """Both can be read with any Host, unlike the pages."""
    async with _serving(sources) as server:
        for path, status in {"/metrics": 200, "/sd": 200, "/": 403}.items():
            assert (await _get(server, path, Host="exporter.example.com")).status == status


async def test_the_page_of_a_tenant(sources: Sources, pollers: Pollers) -> None:
    """An unknown tenant or switch is 404, with a page that names it, escaped, and links to the status."""
    poller = pollers(tenants=[{"code": "A&B"}])
    async with _serving(sources, pollers=lambda: [poller]) as server:
        assert (await _get(server, "/tenant?switch=pbx&tenant=A%26B")).status == 200
        for query, text in {
            "switch=pbx&tenant=%3C": "There is no tenant &#34;&lt;&#34; on the switch &#34;pbx&#34;.",
            "switch=other&tenant=A%26B": "There is no switch &#34;other&#34;.",
            "": "There is no switch &#34;&#34;.",
        }.items():
            response = await _get(server, f"/tenant?{query}")
            assert (response.status, response.content_type) == (404, "text/html")
            page = await response.text()
            assert text in page
            assert 'href="./"' in page


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/api/v1", "//metrics"])
async def test_unknown_paths(path: str, sources: Sources) -> None:
    """Any other path is 404."""
    async with _serving(sources) as server:
        assert (await _get(server, path)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy"])
async def test_pages_are_read_only(method: str, path: str, sources: Sources) -> None:
    """Other methods are 405."""
    async with _serving(sources) as server:
        assert (await _get(server, path, method)).status == 405


async def test_many_tenants(pollers: Pollers, sources: Sources) -> None:
    """The page has 100 tenants and a link to all of them; the JSON has all."""
    poller = pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])
    async with _serving(sources, pollers=lambda: [poller]) as server:
        some, every, as_json = [
            await (await _get(server, path)).text() for path in ("/", "/?tenants=all", "/api/v1/status")
        ]
    assert (some.count("T099"), some.count("T100"), every.count('data-key="pbx T')) == (3, 0, 150)
    assert 'href="./?tenants=all"' in some
    assert 'href="./?tenants=all"' not in every
    assert as_json.count('"tenant": "T') == 150


async def test_pages_are_compressed(pollers: Pollers, sources: Sources) -> None:
    """They are compressed only for clients that accept gzip; a HEAD has no body."""
    poller = pollers(tenants=[{"code": f"T{number:03}"} for number in range(100)])
    async with _serving(sources, pollers=lambda: [poller]) as server:
        packed = await _get(server, "/", **{"Accept-Encoding": "br, gzip"})
        plain = await _get(server, "/", **{"Accept-Encoding": "br, gzip;q=0"})
        head = await _get(server, "/", "HEAD", **{"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
        assert (head.status, await head.text()) == (200, "")


async def test_nothing_from_a_switch_can_run(sources: Sources) -> None:
    """Every page and file forbids other scripts and styles, frames, type guessing and caching."""
    async with _serving(sources) as server:
        page = await (await _get(server, "/")).text()
        files = re.findall(r'(?:src|href)="\.(/-/static/[^"]+)"', page)
        assert len(files) == 3
        for path in ("/", "/api/v1/status", *files, "/-/static/words.js"):
            response = await _get(server, path)
            policy = response.headers["Content-Security-Policy"].split("; ")
            assert response.status == 200
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
            assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "data:" in rule]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cache-Control"] == "no-store"


async def test_health_follows_the_scheduler(sources: Sources) -> None:
    """It is 503 while the scheduler makes no progress, whatever the state of switches."""
    progress = [True, False, True]
    pollers = [_Poller(tried=False)]
    async with _serving(sources, is_progressing=lambda: progress.pop(0), pollers=lambda: pollers) as server:
        assert [(await _get(server, "/-/healthy")).status for _ in range(3)] == [200, 503, 200]


async def test_readiness(sources: Sources) -> None:
    """It is 200 after every query of every switch has been tried, or after two minutes."""
    pollers, now = [_Poller(tried=True), _Poller(tried=False)], 1000.0
    clock = Clock(monotonic=lambda: now)
    async with _serving(sources, pollers=lambda: pollers, clock=clock) as server:
        assert (await _get(server, "/-/ready")).status == 503
        now += 119.9
        assert (await _get(server, "/-/ready")).status == 503
        now += 0.1
        assert (await _get(server, "/-/ready")).status == 200
        now -= 100
        pollers[1].tried = True
        assert (await _get(server, "/-/ready")).status == 200


async def test_the_real_ports(sources: Sources) -> None:
    """With port 0 the system chooses a port for each address."""
    server = await serve(sources, [_LOCAL, _LOCAL], "/metrics")
    (first, one), (second, other) = server.addresses
    await server.close()
    assert first == second == "127.0.0.1"
    assert len({0, one, other}) == 3


@pytest.mark.parametrize("host", [None, "::", "0.0.0.0"])  # noqa: S104 -- what operators write
async def test_every_interface(host: str | None, sources: Sources) -> None:
    """An empty host, [::] and 0.0.0.0 are one socket for IPv4 and IPv6, as in Go."""
    server = await serve(sources, [(host, 0)], "/metrics")
    ((_, port),) = server.addresses
    for url in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/healthy") as response:
            assert response.status == 200
    with pytest.raises(StartError, match="address already in use; choose"):
        await serve(sources, [(host, port)], "/metrics")
    await server.close()


async def test_an_address_in_use(sources: Sources) -> None:
    """The error has the address, the reason and the flag to change; no other address stays bound."""
    async with _serving(sources) as server:
        port = server.addresses[0][1]
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        other = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        with pytest.raises(StartError) as raised:
            await serve(sources, [("127.0.0.1", other), ("127.0.0.1", port)], "/metrics")
    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose another address with --web.listen-address"
    )
    again = await serve(sources, [("127.0.0.1", other)], "/metrics")
    await again.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_invalid_addresses(host: str, sources: Sources) -> None:
    """An unknown name and an address of another machine are start errors."""
    with pytest.raises(StartError, match="cannot listen on"):
        await serve(sources, [(host, 0)], "/metrics")


async def test_close_does_not_wait_for_clients(sources: Sources) -> None:
    """Neither an idle connection nor an incomplete request delays it."""
    server = await serve(sources, [_LOCAL], "/metrics")
    host, port = server.addresses[0]
    _, idle = await asyncio.open_connection(host, port)
    _, half = await asyncio.open_connection(host, port)
    half.write(b"GET /metrics HTTP/1.1\r\nHost:")
    await half.drain()
    async with asyncio.timeout(3):
        await server.close()
    idle.close()
    half.close()
