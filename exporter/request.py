"""The allow-list: every request that the exporter can send to a switch.

With the same keys, the same API also hangs up calls, reboots phones and moves money. A request is therefore
one of a closed set of operations, each with fixed parameters and few free ones.
Source of the names and parameters: the vendor's ``reqtype=HELP``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from exporter.model import ExtensionParameter, Scope


class Operation(StrEnum):
    """The query string that is sent, and the scopes for which it may be sent.

    ``format=json`` is requested where the JSON response is known to contain more, or where only that form is
    known. Every decoder reads the plain form as well (2026-10, wire notes).
    """

    _value_: str
    scopes: frozenset[Scope]

    def __new__(cls, query_string: str, *scopes: Scope) -> Self:
        """Create a member. Raises TypeError if it has no scope."""
        if not scopes:
            raise TypeError(f"{query_string}: declare its scopes: Scope.SWITCH, Scope.TENANT or both")
        operation = str.__new__(cls, query_string)
        operation._value_ = query_string
        operation.scopes = frozenset(scopes)
        return operation

    COUNT_PEERS = "reqtype=COUNTPEERS&format=json", Scope.SWITCH, Scope.TENANT
    COUNT_CHANNELS = "reqtype=COUNTCHANNELS&format=json", Scope.SWITCH, Scope.TENANT
    COUNT_CALLS = "reqtype=COUNTCALLS", Scope.SWITCH, Scope.TENANT
    LICENSE_DAYS = "reqtype=LICENSEDAYS", Scope.SWITCH
    BALANCE = "reqtype=INFO&info=balance", Scope.TENANT
    REGISTRATION = "reqtype=INFO&info=regstate&format=json", Scope.TENANT
    EXTENSIONS = "reqtype=INFO&info=extensions&format=json", Scope.TENANT
    LIMITS = "reqtype=INFO&info=config&format=json", Scope.TENANT
    QUEUES = "reqtype=INFO&info=queues&format=json", Scope.TENANT
    QUEUE = "reqtype=INFO&info=queue&format=json", Scope.TENANT
    TENANTS = "reqtype=MANAGEDB&object=tenant&action=list&format=json", Scope.SWITCH
    PEERS = "reqtype=CHANSIPPEERS&format=json", Scope.SWITCH, Scope.TENANT
    TENANT_PEERS = "reqtype=PEERS&format=json", Scope.TENANT
    # `%` stands for all tenants. The client sends it as `%25`.
    CALL_RECORDS = "reqtype=INFO&info=simplecdrs&tenant=%&format=json", Scope.SWITCH
    BLFS = "reqtype=BLFS&format=json", Scope.TENANT
    TRUNKS = "reqtype=MANAGEDB&object=sipregs&action=list&format=json", Scope.SWITCH, Scope.TENANT

    @property
    def parameters(self) -> Mapping[str, str]:
        """The fixed parameters."""
        return _PARAMETERS[self]


_PARAMETERS: Mapping[Operation, Mapping[str, str]] = {
    operation: MappingProxyType(dict(pair.split("=") for pair in operation.value.split("&")))
    for operation in Operation
}


@dataclass(frozen=True, slots=True)
class Request:
    """An operation, for one tenant or for the installation.

    ``tenant`` is a tenant code, or "" for the installation. ``node`` restricts an installation-wide
    COUNTCHANNELS to one node. ``extension`` is the number for ``INFO regstate``, sent as
    ``extension_parameter``. ``start`` and ``end`` limit CALL_RECORDS: ``YYYY-MM-DD HH:MM:SS``, in the time
    zone of the switch. ``queue`` is the id for ``INFO queue``. Raises ValueError for a combination that the
    API does not have.
    """

    operation: Operation
    tenant: str = ""
    node: str = ""
    extension: str = ""
    extension_parameter: ExtensionParameter = ExtensionParameter.EXT
    start: str = ""
    end: str = ""
    queue: str = ""

    def __post_init__(self) -> None:
        if self.tenant and Scope.TENANT not in self.operation.scopes:
            raise ValueError("this query is installation-wide")
        if not self.tenant and Scope.SWITCH not in self.operation.scopes:
            raise ValueError("this query is per tenant")
        if self.node and (self.operation is not Operation.COUNT_CHANNELS or self.tenant):
            raise ValueError("a node is only allowed for an installation-wide COUNT_CHANNELS")
        if bool(self.extension) is not (self.operation is Operation.REGISTRATION):
            raise ValueError("an extension is required for REGISTRATION and not allowed for other operations")
        if {bool(self.start), bool(self.end)} != {self.operation is Operation.CALL_RECORDS}:
            raise ValueError(
                "start and end are required for CALL_RECORDS and not allowed for other operations"
            )
        if bool(self.queue) is not (self.operation is Operation.QUEUE):
            raise ValueError("a queue is required for QUEUE and not allowed for other operations")

    def parameters(self) -> dict[str, str]:
        """Return all parameters of the query string except the key."""
        return {**self.operation.parameters, **self.free_parameters()}

    def free_parameters(self) -> dict[str, str]:
        """Return the parameters that differ between requests of one operation."""
        free = (
            ("tenant", self.tenant),
            ("nodename", self.node),
            (self.extension_parameter, self.extension),
            ("start", self.start),
            ("end", self.end),
            ("id", self.queue),
        )
        return {name: value for name, value in free if value}
