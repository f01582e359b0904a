"""Starts the simulated switch on an address and stops it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from exporter.simulator import api, control
from exporter.simulator.api import API_PATH, PARTS, Parts
from exporter.simulator.faults import Faults
from exporter.simulator.journal import Journal
from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.world import World

_SECONDS_TO_FINISH = 0.1


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulated switch that answers. ``port`` is the real one, also where 0 was asked for."""

    host: str
    port: int
    parts: Parts
    _runner: web.AppRunner = field(repr=False)

    @property
    def base_url(self) -> str:
        """Where its page is, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 - for reading, nothing is bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """What belongs into ``url`` of an exporter's configuration."""
        return self.base_url + API_PATH

    async def stop(self) -> None:
        """Stop within a second; requests that hang are cut off."""
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
    """Return the application that answers for a world.

    ``announce`` gets a line for each request that must not have been sent; without it, standard error does.
    The control interface answers clients of this machine only, unless ``allow_remote_control``. ``clock``
    dates the requests in the journal, in seconds since 1970.
    """
    application = web.Application()
    application[PARTS] = Parts(
        world=world,
        options=options or Options(),
        keys=keys or Keys(),
        faults=Faults(world.seed),
        journal=Journal(clock),
        announce=announce or _write_to_standard_error,
        allow_remote_control=allow_remote_control,
    )
    application.router.add_route("*", API_PATH, api.serve)
    application.router.add_routes(control.routes())
    return application


async def start(host: str, port: int, application: web.Application) -> RunningSimulator:
    """Bind and answer. Port 0 is any free one. Raises OSError where the address cannot be had."""
    # asyncio makes :: IPv6 only; None is every address.
    # handler_cancellation: a request that hangs ends when its client goes, as in a real web server.
    runner = web.AppRunner(
        application, handler_cancellation=True, access_log=None, shutdown_timeout=_SECONDS_TO_FINISH
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, None if host in {"", "::"} else host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return RunningSimulator(host, runner.addresses[0][1], application[PARTS], runner)


def _write_to_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
