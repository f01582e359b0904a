"""How the simulated switch answers where nobody has seen a real one do it."""

from dataclasses import dataclass
from typing import Literal

ExtensionParameter = Literal["ext", "id", "number"]


@dataclass(frozen=True, slots=True)
class Options:
    """The open questions of the API, each with the guess that is used unless told otherwise.

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
