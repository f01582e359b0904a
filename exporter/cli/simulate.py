"""``simulate``: serve a simulated switch until it is stopped."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from exporter.errors import StartError
from exporter.output import never_block
from exporter.simulator.options import options_of
from exporter.simulator.page import introduction
from exporter.simulator.request import Keys
from exporter.simulator.server import RunningSimulator, create_application, start
from exporter.simulator.world import Size, World, WorldClock


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, and return 0. Raises StartError if the address cannot be bound."""
    never_block()
    asyncio.run(serve(arguments))
    return 0


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartError if the address cannot be bound."""
    world = World(
        Size(
            tenants=arguments.tenants,
            nodes=arguments.nodes,
            extensions=arguments.extensions,
            queues=arguments.queues,
        ),
        seed=arguments.seed,
        technologies=arguments.technologies,
        clock=WorldClock(speed=arguments.speed),
    )
    application = create_application(
        world,
        options=options_of(arguments),
        keys=Keys(admin=arguments.admin_key),
        announce=_print,
        allow_remote_control=arguments.allow_remote_control,
    )
    async with simulating(arguments.listen, application, "--listen") as (simulator, stopped):
        _print(f"{introduction(simulator.base_url, simulator.parts)}\nPress Ctrl-C to stop.")
        await stopped.wait()


@asynccontextmanager
async def simulating(
    address: tuple[str, int], application: web.Application, flag: str
) -> AsyncIterator[tuple[RunningSimulator, asyncio.Event]]:
    """Yield a running simulator, and an event that SIGINT and SIGTERM set.

    Raises StartError, which names the flag, if the address cannot be bound.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    host, port = address
    try:
        simulator = await start(host, port, application)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise StartError(
            f"cannot listen on {host}:{port}: {reason}; choose another address with {flag}"
        ) from error
    try:
        yield simulator, stopped
    finally:
        await simulator.stop()


def _print(text: str) -> None:
    print(text, flush=True)
