"""Routes, and the addresses they are served on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from exporter.clock import Clock
from exporter.errors import ExporterError, StartError
from exporter.exposition import Exposition
from exporter.poll import Poller
from exporter.web.metrics import stream_metrics
from exporter.web.pages import landing_page
from exporter.web.status import status

_READY_AFTER = 120.0
"""Seconds after which the exporter is ready, whatever was tried: a switch that hangs must not keep it out."""

_SHUTDOWN = 1.0
"""Seconds. One scrape that was half read held up the end for more than 20 s (seen, aiohttp 3.14)."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pages show and do.

    ``pollers`` and ``is_progressing`` are asked anew at each request;
    ``reload`` loads the configuration anew, where that is allowed.
    """

    exposition: Exposition
    pollers: Callable[[], Sequence[Poller]]
    is_progressing: Callable[[], bool]
    clock: Clock
    reload: Callable[[], Awaitable[None]] | None = None


class Server:
    """A web server that is listening. ``addresses`` holds the real (host, port) of each socket."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; with port 0 asked for, the port that was given."""
        return [(address[0], address[1]) for address in self._runner.addresses]

    async def close(self) -> None:
        """Stop listening, and end what is being served within a second or so."""
        await self._runner.cleanup()


async def serve(
    sources: Sources, listen_addresses: Sequence[tuple[str | None, int]], telemetry_path: str
) -> Server:
    """Start serving on each (host, port), where host None is every interface.

    Raises StartError where one cannot be listened on; then none is.
    """
    application = web.Application()
    for path, handler in _routes(sources, telemetry_path).items():
        application.router.add_get(path, handler)
    if sources.reload:
        application.router.add_post("/-/reload", _reload(sources.reload))
    runner = web.AppRunner(
        application, access_log=None, shutdown_timeout=_SHUTDOWN, handler_cancellation=True
    )
    await runner.setup()
    try:
        for host, port in listen_addresses:
            await _listen(runner, host, port)
    except StartError:
        await runner.cleanup()
        raise
    return Server(runner)


async def _listen(runner: web.AppRunner, host: str | None, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise StartError(
            f"cannot listen on {host or ''}:{port}: {_cause(error)}; "
            "choose another address with --web.listen-address"
        ) from error


def _cause(error: OSError) -> str:
    # asyncio wraps the system's words into a sentence of its own that repeats the address.
    return (error.strerror or str(error)).rpartition(": ")[2]


def _reload(reload: Callable[[], Awaitable[None]]) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        try:
            await reload()
        except ExporterError as error:
            return web.Response(status=500, text=f"The configuration was not loaded:\n{error}\n")
        return web.Response(text="The configuration was loaded.\n")

    return handle


def _routes(sources: Sources, telemetry_path: str) -> dict[str, Handler]:
    started = sources.clock.monotonic()

    async def metrics(request: web.Request) -> web.StreamResponse:
        return await stream_metrics(request, sources.exposition)

    async def landing(_: web.Request) -> web.Response:
        page = landing_page(status(sources.pollers(), sources.clock), telemetry_path)
        return web.Response(text=page, content_type="text/html")

    async def api_status(_: web.Request) -> web.Response:
        return web.json_response(status(sources.pollers(), sources.clock))

    async def healthy(_: web.Request) -> web.Response:
        if sources.is_progressing():
            return web.Response(text="softswitch-exporter is healthy.\n")
        return web.Response(
            status=503, text="The scheduler makes no progress: restart softswitch-exporter.\n"
        )

    async def ready(_: web.Request) -> web.Response:
        waited = sources.clock.monotonic() - started
        if waited >= _READY_AFTER or all(poller.is_tried() for poller in sources.pollers()):
            return web.Response(text="softswitch-exporter is ready.\n")
        return web.Response(status=503, text="Not every query was tried yet.\n")

    return {
        telemetry_path: metrics,
        "/": landing,
        "/api/v1/status": api_status,
        "/-/healthy": healthy,
        "/-/ready": ready,
    }
