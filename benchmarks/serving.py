"""Serve many series in one of three ways until stopped, for the benchmark of scrapes.

    python -m benchmarks.serving exporter SERIES
    python -m benchmarks.serving static|prometheus_client FILE      FILE is in the text format

Prints ``idle BYTES`` before it loads the series, and ``ready URL`` afterwards.
"""

import asyncio
import gzip
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.measures import Watch, resident_bytes
from benchmarks.stores import filled
from exporter.app import collect_garbage_less
from exporter.metrics.exposition import Exposition, Format
from exporter.metrics.self_metrics import Instruments
from exporter.store import Store
from exporter.web.responses import stream_metrics

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def main(how: str, what: str) -> None:
    """Serve until stopped."""
    print(f"idle {resident_bytes(os.getpid())}", flush=True)
    match how:
        case "exporter":
            asyncio.run(_serve_with_aiohttp(_streamed(filled(int(what)))))
        case "static":
            asyncio.run(_serve_with_aiohttp(_from_memory(Path(what).read_bytes())))
        case "prometheus_client":
            _serve_with_prometheus_client(Path(what))


def page_of(stores: Iterable[Store]) -> bytes:
    """Return the scrape of these stores."""
    exposition = Exposition(lambda _: stores, CollectorRegistry())
    return b"".join(exposition.render(Format.TEXT))


async def _serve_with_aiohttp(metrics: _Handler) -> None:
    watch = Watch()
    application = web.Application()
    application.router.add_get("/metrics", metrics)

    async def start(_: web.Request) -> web.Response:
        watch.start()
        return web.Response()

    async def stop(_: web.Request) -> web.Response:
        return web.json_response(watch.stop())

    application.router.add_get("/watch", start)
    application.router.add_get("/watched", stop)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ready http://127.0.0.1:{runner.addresses[0][1]}/metrics", flush=True)
    await asyncio.Event().wait()


def _streamed(stores: list[Store]) -> _Handler:
    registry = CollectorRegistry()
    exposition = Exposition(lambda _: [*stores, instruments], registry)
    instruments = Instruments(registry)
    collect_garbage_less()  # as the daemon does

    async def metrics(request: web.Request) -> web.StreamResponse:
        return await stream_metrics(request, exposition)

    return metrics


def _from_memory(page: bytes) -> _Handler:
    packed = gzip.compress(page, 1)

    async def metrics(request: web.Request) -> web.Response:
        if "gzip" in request.headers["Accept-Encoding"]:
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        return web.Response(body=page)

    return metrics


def _serve_with_prometheus_client(page: Path) -> None:
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    with page.open() as lines:
        for line in lines:  # line by line, or a family of a million samples would be in memory twice
            for family in text_string_to_metric_families("" if line.startswith("#") else line):
                sample = family.samples[0]
                if sample.name not in gauges:
                    gauges[sample.name] = Gauge(sample.name, "Help.", list(sample.labels), registry=registry)
                gauges[sample.name].labels(**sample.labels).set(sample.value)
    server, _ = start_http_server(0, "127.0.0.1", registry)
    print(f"ready http://127.0.0.1:{server.server_port}/metrics", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
