import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.errors import ConfigurationError, StartError
from exporter.masking import Mask
from exporter.metrics.exposition import Exposition, Format
from exporter.poll import Poller
from exporter.web import Server, Sources, serve
from tests.unit.web.conftest import Pollers


class _Poller:
    """As much of a poller as readiness asks for."""

    def __init__(self, *, tried: bool) -> None:
        self.tried = tried

    def is_tried(self) -> bool:
        return self.tried


@dataclass
class _State:
    """What the pages are about, to be changed by a test."""

    now: float = 1000.0
    progressing: bool = True
    pollers: list[Any] = field(default_factory=list)

    def sources(self) -> Sources:
        def pollers() -> Sequence[Poller]:
            return self.pollers

        exposition = Exposition(list, CollectorRegistry(), lambda: None)
        return Sources(exposition, pollers, lambda: self.progressing, Clock(monotonic=lambda: self.now))


@contextlib.asynccontextmanager
async def _serving(state: _State, path: str = "/metrics") -> AsyncIterator[Server]:
    server = await serve(state.sources(), [("127.0.0.1", 0)], path)
    try:
        yield server
    finally:
        await server.close()


async def _get(server: Server, path: str, method: str = "GET") -> tuple[int, str, str]:
    response = await _response(server, path, method)
    return response.status, response.headers.get("Content-Type", ""), await response.text()


async def _response(server: Server, path: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    host, port = server.addresses[0]
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, f"http://{host}:{port}{path}", allow_redirects=False, headers=headers
        ) as response,
    ):
        await response.read()
        return response


async def test_routes() -> None:
    """Every path of section 7 of the design that is for reading answers with what it should."""
    async with _serving(_State()) as server:
        assert await _get(server, "/metrics") == (200, Format.TEXT.value, "")
        status, kind, page = await _get(server, "/")
        assert (status, kind) == (200, "text/html; charset=utf-8")
        assert "softswitch-exporter" in page
        status, kind, _ = await _get(server, "/api/v1/status")
        assert (status, kind) == (200, "application/json; charset=utf-8")
        assert (await _get(server, "/-/healthy"))[0] == 200
        assert (await _get(server, "/-/ready"))[0] == 200


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/reload", "/api/v1", "//metrics"])
async def test_what_is_not_there(path: str) -> None:
    """Any other path is 404, and says nothing about the inside."""
    async with _serving(_State()) as server:
        assert (await _get(server, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy"])
async def test_pages_are_read_only(method: str, path: str) -> None:
    """Nothing is changed by a page."""
    async with _serving(_State()) as server:
        assert (await _get(server, path, method))[0] == 405


async def test_another_telemetry_path() -> None:
    """The metrics are where they were asked for, only there, and the status page leads there."""
    async with _serving(_State(), "/telemetry/pbx") as server:
        assert (await _get(server, "/telemetry/pbx"))[0] == 200
        assert (await _get(server, "/metrics"))[0] == 404
        assert 'href="./telemetry/pbx"' in (await _get(server, "/"))[2]


async def test_all_of_many_tenants(pollers: Pollers) -> None:
    """The page comes with 100 tenants and a link to the others, the JSON with all."""
    poller = pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])
    async with _serving(_State(pollers=[poller])) as server:
        some, every = (await _get(server, "/"))[2], (await _get(server, "/?tenants=all"))[2]
        assert (some.count("T099"), some.count("T100"), every.count('data-key="T')) == (2, 0, 150)
        assert 'href="./?tenants=all"' in some
        assert 'href="./?tenants=all"' not in every
        assert (await _get(server, "/api/v1/status"))[2].count('"tenant": "T') == 150


