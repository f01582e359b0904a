"""Which requests one sweep of a query consists of, in the order in which they are sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.config import SwitchConfiguration, TenantSettings
from exporter.model import Query, Scope, Target
from exporter.request import Operation, Request

OPERATIONS: Mapping[Query, Operation] = {
    Query.PEERS: Operation.COUNT_PEERS,
    Query.CHANNELS: Operation.COUNT_CHANNELS,
    Query.CALLS: Operation.COUNT_CALLS,
    Query.LICENSE: Operation.LICENSE_DAYS,
    Query.BALANCE: Operation.BALANCE,
    Query.REGISTRATIONS: Operation.REGISTRATION,
    Query.LIMITS: Operation.LIMITS,
}

# Each query starts its round at another tenant: only one request per tenant may be in flight, and queries
# that walked in step would meet at the same tenant every time.
_STARTS: Mapping[Query, float] = {
    Query.CHANNELS: 0.0,
    Query.CALLS: 0.33,
    Query.BALANCE: 0.67,
    Query.PEERS: 0.17,
    Query.LIMITS: 0.83,
    Query.REGISTRATIONS: 0.5,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a sweep. ``part`` is the node or the extension, where a target is asked part by part."""

    target: Target
    request: Request
    part: str = ""


def for_switch(query: Query, nodes: Iterable[str]) -> list[Item]:
    """Return what one sweep asks of the whole installation: itself, and each of ``nodes`` on its own."""
    target = Target(query, Scope.SWITCH)
    operation = OPERATIONS[query]
    return [Item(target, Request(operation))] + [
        Item(target, Request(operation, node=node), part=node) for node in nodes
    ]


def for_tenants(
    query: Query, tenants: Sequence[TenantSettings], configuration: SwitchConfiguration
) -> list[Item]:
    """Return what one sweep asks of the tenants, one or more requests each."""
    if query is Query.REGISTRATIONS:
        items = _extensions(tenants, configuration)
    else:
        operation = OPERATIONS[query]
        items = [
            Item(Target(query, Scope.TENANT, tenant.code), Request(operation, tenant=tenant.code))
            for tenant in tenants
        ]
    start = int(len(items) * _STARTS[query])
    return items[start:] + items[:start]


def _extensions(tenants: Sequence[TenantSettings], configuration: SwitchConfiguration) -> list[Item]:
    parameter = configuration.queries.registrations.parameter
    placed = []
    for tenant in tenants:
        target = Target(Query.REGISTRATIONS, Scope.TENANT, tenant.code)
        for position, extension in enumerate(tenant.polled):
            request = Request(
                Operation.REGISTRATION,
                tenant=tenant.code,
                extension=extension,
                extension_parameter=parameter,
            )
            # Each tenant's extensions are spread over the whole sweep, so that its requests do not queue up.
            placed.append(((position + 0.5) / len(tenant.polled), Item(target, request, part=extension)))
    return [item for _, item in sorted(placed, key=lambda entry: entry[0])]
