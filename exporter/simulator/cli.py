"""``softswitch-exporter simulate``: serve a simulated switch until somebody stops it."""

import argparse
import asyncio
import os
import signal
import sys

from aiohttp import web

from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.page import introduction
from exporter.simulator.server import create_application, start
from exporter.simulator.world import World


async def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, and return 0; return 1 where the address cannot be bound."""
    host, port = arguments.listen
    try:
        simulator = await start(host, port, _application(arguments))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        sys.stderr.write(f"Cannot listen on {host}:{port}: {reason}. Choose another address with --listen.\n")
        return 1
    try:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        _print(f"{introduction(simulator.base_url, simulator.parts)}\nStop it with Ctrl-C.")
        await stopped.wait()
    finally:
        await simulator.stop()
    return 0


def _application(arguments: argparse.Namespace) -> web.Application:
    world = World(
        tenants=arguments.tenants,
        nodes=arguments.nodes,
        extensions=arguments.extensions,
        seed=arguments.seed,
        speed=arguments.speed,
    )
    options = Options(
        channels=arguments.channels,
        license=arguments.license,
        regstate_parameter=arguments.regstate_parameter,
        peers_delay=arguments.peers_delay,
        latency=arguments.latency,
    )
    return create_application(
        world,
        options=options,
        keys=Keys(admin=arguments.admin_key),
        announce=_print,
        allow_remote_control=arguments.allow_remote_control,
    )


def _print(text: str) -> None:
    print(text, flush=True)
