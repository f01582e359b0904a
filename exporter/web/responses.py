"""Sends large responses in slices: scrapes, pages and their files.

Neither the size of a response nor a slow reader blocks anything else. Content negotiation (RFC 9110, section
12) is implemented here because aiohttp's own ignores ``q=0`` and prefers deflate (seen, aiohttp 3.14), and
prometheus_client's repeats any version that a scraper names (seen, 0.26).
"""

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from aiohttp import hdrs, web
from isal import isal_zlib

from exporter.metrics.exposition import EVERYTHING, Exposition, Format, Selection

_OPENMETRICS_VERSIONS = {"", "0.0.1", "1.0.0"}
"""The exporter's text is the same in all of these."""

_GZIP = 16 + zlib.MAX_WBITS
_SLICE = 64 * 1024

FIRST_TENANTS = 100
"""Rows of tenants in the page as loaded. Its script fetches the others; without the script, a link does."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""For the page and its files: a script in a text from a switch cannot run."""

_TYPES = {
    "status.js": "text/javascript",
    "words.js": "text/javascript",
    "tables.js": "text/javascript",
    "tenant.js": "text/javascript",
    "filter.js": "text/javascript",
    "visible.js": "text/javascript",
    "status.css": "text/css",
    "runbooks.css": "text/css",
    "icon.svg": "image/svg+xml",
    **{
        f"icon-{state}.svg": "image/svg+xml"
        for state in ("clear", "critical", "standby", "unknown", "warning")
    },
}


async def stream_metrics(
    request: web.Request, exposition: Exposition, selection: Selection = EVERYTHING
) -> web.StreamResponse:
    """Respond to a scrape in the negotiated format and encoding.

    An error midway breaks the transfer, because a truncated response would look complete.
    """
    form = metrics_format(request.headers.get(hdrs.ACCEPT, ""))
    response = web.StreamResponse(headers={"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"})
    parts = exposition.render(form, selection)
    if _wants_gzip(request):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        parts = _compressed(parts)
    return await _written(request, response, parts)


async def send(
    request: web.Request, text: str, headers: Mapping[str, str], status: int = 200
) -> web.StreamResponse:
    """Respond with a text, compressed if the client accepts gzip, and return when little of it is unread.

    aiohttp itself would buffer all of it for a client that does not read: 427 MB for 300 unread status pages
    (seen 2026-11).
    """
    response = web.StreamResponse(status=status, headers=headers)
    body = text.encode()
    if _wants_gzip(request):
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
            if part:  # a compressor may buffer its input
                await response.write(part)
            # A fast reader's socket accepts everything: a million series would block the loop for 20 ms.
            await asyncio.sleep(0)
    await response.write_eof()
    return response


def _wants_gzip(request: web.Request) -> bool:
    # The empty body of a HEAD would be compressed to 20 bytes that no client expects (seen, aiohttp 3.14).
    return request.method == hdrs.METH_GET and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    # For 100,000 series isal needs 2 ms and zlib 51 ms. Handing the slices to a thread, as aiohttp does, adds
    # 3 ms (docs/performance.md).
    compressor = isal_zlib.compressobj(wbits=_GZIP)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()


def metrics_format(accept: str) -> Format:
    """Return OpenMetrics if the scraper prefers it, else the text format, which every scraper can read."""
    openmetrics = text = 0.0
    for media_type, parameters, weight in _preferences(accept):
        if media_type == "application/openmetrics-text":
            if parameters.get("version", "") in _OPENMETRICS_VERSIONS:
                openmetrics = max(openmetrics, weight)
        elif media_type in {"text/plain", "text/*", "*/*"} and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return Format.OPENMETRICS if openmetrics > text or openmetrics == text > 0 else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the scraper accepts gzip."""
    weights = {coding: weight for coding, _, weight in _preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _preferences(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Return each entry of an Accept header: its value, its parameters and its weight (0 to 1)."""
    preferences = []
    for entry in header.lower().split(","):
        value, *rest = (part.strip() for part in entry.split(";"))
        parameters = {
            name.strip(): text.strip().strip('"')
            for name, found, text in (part.partition("=") for part in rest)
            if found
        }
        preferences.append((value, parameters, _weight(parameters.pop("q", "1"))))
    return preferences


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the files of the status page with their content types, by path."""
    folder = resources.files("exporter.web").joinpath("static")
    return {f"/-/static/{name}": (folder.joinpath(name).read_bytes(), kind) for name, kind in _TYPES.items()}
