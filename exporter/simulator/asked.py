"""Reads what a request asks, and refuses to hear anything that is not a reading.

The API of a real switch also hangs up calls, reboots phones and moves money, with the same keys and on the
same URL. Whoever sends such a thing to the simulator has a mistake to find, so it must not pass quietly.
Source of the list: design section 6; parameters: vendor's reference (reqtype=HELP).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

# Each operation, and the parameters it may carry beside those of every operation.
_OPERATIONS = {
    "COUNTPEERS": {"tenant"},
    "COUNTCHANNELS": {"tenant", "nodename"},
    "COUNTCALLS": {"tenant"},
    "LICENSEDAYS": {"tenant"},
    "CHANSIPPEERS": {"tenant"},
    "INFO balance": {"tenant", "info"},
    "INFO regstate": {"tenant", "info", "ext", "id", "number"},
    "INFO extensions": {"tenant", "info"},
    "INFO config": {"tenant", "info"},
    "MANAGEDB tenant list": {"object", "action"},
    "HELP": {"tenant"},
}
_OF_EVERY_OPERATION = {"reqtype", "key", "format"}

_SHOWABLE = {
    "reqtype",
    "info",
    "object",
    "action",
    "format",
    "tenant",
    "nodename",
    "ext",
    "id",
    "number",
    "cache",
}
_EXTENSION_PARAMETERS = ("ext", "id", "number")


class Forbidden(Exception):  # noqa: N818 - it is an answer (HTTP 403), not a fault of the program
    """A request that must not be sent. The text says why and holds no key."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the operation (as in ``INFO balance``), and of whom.

    ``tenant`` and ``node`` are "" where none was given. ``extension`` is the number given, whichever
    parameter named it; ``parameters`` holds everything but the key.
    """

    reqtype: str
    info: str
    operation: str
    tenant: str
    node: str
    extension: str
    json: bool
    parameters: Mapping[str, str]


def read(method: str, pairs: Sequence[tuple[str, str]]) -> Asked:
    """Return what a request asks. Raises Forbidden for everything that is not on the list."""
    if method != "GET":
        raise Forbidden(f"method {method!r}: only GET reads")
    names = Counter(name for name, _ in pairs)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise Forbidden(f"parameters given more than once: {', '.join(map(repr, twice))}")
    given = dict(pairs)
    if given.get("cache", "").casefold() == "no":
        raise Forbidden("cache=no: the cache of a switch protects it")
    asked = _asked(given)
    allowed = _OPERATIONS.get(asked.operation)
    if allowed is None:
        raise Forbidden(f"operation {asked.operation or '(none)'!r} is not on the list of readings")
    if unknown := sorted(names.keys() - allowed - _OF_EVERY_OPERATION):
        raise Forbidden(f"parameters that {asked.operation} does not have: {', '.join(map(repr, unknown))}")
    if asked.node and asked.tenant:
        raise Forbidden("nodename is for the whole installation, without tenant")
    return asked


def showable(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return parameters for a log: no key, and no value that could be a secret."""
    return {name: value if name in _SHOWABLE else "(not shown)" for name, value in pairs if name != "key"}


def _asked(given: Mapping[str, str]) -> Asked:
    # Values are case-insensitive on the wire (seen, wire notes 2026-10); codes and node names are not.
    words = {name: given.get(name, "").lower() for name in ("reqtype", "info", "object", "action")}
    reqtype = words["reqtype"] = words["reqtype"].upper()
    return Asked(
        reqtype=reqtype,
        info=words["info"],
        # A space inside a value must not make one word pass for two.
        operation=" ".join(word.replace(" ", "+") for word in words.values() if word),
        tenant=given.get("tenant", ""),
        node=given.get("nodename", ""),
        extension=next((given[name] for name in _EXTENSION_PARAMETERS if name in given), ""),
        json=given.get("format", "").lower() == "json",
        parameters=MappingProxyType({name: value for name, value in given.items() if name != "key"}),
    )
