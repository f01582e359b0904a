"""Parse requests, reject everything that does more than read, and check keys.

The API of a real switch also hangs up calls, reboots phones and moves money, with the same keys and at the
same URL. A client that sends such a request has a bug, so the simulator rejects it loudly.
Source of the parameters: the vendor's reference (reqtype=HELP).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

# Each operation, and its parameters beside the common ones.
_OPERATIONS = {
    "COUNTPEERS": {"tenant"},
    "COUNTCHANNELS": {"tenant", "nodename"},
    "COUNTCALLS": {"tenant"},
    "LICENSEDAYS": {"tenant"},
    "CHANSIPPEERS": {"tenant"},
    "PEERS": {"tenant"},
    "BLFS": {"tenant"},
    "INFO balance": {"tenant", "info"},
    "INFO regstate": {"tenant", "info", "ext", "id", "number"},
    "INFO extensions": {"tenant", "info"},
    "INFO config": {"tenant", "info"},
    "INFO queues": {"tenant", "info"},
    "INFO queue": {"tenant", "info", "id"},
    "INFO simplecdrs": {"tenant", "info", "start", "end"},
    "MANAGEDB tenant list": {"object", "action"},
    "MANAGEDB sipregs list": {"tenant", "object", "action"},
    "HELP": {"tenant"},
}
_COMMON = {"reqtype", "key", "format"}
_LOGGED = _COMMON.union({"cache"}, *_OPERATIONS.values()) - {"key"}
_EXTENSION_PARAMETERS = ("ext", "id", "number")
_ADMIN_ONLY = {"LICENSEDAYS", "MANAGEDB tenant list", "MANAGEDB sipregs list"}

# The same for a wrong key, a missing or unknown tenant, and an operation that the key may not use. With its
# newline it has the 46 bytes that were seen (wire notes 2026-10).
REFUSAL = "Too bad... you mistaken the security api key.\n"
_WRONG_TENANT = "Wrong or missing tenant"


class ForbiddenRequest(Exception):  # noqa: N818 - a response (HTTP 403), not an error of the program
    """A request that the allow-list does not contain. The text has the reason and no key."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A parsed request. ``operation`` is its words in one string, such as ``INFO balance``.

    ``tenant``, ``node``, ``extension`` and ``queue`` are "" if not given; ``extension`` is the number,
    whichever parameter it came in. ``parameters`` has everything but the key.
    """

    reqtype: str
    info: str
    object: str
    operation: str
    tenant: str
    node: str
    extension: str
    queue: str
    json: bool
    parameters: Mapping[str, str]

    @property
    def every_tenant(self) -> bool:
        """Whether ``tenant`` is the wildcard, which only the call history accepts (vendor's reference)."""
        return self.tenant == "%" and self.operation == "INFO simplecdrs"


def parse(method: str, pairs: Sequence[tuple[str, str]]) -> ApiRequest:
    """Return the parsed request. Raises ForbiddenRequest for everything outside the allow-list."""
    if method != "GET":
        raise ForbiddenRequest(f"method {method!r}: only GET is read-only")
    names = Counter(name for name, _ in pairs)
    if repeated := sorted(name for name, count in names.items() if count > 1):
        raise ForbiddenRequest(f"parameters given more than once: {', '.join(map(repr, repeated))}")
    given = dict(pairs)
    if given.get("cache", "").casefold() == "no":
        raise ForbiddenRequest("cache=no: the cache protects the switch from load")
    request = _request(given)
    allowed = _OPERATIONS.get(request.operation)
    if allowed is None:
        raise ForbiddenRequest(f"operation {request.operation or '(none)'!r} is not in the allow-list")
    if unknown := sorted(names.keys() - allowed - _COMMON):
        listed = ", ".join(map(repr, unknown))
        raise ForbiddenRequest(f"parameters that {request.operation} does not have: {listed}")
    if request.node and request.tenant:
        raise ForbiddenRequest("nodename is only allowed without tenant")
    return request


def for_log(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters without the key, and without any value that could be a secret."""
    return {name: value if name in _LOGGED else "(not shown)" for name, value in pairs if name != "key"}


def _request(given: Mapping[str, str]) -> ApiRequest:
    # These values are case-insensitive on the wire (seen, wire notes 2026-10); tenant and node are not.
    words = {name: given.get(name, "").lower() for name in ("reqtype", "info", "object", "action")}
    reqtype = words["reqtype"] = words["reqtype"].upper()
    # A space inside a value must not make one word pass for two.
    operation = " ".join(word.replace(" ", "+") for word in words.values() if word)
    extensions = [given[name] for name in _EXTENSION_PARAMETERS if name in given]
    return ApiRequest(
        reqtype=reqtype,
        info=words["info"],
        object=words["object"],
        operation=operation,
        tenant=given.get("tenant", ""),
        node=given.get("nodename", ""),
        extension=extensions[0] if extensions and operation == "INFO regstate" else "",
        queue=given.get("id", "") if operation == "INFO queue" else "",
        json=given.get("format", "").lower() == "json",
        parameters=MappingProxyType({name: value for name, value in given.items() if name != "key"}),
    )


class KeyKind(StrEnum):
    """The kind of key in a request: all that a log contains about a key."""

    ADMIN = "admin"
    TENANT = "tenant"
    WRONG = "wrong"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Keys:
    """The made-up keys of the simulator: ``admin``, and ``<tenant_prefix>-tenant-<CODE>`` per tenant."""

    admin: str = field(default="demo-admin", repr=False)
    tenant_prefix: str = field(default="demo", repr=False)

    def of_tenant(self, code: str) -> str:
        """Return the key of a tenant."""
        return f"{self.tenant_prefix}-tenant-{code}"

    def kind(self, key: str) -> KeyKind:
        """Return the kind of a key. The tenant of a tenant key need not exist."""
        if not key:
            return KeyKind.MISSING
        if key == self.admin:
            return KeyKind.ADMIN
        return KeyKind.TENANT if self._owner(key) else KeyKind.WRONG

    def refusal(self, key: str, request: ApiRequest, *, tenant_exists: bool) -> str | None:
        """Return the text that refuses a request, or None if the key allows it."""
        kind = self.kind(key)
        if kind in {KeyKind.WRONG, KeyKind.MISSING} or (request.tenant and not tenant_exists):
            return REFUSAL
        if kind is KeyKind.ADMIN:
            return None
        if request.tenant != self._owner(key):
            # Seen for this operation only (wire notes 2026-10).
            return _WRONG_TENANT if request.operation == "COUNTCHANNELS" else REFUSAL
        return REFUSAL if request.operation in _ADMIN_ONLY else None

    def _owner(self, key: str) -> str:
        return key.removeprefix(start) if key.startswith(start := self.of_tenant("")) else ""
