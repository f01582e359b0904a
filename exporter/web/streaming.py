"""Large answers, in slices, and which format and encoding a scraper is given (RFC 9110, section 12).

Neither the size of an answer nor a slow reader holds up anything else. Negotiation is done here because
aiohttp's own ignores ``q=0`` and prefers deflate (seen, aiohttp 3.14), and that of prometheus_client repeats
whatever version a scraper names (seen, 0.26).
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from aiohttp import hdrs, web
from isal import isal_zlib

from exporter.metrics.exposition import Exposition, Format

_OPENMETRICS_VERSIONS = {"", "0.0.1", "1.0.0"}
"""The text of these is one and the same for what is served here."""

_GZIP = 16 + zlib.MAX_WBITS
"""To zlib: a window of the usual size, within the header and the end of gzip."""

_SLICE = 64 * 1024

Item = TypeVar("Item")


async def slices(items: Iterable[Item], size: int) -> AsyncIterator[Sequence[Item]]:
    """Return the items in slices, and yield to the event loop before each of them."""
    source = iter(items)
    while part := list(islice(source, size)):
        await asyncio.sleep(0)
        yield part


async def stream_metrics(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """Answer a scrape, in the format and encoding that are negotiated.

    An error half way breaks the transfer: an answer that ends early would look complete.
    """
    form = metrics_format(request.headers.get(hdrs.ACCEPT, ""))
    response = web.StreamResponse(headers={"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"})
    parts = exposition.render(form)
    if _takes_gzip(request):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        parts = _compressed(parts)
    return await _written(request, response, parts)


async def send(request: web.Request, text: str, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with a text, compressed where the client takes gzip, and return when little of it is unread.

    aiohttp itself would keep all of it for whoever does not read: of 300 unread status pages it held 427 MB
    (seen 2026-11).
    """
    response = web.StreamResponse(headers=headers)
    body = text.encode()
    if _takes_gzip(request):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        body = b"".join(_compressed([body]))
    response.content_length = len(body)
    return await _written(
        request, response, (body[start : start + _SLICE] for start in range(0, len(body), _SLICE))
    )


async def _written(
    request: web.Request, response: web.StreamResponse, parts: Iterator[bytes]
) -> web.StreamResponse:
    await response.prepare(request)
    if request.method == hdrs.METH_GET:
        for part in parts:
            if part:  # of a compressed one nothing may have come out yet
                await response.write(part)
            # A fast reader's socket takes all of it at once: a million series block the event loop for 20 ms.
            await asyncio.sleep(0)
    await response.write_eof()
    return response


def _takes_gzip(request: web.Request) -> bool:
    # Of a HEAD even the empty body would be compressed, to 20 bytes that nobody expects (seen, aiohttp 3.14).
    return request.method == hdrs.METH_GET and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    # 100,000 series take isal 2 ms, and zlib 51. To hand each slice to a thread, as aiohttp would, takes 3 ms
    # more (docs/performance.md).
    compressor = isal_zlib.compressobj(wbits=_GZIP)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()


def metrics_format(accept: str) -> Format:
    """Return OpenMetrics where the scraper prefers it, else the text format, which everything can read."""
    openmetrics = text = 0.0
    for media_type, parameters, weight in _preferences(accept):
        if media_type == "application/openmetrics-text":
            if parameters.get("version", "") in _OPENMETRICS_VERSIONS:
                openmetrics = max(openmetrics, weight)
        elif media_type in {"text/plain", "text/*", "*/*"} and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return Format.OPENMETRICS if openmetrics > text or openmetrics == text > 0 else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the scraper takes gzip."""
    weights = {coding: weight for coding, _, weight in _preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _preferences(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Return each entry of an Accept header: what, its parameters, and how much it is wanted, 0 to 1."""
    preferences = []
    for entry in header.lower().split(","):
        what, *rest = (part.strip() for part in entry.split(";"))
        parameters = {
            name.strip(): value.strip().strip('"')
            for name, found, value in (part.partition("=") for part in rest)
            if found
        }
        preferences.append((what, parameters, _weight(parameters.pop("q", "1"))))
    return preferences


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
