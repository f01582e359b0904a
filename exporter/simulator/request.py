"""Reads what a request asks, and rejects everything that does more than read.

The API of a real switch also hangs up calls, reboots phones and moves money, with the same keys and on the
same URL. Whoever sends one of these to the simulator has a bug to find, so the request must not pass quietly.
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
_LOGGED = _OF_EVERY_OPERATION.union({"cache"}, *_OPERATIONS.values()) - {"key"}
_EXTENSION_PARAMETERS = ("ext", "id", "number")


class ForbiddenRequest(Exception):  # noqa: N818 - it is an answer (HTTP 403), not a fault of the program
    """A request that must not be sent. The text says why and holds no key."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
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


def parse(method: str, pairs: Sequence[tuple[str, str]]) -> ApiRequest:
    """Return what a request asks. Raises ForbiddenRequest for everything that is not on the list."""
    if method != "GET":
        raise ForbiddenRequest(f"method {method!r}: only GET reads")
    names = Counter(name for name, _ in pairs)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ForbiddenRequest(f"parameters given more than once: {', '.join(map(repr, twice))}")
    given = dict(pairs)
    if given.get("cache", "").casefold() == "no":
        raise ForbiddenRequest("cache=no: the cache of a switch protects it")
    request = _request(given)
    allowed = _OPERATIONS.get(request.operation)
    if allowed is None:
        raise ForbiddenRequest(f"operation {request.operation or '(none)'!r} is not on the list of readings")
    if unknown := sorted(names.keys() - allowed - _OF_EVERY_OPERATION):
        listed = ", ".join(map(repr, unknown))
        raise ForbiddenRequest(f"parameters that {request.operation} does not have: {listed}")
    if request.node and request.tenant:
        raise ForbiddenRequest("nodename is for the whole installation, without tenant")
    return request


def for_log(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return parameters for a log: no key, and no value that could be a secret."""
    return {name: value if name in _LOGGED else "(not shown)" for name, value in pairs if name != "key"}


def _request(given: Mapping[str, str]) -> ApiRequest:
    # Values are case-insensitive on the wire (seen, wire notes 2026-10); codes and node names are not.
    words = {name: given.get(name, "").lower() for name in ("reqtype", "info", "object", "action")}
    reqtype = words["reqtype"] = words["reqtype"].upper()
    return ApiRequest(
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
