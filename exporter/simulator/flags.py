"""The flags of ``softswitch-exporter simulate``; apart from what runs it, which takes longer to load."""

import argparse

from exporter.simulator.argument_types import above_0, address, at_least_0, at_least_1, seconds
from exporter.simulator.keys import Keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that ``commandline.run`` reads."""
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
