"""The options of the simulated switch, and the flags of ``softswitch-exporter simulate``.

It imports no library: the command line loads it before it knows which command will run.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exporter.simulator.keys import Keys

_HIGHEST_PORT = 65535

ExtensionParameter = Literal["ext", "id", "number"]


@dataclass(frozen=True, slots=True)
class Options:
    """How the switch answers where nobody has seen a real one do it; each default is a guess.

    ``channels``: COUNTCHANNELS by node, or as one number (``nodename`` then gives that node's).
    ``license``: LICENSEDAYS as a bare number, or within a sentence.
    ``registered_word``, ``unregistered_word``: what ``INFO regstate`` says.
    ``regstate_parameter``: the one parameter from which it takes the extension.
    ``regstate_json``: its JSON answer is the word alone, or an object with the word as ``state``.
    ``unregistered_status``: the ``Status`` in CHANSIPPEERS of a phone that is not registered.
    ``total_name``: the name of the total among the nodes; "" for no total.
    ``peers_delay``: seconds that COUNTPEERS takes (23 were seen, wire notes 2026-10).
    ``latency``: seconds that every answer takes.
    """

    channels: Literal["nodes", "total"] = "nodes"
    license: Literal["bare", "sentence"] = "bare"
    registered_word: str = "Registered"
    unregistered_word: str = "Unregistered"
    regstate_parameter: ExtensionParameter = "ext"
    regstate_json: Literal["word", "object"] = "word"
    unregistered_status: str = "UNREACHABLE"
    total_name: str = "Total"
    peers_delay: float = 0.0
    latency: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that ``cli.run`` reads."""

    def flag(name: str, kind: Callable[[str], object], default: object, metavar: str, text: str = "") -> None:
        shown = f"{text} (default: %(default)s)" if text else "default: %(default)s"
        parser.add_argument(name, type=kind, default=default, metavar=metavar, help=shown)

    def choice(name: str, choices: tuple[str, ...], text: str) -> None:
        shown = f"{text} (default: %(default)s)"
        parser.add_argument(name, choices=choices, default=choices[0], help=shown)

    flag("--listen", address, "127.0.0.1:10391", "HOST:PORT", "where to serve; port 0 is any free one")
    flag("--tenants", at_least_0, 20, "N", "besides a few disabled ones")
    flag("--nodes", at_least_1, 4, "N")
    flag("--extensions", at_least_0, 10, "N", "of each tenant")
    flag("--seed", int, 1, "N", "the same seed makes the same world")
    parser.add_argument(
        "--speed",
        type=above_0,
        default=60.0,
        metavar="FACTOR",
        help="seconds that pass in the world for each of ours (default: %(default)g, a day in 24 minutes)",
    )
    flag("--latency", seconds, 0, "SECONDS", "that every answer takes")
    flag("--peers-delay", seconds, 0, "SECONDS", "that COUNTPEERS takes on top")
    choice("--channels", ("nodes", "total"), "whether COUNTCHANNELS answers by node or as one number")
    choice("--license", ("bare", "sentence"), "whether LICENSEDAYS answers a number or a sentence")
    choice(
        "--regstate-parameter",
        ("ext", "id", "number"),
        "which parameter of INFO regstate names the extension",
    )
    flag("--admin-key", str, Keys().admin, "KEY")
    parser.add_argument(
        "--allow-remote-control",
        action="store_true",
        help="let other machines use the control interface; by default only this one may",
    )


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, with an IPv6 host in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:10391")
    return host.removeprefix("[").removesuffix("]"), int(port)


def at_least_0(text: str) -> int:
    """Read a whole number from 0 up."""
    return _whole(text, 0)


def at_least_1(text: str) -> int:
    """Read a whole number from 1 up."""
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds from 0 up."""
    return _number(text, lambda value: 0 <= value < math.inf, "a number of seconds from 0 up")


def above_0(text: str) -> float:
    """Read a number above 0."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def _number(text: str, passes: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not passes(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value
