"""The routes that change what the exporter does: reload the configuration, poll, stand by."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.activity import State
from exporter.errors import ExporterError, shortened

_FLAG = "--web.enable-lifecycle"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The actions behind the routes.

    ``reload`` reloads the configuration. ``switch`` makes the exporter poll or stand by. Both raise
    ExporterError, and ``mask`` removes secrets from it. ``decided_by`` returns what decides who polls, or ""
    if nothing but these routes does.
    """

    reload: Callable[[], Awaitable[None]]
    switch: Callable[[State, str], Awaitable[None]]
    decided_by: Callable[[], str] = str
    mask: Callable[[str], str] = str


def add_routes(router: web.UrlDispatcher, lifecycle: Lifecycle | None) -> None:
    """Add the routes. Without ``lifecycle``, they respond with 404 and the reason."""
    switches = {"/-/activate": State.ACTIVE, "/-/standby": State.STANDBY}
    if lifecycle is None:
        router.add_route("*", "/-/reload", _disabled("Reload", ", or send SIGHUP"))
        for path, state in switches.items():
            router.add_route("*", path, _disabled(f"Switching to {state.value}", ""))
        return
    router.add_post("/-/reload", _reload(lifecycle))
    for path, state in switches.items():
        router.add_post(path, _switch(lifecycle, path, state))


def _reload(lifecycle: Lifecycle) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        failed = "Configuration not reloaded"
        try:
            await lifecycle.reload()
        except ExporterError as error:
            text = f"{failed}, keeping the previous one:\n{lifecycle.mask(shortened(error))}\n"
            return web.Response(status=500, text=text)
        except Exception:  # noqa: BLE001 -- a bug, logged where it was raised
            return web.Response(status=500, text=f"{failed} because of an internal error; see the log.\n")
        return web.Response(text="Configuration reloaded.\n")

    return handle


def _switch(lifecycle: Lifecycle, path: str, state: State) -> Handler:
    doing = {State.ACTIVE: "polls", State.STANDBY: "stands by"}[state]

    async def handle(_: web.Request) -> web.Response:
        if decided_by := lifecycle.decided_by():
            return web.Response(status=409, text=f"{decided_by} decides which exporter polls.\n")
        try:
            await lifecycle.switch(state, f"POST {path}")
        except ExporterError as error:
            return web.Response(status=500, text=f"Not switched:\n{lifecycle.mask(shortened(error))}\n")
        except Exception:  # noqa: BLE001 -- a bug, logged where it was raised
            text = "Not switched because of an internal error; see the log.\n"
            return web.Response(status=500, text=text)
        return web.Response(text=f"This exporter {doing}.\n")

    return handle


def _disabled(what: str, otherwise: str) -> Handler:
    text = f"{what} by HTTP is disabled. Start the exporter with {_FLAG}{otherwise}.\n"

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=404, text=text)

    return handle
