"""``/metrics``: a scrape, streamed, so that neither its size nor a slow reader holds up anything else."""

import asyncio

import aiohttp
from aiohttp import hdrs, web
from isal import isal_zlib

from exporter.exposition import Exposition
from exporter.web.negotiation import accepts_gzip, metrics_format

# 100,000 series take zlib 25 ms and isal 7 (docs/performance.md).
aiohttp.set_zlib_backend(isal_zlib)


async def stream_metrics(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """Answer a scrape. An error half way breaks the transfer: a page that ends early would look complete."""
    form = metrics_format(request.headers.get(hdrs.ACCEPT, ""))
    response = web.StreamResponse(
        headers={hdrs.CONTENT_TYPE: form.value, hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}"}
    )
    # Of a HEAD even the empty body would be compressed, to 20 bytes that nobody expects (seen, aiohttp 3.14).
    if request.method == hdrs.METH_GET and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        response.enable_compression(web.ContentCoding.gzip)
    slices = exposition.render(form)
    await response.prepare(request)
    if request.method == hdrs.METH_GET:
        for part in slices:
            await response.write(part)
            # A reader so fast that the socket takes all of it would let nobody else have a turn: of a million
            # series, plain, the event loop stood still for 20 ms.
            await asyncio.sleep(0)
    await response.write_eof()
    return response