@pytest.mark.parametrize("path", ["/", "/api/v1/status"])
async def test_large_pages_are_packed(path: str, pollers: Pollers) -> None:
    """For whoever takes gzip, and for nobody else; a HEAD has no body."""
    poller = pollers(tenants=[{"code": f"T{number:03}"} for number in range(100)])
    async with _serving(_State(pollers=[poller])) as server:
        packed = await _response(server, path, **{"Accept-Encoding": "br, gzip"})
        plain = await _response(server, path, **{"Accept-Encoding": "br, gzip;q=0"})
        head = await _response(server, path, "HEAD", **{"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
        assert (head.status, await head.text()) == (200, "")


async def test_what_a_switch_says_cannot_be_run() -> None:
    """Each page and file says: no script and no style but our own, no frame, no guessing, no keeping."""
    async with _serving(_State()) as server:
        page = (await _get(server, "/"))[2]
        files = re.findall(r'(?:src|href)="\.(/-/static/[^"]+)"', page)
        assert len(files) == 3
        for path in ("/", "/api/v1/status", *files, "/-/static/words.js"):
            response = await _response(server, path)
            policy = response.headers["Content-Security-Policy"].split("; ")
            assert response.status == 200
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
            assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "data:" in rule]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cache-Control"] == "no-store"


async def test_healthy_while_the_scheduler_makes_progress() -> None:
    """Its own progress decides, and nothing about switches."""
    state = _State(pollers=[_Poller(tried=False)])
    async with _serving(state) as server:
        assert (await _get(server, "/-/healthy"))[0] == 200
        state.progressing = False
        assert (await _get(server, "/-/healthy"))[0] == 503
        state.progressing = True
        assert (await _get(server, "/-/healthy"))[0] == 200


async def test_ready_when_every_query_was_tried() -> None:
    """Each switch has to have tried everything; one that did is not enough."""
    pollers = [_Poller(tried=True), _Poller(tried=False)]
    async with _serving(_State(pollers=pollers)) as server:
        assert (await _get(server, "/-/ready"))[0] == 503
        pollers[1].tried = True
        assert (await _get(server, "/-/ready"))[0] == 200


async def test_ready_after_two_minutes() -> None:
    """A switch that hangs does not keep the exporter out for ever."""
    state = _State(pollers=[_Poller(tried=False)])
    async with _serving(state) as server:
        state.now += 119.9
        assert (await _get(server, "/-/ready"))[0] == 503
        state.now += 0.1
        assert (await _get(server, "/-/ready"))[0] == 200


async def test_the_real_port_is_told() -> None:
    """With port 0 the system chooses, once for each address that was asked for."""
    server = await serve(_State().sources(), [("127.0.0.1", 0), ("127.0.0.1", 0)], "/metrics")

    (first, one), (second, other) = server.addresses
    await server.close()

    assert first == second == "127.0.0.1"
    assert len({0, one, other}) == 3


@pytest.mark.parametrize("host", [None, "::", "0.0.0.0"])  # noqa: S104 -- what operators write
async def test_every_interface(host: str | None) -> None:
    """An empty host, [::] and 0.0.0.0 are one socket for IPv4 and IPv6, as in Go."""
    server = await serve(_State().sources(), [(host, 0)], "/metrics")
    ((_, port),) = server.addresses
    for url in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/healthy") as response:
            assert response.status == 200
    with pytest.raises(StartError, match="address already in use; choose"):
        await serve(_State().sources(), [(host, port)], "/metrics")
    await server.close()


async def test_an_address_in_use() -> None:
    """The error says which address, why, and what to do, in one line."""
    async with _serving(_State()) as server:
        port = server.addresses[0][1]
        with pytest.raises(StartError) as raised:
            await serve(_State().sources(), [("127.0.0.1", port)], "/metrics")

    text = str(raised.value)
    assert text.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "address already in use" in text
    assert text.endswith("choose another address with --web.listen-address")
    assert text.count(str(port)) == 1


async def test_all_addresses_or_none() -> None:
    """Where the second address cannot be had, the first one is given back."""
    async with _serving(_State()) as server:
        taken = server.addresses[0][1]
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()

        with pytest.raises(StartError):
            await serve(_State().sources(), [("127.0.0.1", port), ("127.0.0.1", taken)], "/metrics")

    again = await serve(_State().sources(), [("127.0.0.1", port)], "/metrics")
    await again.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_an_address_that_is_not_ours(host: str) -> None:
    """A name that is not known, and an address of another machine, are start errors too."""
    with pytest.raises(StartError, match="cannot listen on"):
        await serve(_State().sources(), [(host, 0)], "/metrics")


async def test_close_is_quick_with_a_client_that_does_nothing() -> None:
    """A connection without a request, and one half way through, do not hold up the end."""
    server = await serve(_State().sources(), [("127.0.0.1", 0)], "/metrics")
    host, port = server.addresses[0]
    _, idle = await asyncio.open_connection(host, port)
    _, half = await asyncio.open_connection(host, port)
    half.write(b"GET /metrics HTTP/1.1\r\nHost:")
    await half.drain()

    async with asyncio.timeout(3):
        await server.close()

    idle.close()
    half.close()


async def test_the_answer_to_a_reload_is_masked() -> None:
    """A problem of the new file may repeat what is the key in the one that is in use."""

    async def reload() -> None:
        raise ConfigurationError(
            "config.yaml", ["switches[0].timeout: THE-KEY-OF-THE-SWITCH is not a duration"]
        )

    mask = Mask()
    mask.add("the-key-of-the-switch")
    sources = dataclasses.replace(_State().sources(), reload=reload, mask=mask)
    server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
    try:
        status, _, text = await _get(server, "/-/reload", "POST")
    finally:
        await server.close()
    assert status == 500
    assert "switches[0].timeout: *** is not a duration" in text
