"""``/metrics``: a scrape."""

from aiohttp import hdrs, web

from exporter.metrics.exposition import Exposition
from exporter.web.negotiation import metrics_format
from exporter.web.streaming import stream


async def stream_metrics(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """Answer a scrape, as it is negotiated."""
    form = metrics_format(request.headers.get(hdrs.ACCEPT, ""))
    headers = {"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"}
    return await stream(request, exposition.render(form), headers)
