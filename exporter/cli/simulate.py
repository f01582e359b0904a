"""``simulate``: serve a simulated switch until it is stopped."""

import argparse
import asyncio
import os
import signal

from exporter.errors import StartError
from exporter.output import never_block
from exporter.simulator.options import Options
from exporter.simulator.page import introduction
from exporter.simulator.request import Keys
from exporter.simulator.server import create_application, start
from exporter.simulator.world import World


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, and return 0. Raises StartError if the address cannot be bound."""
    never_block()
    asyncio.run(serve(arguments))
    return 0


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartError if the address cannot be bound."""
    host, port = arguments.listen
    world = World(
        tenants=arguments.tenants,
        nodes=arguments.nodes,
        extensions=arguments.extensions,
        seed=arguments.seed,
        speed=arguments.speed,
    )
    application = create_application(
        world,
        options=Options(
            channels=arguments.channels,
            license=arguments.license,
            regstate_parameter=arguments.regstate_parameter,
            peers_delay=arguments.peers_delay,
            latency=arguments.latency,
        ),
        keys=Keys(admin=arguments.admin_key),
        announce=_print,
        allow_remote_control=arguments.allow_remote_control,
    )
    try:
        simulator = await start(host, port, application)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise StartError(
            f"cannot listen on {host}:{port}: {reason}; choose another address with --listen"
        ) from error
    try:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        _print(f"{introduction(simulator.base_url, simulator.parts)}\nPress Ctrl-C to stop.")
        await stopped.wait()
    finally:
        await simulator.stop()


def _print(text: str) -> None:
    print(text, flush=True)
