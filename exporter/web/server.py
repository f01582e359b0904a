"""The routes, and starting and stopping the web server."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import bcrypt
from aiohttp import hdrs, web

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.freshness import age
from exporter.metrics.exposition import Exposition
from exporter.poll import Poller
from exporter.threads import ThreadLimit
from exporter.web.access import HEALTHY, Access, Hosts
from exporter.web.discovery import PATH as DISCOVERY
from exporter.web.discovery import scraped_at, selection, targets
from exporter.web.lifecycle import Lifecycle, add_routes
from exporter.web.limits import STATUSES, Connections, bounded, limit_duration, most_connections
from exporter.web.listener import Listener, Protocol, connection_logger
from exporter.web.pages import page_routes
from exporter.web.passwords import Check, Passwords
from exporter.web.responses import HEADERS, static_files, stream_metrics
from exporter.web.runbooks import Runbooks
from exporter.web.unknown_values import silences
from exporter.web.web_config import NO_WEB_FILE, LoadedWebFile, WebFile

_READY = "/-/ready"

_READY_AFTER = 120.0
"""Seconds until the exporter is ready in any case, even if a switch hangs."""

_SHUTDOWN = 1.0
"""Seconds that a stop waits for requests. Without it, one half-read scrape delayed the stop by more than 20 s
(seen, aiohttp 3.14)."""

_KEEP_ALIVE = 180.0
"""Seconds until an idle connection is closed. aiohttp's default is an hour."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Sources:
    """The data and actions behind the routes.

    ``pollers`` and ``is_progressing`` are called for each request. ``lifecycle`` is None if POST requests are
    not allowed. ``alerting``, ``configuration`` and ``activity`` return their parts of the status.
    ``evaluated``: the names of the alerts that the exporter evaluates. ``alerts_of`` returns the alerts of a
    tenant, given the name of its switch and its code. ``switches`` returns the names of the configured
    switches.
    """

    exposition: Exposition
    pollers: Callable[[], Sequence[Poller]]
    is_progressing: Callable[[], bool]
    clock: Clock
    lifecycle: Lifecycle | None = None
    alerting: Callable[[], dict[str, Any]] = dict
    configuration: Callable[[], dict[str, Any]] = dict
    activity: Callable[[], dict[str, Any]] = dict
    evaluated: Collection[str] = ()
    alerts_of: Callable[[str, str], list[dict[str, Any]]] = lambda _switch, _tenant: []
    switches: Callable[[], Sequence[str]] = lambda: ()


class Server:
    """A running web server."""

    def __init__(
        self, runner: web.AppRunner, listener: Listener, access: Access, connections: Connections
    ) -> None:
        self._runner = runner
        self._listener = listener
        self._access = access
        self._connections = connections
        self._watching: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The real (host, port) of each socket, even if port 0 was requested."""
        return self._listener.addresses

    def watch(self, web_file: WebFile) -> None:
        """Apply changes of the file within seconds."""
        self._watching = asyncio.create_task(web_file.watch(self._apply))

    async def _apply(self, loaded: LoadedWebFile) -> None:
        self._listener.context = loaded.context
        self._access.apply(loaded.configuration, loaded.context)

    async def close(self) -> None:
        """Stop listening, and end all requests within about a second."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        self._listener.close()
        await self._runner.cleanup()
        self._connections.close()


async def serve(
    sources: Sources,
    listen_addresses: Sequence[tuple[str | None, int]],
    telemetry_path: str,
    web_file: WebFile | None = None,
    check: Check = bcrypt.checkpw,
    external_url: str | None = None,
) -> Server:
    """Start serving on each (host, port); host None is every interface.

    Without ``web_file``, it serves HTTP without passwords. ``check`` compares a password with its hash.
    ``external_url`` is the URL of a reverse proxy. Raises StartError if an address cannot be bound.
    """
    application = web.Application()
    connections = Connections(most_connections())
    limit_duration(application, connections)
    for path, handler in _routes(sources, telemetry_path, external_url).items():
        application.router.add_get(path, handler)
    add_routes(application.router, sources.lifecycle)
    loaded = web_file.loaded if web_file else NO_WEB_FILE
    open_paths = {telemetry_path, DISCOVERY, HEALTHY, _READY, *static_files()}
    access = Access(Passwords(check), Hosts(listen_addresses, external_url), open_paths)
    access.apply(loaded.configuration, loaded.context)
    access.guard(application)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=connection_logger(),
        keepalive_timeout=_KEEP_ALIVE,
        shutdown_timeout=_SHUTDOWN,
        handler_cancellation=True,
    )
    await runner.setup()
    listener = Listener(cast("Protocol", runner.server), connections, loaded.context)
    server = Server(runner, listener, access, connections)
    try:
        await listener.start(listen_addresses)
    except StartError:
        await server.close()
        raise
    if web_file:
        server.watch(web_file)
    return server


def _routes(sources: Sources, telemetry_path: str, external_url: str | None) -> dict[str, Handler]:
    started = sources.clock.monotonic()
    is_ready = False

    async def metrics(request: web.Request) -> web.StreamResponse:
        selected = selection(request.query.items(), sources.switches())
        return await stream_metrics(request, sources.exposition, selected)

    async def discovered(request: web.Request) -> web.Response:
        host, is_tls = request.headers.get(hdrs.HOST, ""), request.get_extra_info("sslcontext") is not None
        address, labels = scraped_at(host, telemetry_path, external_url, is_tls=is_tls)
        return web.json_response(targets(sources.switches(), address, labels), headers=HEADERS)

    async def healthy(_: web.Request) -> web.Response:
        if sources.is_progressing():
            return web.Response(text="softswitch-exporter is healthy.\n")
        return web.Response(status=503, text="The scheduler is stuck: restart softswitch-exporter.\n")

    async def ready(_: web.Request) -> web.Response:
        nonlocal is_ready  # an exporter that takes over from another stays ready
        waited = sources.clock.monotonic() - started
        is_ready = (
            is_ready or waited >= _READY_AFTER or all(poller.is_tried() for poller in sources.pollers())
        )
        if is_ready:
            return web.Response(text="softswitch-exporter is ready.\n")
        return web.Response(status=503, text="Not ready: some queries have not been tried yet.\n")

    def silent() -> str:
        now = sources.clock.elapsed()
        return silences(
            {
                "name": poller.configuration.name,
                "up": poller.is_up(),
                "valid_answer_age_seconds": age(poller.store.valid_at, now),
            }
            for poller in sources.pollers()
        )

    runbooks = Runbooks(sources.alerting, sources.evaluated, sources.clock.wall, silent)
    return {
        telemetry_path: bounded(metrics),
        DISCOVERY: discovered,
        **page_routes(sources, telemetry_path, ThreadLimit("page", 1)),
        HEALTHY: healthy,
        _READY: ready,
        **{path: bounded(handler, STATUSES) for path, handler in runbooks.routes().items()},
        **{path: _static(*file) for path, file in static_files().items()},
    }


def _static(content: bytes, content_type: str) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=content_type, charset="utf-8", headers=HEADERS)

    return handle
