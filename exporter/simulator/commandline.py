"""``softswitch-exporter simulate``: serve a simulated switch until somebody stops it."""

import argparse
import asyncio
import os
import signal
import sys

from aiohttp import web

from exporter.simulator.argument_types import above_0, address, at_least_0, at_least_1, seconds
from exporter.simulator.introduction import introduction
from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.server import create_application, start
from exporter.simulator.world import World


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that ``run`` reads."""
    _add_sizes(parser)
    _add_manners(parser)
    parser.add_argument("--admin-key", default=Keys().admin, metavar="KEY", help="default: %(default)s")
    parser.add_argument(
        "--allow-remote-control",
        action="store_true",
        help="let other machines use the control interface; by default only this one may",
    )


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        type=address,
        default="127.0.0.1:10391",
        metavar="HOST:PORT",
        help="where to serve; port 0 is any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--tenants",
        type=at_least_0,
        default=20,
        metavar="N",
        help="besides a few disabled ones (default: %(default)s)",
    )
    parser.add_argument("--nodes", type=at_least_1, default=4, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--extensions",
        type=at_least_0,
        default=10,
        metavar="N",
        help="of each tenant (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="the same seed makes the same world (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=above_0,
        default=60.0,
        metavar="FACTOR",
        help="seconds that pass in the world for each of ours (default: %(default)g, a day in 24 minutes)",
    )


def _add_manners(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--latency",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="that every answer takes (default: 0)",
    )
    parser.add_argument(
        "--peers-delay",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="that COUNTPEERS takes on top (default: 0)",
    )
    parser.add_argument(
        "--channels",
        choices=("nodes", "total"),
        default="nodes",
        help="whether COUNTCHANNELS answers by node or as one number (default: %(default)s)",
    )
    parser.add_argument(
        "--license",
        choices=("bare", "sentence"),
        default="bare",
        help="whether LICENSEDAYS answers a number or a sentence (default: %(default)s)",
    )
    parser.add_argument(
        "--regstate-parameter",
        choices=("ext", "id", "number"),
        default="ext",
        help="which parameter of INFO regstate names the extension (default: %(default)s)",
    )


async def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, and return 0; where the address cannot be had, say so and return 1."""
    host, port = arguments.listen
    try:
        simulator = await start(host, port, _application(arguments))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        sys.stderr.write(f"Cannot listen on {host}:{port}: {reason}. Choose another address with --listen.\n")
        return 1
    try:
        stopped = _stop_signal()
        _say(introduction(simulator))
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
        announce=_say,
        allow_remote_control=arguments.allow_remote_control,
    )


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
