import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from exporter.metrics import catalogue
from exporter.metrics.exposition import EVERYTHING, Exposition, Format, Selection
from exporter.store import Store
from exporter.web.responses import accepts_gzip, metrics_format, stream_metrics


class _Broken(Exposition):
    """Fails at the end of a response."""

    def render(self, form: Format, selection: Selection = EVERYTHING) -> Iterator[bytes]:
        def slices() -> Iterator[bytes]:
            yield from super(_Broken, self).render(form, selection)
            raise RuntimeError("defect")

        return slices()


def _store(tenants: int) -> Store:
    store = Store("pbx", stale_after=3, max_series=1_000_000)
    for number in range(tenants):
        store.set(catalogue.EXTENSION_REGISTERED, f"T{number}", {str(100 + n): n % 2 for n in range(50)})
    return store


class _Site:
    """`/metrics` on the loopback, and a client that does not decompress."""

    def __init__(self, kind: type[Exposition], tenants: int) -> None:
        store = _store(tenants)
        self.exposition = kind(lambda _: [store], CollectorRegistry())
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await stream_metrics(request, self.exposition)

    async def get(self, method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        names = {"Accept": "*/*", "Accept-Encoding": "identity"}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(method, self.url, headers=names) as response,
        ):
            return response, await response.read()


async def _serve(site: _Site) -> AsyncIterator[_Site]:
    application = web.Application()
    application.router.add_get("/metrics", site.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    yield site
    await runner.cleanup()


@pytest.fixture
async def site() -> AsyncIterator[_Site]:
    """Serve about 500 KiB."""
    async for served in _serve(_Site(Exposition, 150)):
        yield served


@pytest.fixture
async def broken() -> AsyncIterator[_Site]:
    """Serve a response that fails before its end."""
    async for served in _serve(_Site(_Broken, 150)):
        yield served


@pytest.mark.parametrize("form", Format)
async def test_plain_and_gzip_are_equal(form: Format, site: _Site) -> None:
    """Both formats have the same bytes with and without compression, and the matching headers."""
    page = b"".join(site.exposition.render(form))
    accept = form.value.replace("; charset=utf-8", "")

    plain, body = await site.get(Accept=accept)
    packed, compressed = await site.get(Accept=accept, Accept_Encoding="gzip")

    assert body == gzip.decompress(compressed) == page
    assert len(compressed) < len(page) / 5
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    for response in (plain, packed):
        assert response.status == 200
        assert response.headers["Content-Type"] == form.value
        assert response.headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_head_has_no_body(encoding: str, site: _Site) -> None:
    """It has the headers of the response, and no body."""
    response, body = await site.get("HEAD", Accept_Encoding=encoding)

    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Type"] == Format.TEXT.value


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", [form.value for form in Format])
async def test_an_error_midway_breaks_the_transfer(encoding: str, accept: str, broken: _Site) -> None:
    """The scraper gets an error, because a truncated response would look complete."""
    with pytest.raises(aiohttp.ClientPayloadError):
        await broken.get(Accept=accept, Accept_Encoding=encoding)


async def test_a_fast_reader_does_not_block_others() -> None:
    """The response yields to the event loop after each slice."""
    site = _Site(Exposition, 1500)
    slices = list(site.exposition.render(Format.TEXT))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    await stream_metrics(make_mocked_request("GET", "/metrics"), site.exposition)
    task.cancel()

    assert turns + 1 >= len(slices) > 10


_PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_PROMETHEUS_2_49 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    + _PROMETHEUS_3
)
_FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_CHROME = (
    _FIREFOX.replace(",*/*", ",image/avif,image/webp,image/apng,*/*")
    + ",application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    "accept", [_PROMETHEUS_2_42, _PROMETHEUS_2_49, _PROMETHEUS_3, _PROMETHEUS_3_PROTOBUF]
)
def test_prometheus_gets_openmetrics(accept: str) -> None:
    """Every version of Prometheus prefers OpenMetrics."""
    assert metrics_format(accept) is Format.OPENMETRICS


@pytest.mark.parametrize(
    "accept", ["", "*/*", _FIREFOX, _CHROME, "text/plain", "text/html", "nonsense", ";;,,=;q=", ","]
)
def test_everybody_else_gets_text(accept: str) -> None:
    """curl, browsers and clients with a missing or malformed header get the text format."""
    assert metrics_format(accept) is Format.TEXT


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', Format.OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("application/openmetrics-text;q=0,*/*", Format.TEXT),
        ("application/openmetrics-text;q=0.4,text/plain;version=0.0.4;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.4", Format.OPENMETRICS),
        ("text/plain;version=0.0.4,application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5,*/*;q=0.9", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/*;q=0.9", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/openmetrics-text;q=inf", Format.TEXT),
        ("application/openmetrics-text;q=-1", Format.TEXT),
        ("application/openmetrics-text;q=2", Format.TEXT),
        ("application/openmetrics-text ; q = 0.5", Format.OPENMETRICS),
        ("application/json,application/openmetrics-text;q=0.1", Format.OPENMETRICS),
    ],
)
def test_formats(accept: str, form: Format) -> None:
    """The preferred format wins; a rejected or malformed one is not used."""
    assert metrics_format(accept) is form


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("br, *", True),
        ("gzip;q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("", False),
        ("gzipped", False),
    ],
)
def test_encodings(accept_encoding: str, accepted: bool) -> None:  # noqa: FBT001 -- a table
    """Gzip is only for clients that accept it."""
    assert accepts_gzip(accept_encoding) is accepted


@given(st.one_of(st.text(), st.text(alphabet=' ;,=q.01*/"gziptexplan')))
def test_untrusted_headers(header: str) -> None:
    """No header raises."""
    assert metrics_format(header) in set(Format)
    assert accepts_gzip(header) in {True, False}
