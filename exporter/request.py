"""Everything that can be asked of a switch. What is not here cannot be sent.

The API that is read here can also hang up calls, reboot phones and move money, with the same
keys and on the same URL. So a request is not a set of parameters but one of a closed set of
operations, each with its fixed parameters and the few free ones it may carry.
Source: design section 6; ``reqtype=HELP`` of the vendor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from exporter.model import ExtensionParameter


class Operation(StrEnum):
    """The allow-list. Each value is what is sent, letter for letter.

    ``format=json`` is asked for where the JSON answer is known to say more, or is known at all;
    every decoder reads the plain form as well (2026-10, wire notes).
    """

    COUNT_PEERS = "reqtype=COUNTPEERS&format=json"
    COUNT_CHANNELS = "reqtype=COUNTCHANNELS&format=json"
    COUNT_CALLS = "reqtype=COUNTCALLS"
    LICENSE_DAYS = "reqtype=LICENSEDAYS"
    BALANCE = "reqtype=INFO&info=balance"
    REGISTRATION = "reqtype=INFO&info=regstate&format=json"
    EXTENSIONS = "reqtype=INFO&info=extensions&format=json"
    LIMITS = "reqtype=INFO&info=config&format=json"
    TENANTS = "reqtype=MANAGEDB&object=tenant&action=list&format=json"
    PEERS = "reqtype=CHANSIPPEERS&format=json"

    @property
    def parameters(self) -> Mapping[str, str]:
        """The fixed parameters, as they travel in the query string."""
        return _PARAMETERS[self]


_PARAMETERS: Mapping[Operation, Mapping[str, str]] = {
    operation: MappingProxyType(dict(pair.split("=") for pair in operation.value.split("&")))
    for operation in Operation
}
WHOLE_INSTALLATION_ONLY = frozenset({Operation.LICENSE_DAYS, Operation.TENANTS})
ONE_TENANT_ONLY = frozenset(
    {Operation.BALANCE, Operation.REGISTRATION, Operation.EXTENSIONS, Operation.LIMITS}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask: an operation, and of whom.

    ``tenant`` is a tenant code, or "" for the whole installation. ``node`` narrows COUNTCHANNELS of
    the whole installation to one node. ``extension`` is the number that ``INFO regstate`` is about,
    sent as ``extension_parameter``. Raises ValueError for a combination the API does not have.
    """

    operation: Operation
    tenant: str = ""
    node: str = ""
    extension: str = ""
    extension_parameter: ExtensionParameter = ExtensionParameter.EXT

    def __post_init__(self) -> None:
        if self.tenant and self.operation in WHOLE_INSTALLATION_ONLY:
            raise ValueError("this query is asked of the whole installation; leave the tenant out")
        if not self.tenant and self.operation in ONE_TENANT_ONLY:
            raise ValueError("this query is asked of a tenant; name one")
        if self.node and (self.operation is not Operation.COUNT_CHANNELS or self.tenant):
            raise ValueError("a node can only be given for COUNT_CHANNELS of the whole installation")
        if bool(self.extension) is not (self.operation is Operation.REGISTRATION):
            raise ValueError("an extension is given for REGISTRATION, always, and for nothing else")

    def parameters(self) -> dict[str, str]:
        """Everything that travels in the query string, except the key."""
        return {**self.operation.parameters, **self.free_parameters()}

    def free_parameters(self) -> dict[str, str]:
        """Return those of them that are not the same in every request of the operation."""
        wire = {}
        if self.tenant:
            wire["tenant"] = self.tenant
        if self.node:
            wire["nodename"] = self.node
        if self.extension:
            wire[self.extension_parameter.value] = self.extension
        return wire
