"""Start and stop the simulated switch."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from exporter.simulator import api, control
from exporter.simulator.api import API_PATH, PARTS, Journal, Parts
from exporter.simulator.faults import Faults
from exporter.simulator.options import Options
from exporter.simulator.request import Keys
from exporter.simulator.world import World

_SHUTDOWN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulated switch that is listening. ``port`` is the real port, even if port 0 was requested."""

    host: str
    port: int
    parts: Parts
    _runner: web.AppRunner = field(repr=False)

    @property
    def base_url(self) -> str:
        """The URL of its page, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 - only read here
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The ``url`` for an exporter's configuration."""
        return self.base_url + API_PATH

    async def stop(self) -> None:
        """Stop within a second, and close the connections of requests that hang."""
        await self._runner.cleanup()


def create_application(
    world: World,
    *,
    options: Options | None = None,
    keys: Keys | None = None,
    announce: Callable[[str], object] | None = None,
    allow_remote_control: bool = False,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Return the application that serves a world.

    ``announce`` gets a line for each forbidden request; the default prints it to standard error. The control
    interface accepts only clients of this machine, unless ``allow_remote_control``. ``clock`` dates the
    requests in the journal, in seconds since 1970.
    """
    application = web.Application()
    application[PARTS] = Parts(
        world=world,
        options=options or Options(),
        keys=keys or Keys(),
        faults=Faults(world.seed),
        journal=Journal(clock),
        announce=announce or (lambda line: sys.stderr.write(f"{line}\n")),
        allow_remote_control=allow_remote_control,
    )
    application.router.add_route("*", API_PATH, api.serve)
    application.router.add_routes(control.routes())
    return application


async def start(host: str, port: int, application: web.Application) -> RunningSimulator:
    """Listen on an address; port 0 is any free one. Raises OSError if the address cannot be bound."""
    # handler_cancellation: a request that hangs ends when its client leaves, as in a real web server.
    runner = web.AppRunner(
        application, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        # asyncio binds :: to IPv6 only; None is every address.
        await web.TCPSite(runner, None if host in {"", "::"} else host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return RunningSimulator(host, runner.addresses[0][1], application[PARTS], runner)
