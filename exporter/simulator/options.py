"""The options of the simulated switch, and the flags of ``softswitch-exporter simulate``.

This module imports no library: the command line loads it before it knows which command will run.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.simulator.request import Keys
from exporter.simulator.tenants import ONLY_SIP, Technologies

_HIGHEST_PORT = 65535
_MOST_QUEUES = 1000

ExtensionParameter = Literal["ext", "id", "number"]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices where no response of a real switch is on record; each default is a guess.

    ``channels``: COUNTCHANNELS per node, or as one number (with ``nodename``, that node's).
    ``license``: LICENSEDAYS as a bare number, or in a sentence.
    ``registered_word``, ``unregistered_word``: the states in ``INFO regstate``.
    ``regstate_parameter``: its parameter for the extension.
    ``regstate_json``: its JSON response is the word alone, or an object with the word as ``state``.
    ``unregistered_status``: ``Status`` in CHANSIPPEERS of a phone that is not registered.
    ``chansippeers``: CHANSIPPEERS lists all chan_sip phones, or those that are registered (documented).
    ``pjsip_in_peers``: PEERS lists PJSIP phones, too.
    ``pjsip_words``: the ``Status`` of a PJSIP phone is ``Avail`` or ``Unavail``, Asterisk's words.
    ``unregistrable_state``: the device state of custom and virtual extensions.
    ``flows_in_blfs``: BLFS lists flows, too, which are no extensions.
    ``user_separator``, ``user_ending``: between number and tenant in the SIP user, and what names the tenant.
    ``tenants_json``, ``tenant_codes``: JSON format of the list of tenants; whether it has ``te_code``.
    ``enabled_word``, ``disabled_word``: ``te_disabled`` of an enabled and a disabled tenant.
    ``trunk_fields``: other names of fields of trunks, such as ``sr_name=peer,sr_state=status``.
    ``trunk_registered_word``, ``trunk_failed_word``: the states of trunks.
    ``trunk_tenant``: what names the tenant of a trunk.
    ``trunks_as_peers``: trunks are peers in CHANSIPPEERS, and those of a tenant in its PEERS, too.
    ``queue_id``: INFO queue selects the queue by ``id``, or ignores it.
    ``time_zone``: of ``start``, ``end`` and ``sc_start`` in INFO simplecdrs.
    ``call_recorded``: INFO simplecdrs has a call from its start, or from its end as in Asterisk.
    ``call_history_delay``: extra seconds for INFO simplecdrs (10 to 20 were seen, wire notes 2026-10).
    ``total_name``: the name of the total among the nodes; "" for no total.
    ``peers_delay``: extra seconds for COUNTPEERS (23 were seen, wire notes 2026-10).
    ``latency``: seconds for every response.
    """

    channels: Literal["nodes", "total"] = "nodes"
    license: Literal["bare", "sentence"] = "bare"
    registered_word: str = "Registered"
    unregistered_word: str = "Unregistered"
    regstate_parameter: ExtensionParameter = "ext"
    regstate_json: Literal["word", "object"] = "word"
    unregistered_status: str = "UNREACHABLE"
    chansippeers: Literal["all", "registered"] = "all"
    pjsip_in_peers: bool = False
    pjsip_words: bool = False
    unregistrable_state: str = "UNKNOWN"
    flows_in_blfs: bool = False
    user_separator: Literal["-", "_"] = "-"
    user_ending: Literal["code", "name"] = "code"
    tenants_json: Literal["array", "object"] = "array"
    tenant_codes: bool = True
    enabled_word: str = ""
    disabled_word: str = "on"
    trunk_fields: str = ""
    trunk_registered_word: str = "Registered"
    trunk_failed_word: str = "Rejected"
    trunk_tenant: Literal["code", "name", "id"] = "code"
    trunks_as_peers: bool = False
    queue_id: Literal["used", "ignored"] = "used"
    time_zone: str = "UTC"
    call_recorded: Literal["end", "start"] = "end"
    call_history_delay: float = 0.0
    total_name: str = "Total"
    peers_delay: float = 0.0
    latency: float = 0.0

    def delay_of(self, operation: str) -> float:
        """Return the seconds before the response to an operation."""
        delays = {"COUNTPEERS": self.peers_delay, "INFO simplecdrs": self.call_history_delay}
        return self.latency + delays.get(operation, 0.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of ``simulate``."""
    flag, choice = partial(_add_flag, parser), partial(_add_choice, parser)
    flag("--listen", _address, "127.0.0.1:10391", "HOST:PORT", "address to listen on; 0 picks a free port")
    _add_installation(parser)
    flag("--latency", _seconds, 0, "SECONDS", "delay before every response")
    flag("--peers-delay", _seconds, 0, "SECONDS", "additional delay before COUNTPEERS responses")
    choice("--channels", ("nodes", "total"), "what COUNTCHANNELS returns: a number per node, or one total")
    choice("--license", ("bare", "sentence"), "what LICENSEDAYS returns: a bare number, or a sentence")
    choice(
        "--regstate-parameter", ("ext", "id", "number"), "parameter of INFO regstate that names the extension"
    )
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another choice about the responses, see docs/simulator.md; may be repeated",
    )
    flag("--admin-key", str, Keys().admin, "KEY", "admin key; it may send every request")
    parser.add_argument(
        "--allow-remote-control",
        action="store_true",
        help="accept requests to the control interface from other machines (default: this machine only)",
    )


def _add_installation(parser: argparse.ArgumentParser) -> None:
    flag = partial(_add_flag, parser)
    flag("--tenants", _at_least_0, 20, "N", "number of enabled tenants; a few disabled ones are added")
    flag("--nodes", _at_least_1, 4, "N", "number of nodes")
    flag("--extensions", _at_least_0, 10, "N", "extensions per tenant")
    flag("--queues", _up_to_1000, 2, "N", "queues per tenant, at most 1000")
    parser.add_argument(
        "--technologies",
        type=_technologies,
        default=ONLY_SIP,
        metavar="SHARES",
        help="shares of phones that are not SIP, such as pjsip=0.4,custom=0.05,virtual=0.05 (default: none)",
    )
    flag("--seed", int, 1, "N", "random seed; the same seed produces the same switch")
    parser.add_argument(
        "--speed",
        type=_above_0,
        default=60.0,
        metavar="FACTOR",
        help="simulated seconds per real second (default: %(default)g, which is a day in 24 minutes)",
    )


def _add_flag(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], object],
    default: object,
    metavar: str,
    text: str,
) -> None:
    parser.add_argument(
        name, type=kind, default=default, metavar=metavar, help=f"{text} (default: %(default)s)"
    )


def _add_choice(parser: argparse.ArgumentParser, name: str, choices: tuple[str, ...], text: str) -> None:
    parser.add_argument(name, choices=choices, default=choices[0], help=f"{text} (default: %(default)s)")


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the options that the flags of ``simulate`` select; ``--option`` overrides the others."""
    return Options(
        **{
            "channels": arguments.channels,
            "license": arguments.license,
            "regstate_parameter": arguments.regstate_parameter,
            "peers_delay": arguments.peers_delay,
            "latency": arguments.latency,
            **dict(arguments.option),
        }
    )


def _option(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    kinds = get_type_hints(Options)
    if name not in kinds:
        raise argparse.ArgumentTypeError(f'expected one of {", ".join(kinds)}, got "{name}"')
    if choices := get_args(kinds[name]):
        return name, _one_of(value, {choice: choice for choice in choices})
    if name == "time_zone":
        return name, _time_zone(value)
    if kinds[name] is bool:
        return name, _one_of(value, {"yes": True, "no": False})
    return name, _seconds(value) if kinds[name] is float else value


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise argparse.ArgumentTypeError(f'expected a time zone such as Europe/Rome, got "{text}"') from error
    return text


def _one_of(text: str, values: Mapping[str, object]) -> object:
    if text not in values:
        raise argparse.ArgumentTypeError(f'expected one of {", ".join(values)}, got "{text}"')
    return values[text]


def _technologies(text: str) -> Technologies:
    pairs = [pair.split("=", 1) for pair in text.split(",") if pair]
    try:
        return Technologies(**{name.strip(): float(share) for name, share in pairs})
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f'expected shares such as pjsip=0.4,custom=0.05,virtual=0.05, got "{text}"'
        ) from error


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f'expected HOST:PORT such as 127.0.0.1:10391, got "{text}"')
    return host.removeprefix("[").removesuffix("]"), int(port)  # an IPv6 host is in brackets


def _at_least_0(text: str, lowest: int = 0) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) >= lowest):
        raise argparse.ArgumentTypeError(f'expected a whole number of at least {lowest}, got "{text}"')
    return int(text)


def _at_least_1(text: str) -> int:
    return _at_least_0(text, 1)


def _up_to_1000(text: str) -> int:
    if _at_least_0(text) > _MOST_QUEUES:
        raise argparse.ArgumentTypeError(f'expected a whole number of at most {_MOST_QUEUES}, got "{text}"')
    return int(text)


def _seconds(text: str) -> float:
    value = _float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'expected a number of seconds such as 0.5, got "{text}"')
    return value


def _above_0(text: str) -> float:
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'expected a number above 0, got "{text}"')
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
