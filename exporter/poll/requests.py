"""Which requests one sweep of a query consists of, in the order in which they are sent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.model import ExtensionParameter, Query, RegistrationSource, Scope, Target
from exporter.request import Operation, Request

OPERATIONS: Mapping[Query, Operation] = {
    Query.PEERS: Operation.COUNT_PEERS,
    Query.CHANNELS: Operation.COUNT_CHANNELS,
    Query.CALLS: Operation.COUNT_CALLS,
    Query.LICENSE: Operation.LICENSE_DAYS,
    Query.BALANCE: Operation.BALANCE,
    Query.REGISTRATIONS: Operation.REGISTRATION,
    Query.LIMITS: Operation.LIMITS,
    Query.TENANTS: Operation.TENANTS,
    Query.EXTENSIONS: Operation.EXTENSIONS,
}

REGISTRATION_OPERATIONS: Mapping[RegistrationSource, Operation] = {
    RegistrationSource.REGSTATE: Operation.REGISTRATION,
    RegistrationSource.EXTENSIONS: Operation.EXTENSIONS,
    RegistrationSource.PEERS: Operation.PEERS,
}

# Each query starts its round at another tenant: only one request per tenant may be in flight, and queries
# that walked in step would meet at the same tenant every time.
_STARTS: Mapping[Query, float] = {
    Query.CHANNELS: 0.0,
    Query.PEERS: 0.17,
    Query.CALLS: 0.33,
    Query.REGISTRATIONS: 0.5,
    Query.BALANCE: 0.67,
    Query.LIMITS: 0.83,
    Query.EXTENSIONS: 0.92,
}


class Item(NamedTuple):
    """One request of a sweep. ``part`` is the node or the extension, where a target is asked part by part."""

    target: Target
    request: Request
    part: str = ""


def for_switch(query: Query, operation: Operation, nodes: Iterable[str] = ()) -> list[Item]:
    """Return what one sweep asks of the whole installation: itself, and each of ``nodes`` on its own."""
    target = Target(query, Scope.SWITCH)
    return [Item(target, Request(operation))] + [
        Item(target, Request(operation, node=node), part=node) for node in nodes
    ]


def for_tenants(query: Query, operation: Operation, targets: Iterable[Target]) -> list[Item]:
    """Return what one sweep of a query asks of these tenants, one request each."""
    return _from_its_start(
        query, [Item(target, Request(operation, tenant=target.tenant)) for target in targets]
    )


def for_extensions(extensions: Mapping[str, Sequence[str]], parameter: ExtensionParameter) -> list[Item]:
    """Return what one sweep asks of the extensions of each tenant code, one request each."""
    placed = []
    for code, numbers in extensions.items():
        target = Target(Query.REGISTRATIONS, Scope.TENANT, code)
        for position, number in enumerate(numbers):
            request = Request(
                Operation.REGISTRATION, tenant=code, extension=number, extension_parameter=parameter
            )
            # Each tenant's extensions are spread over the whole sweep, so that its requests do not queue up.
            placed.append(((position + 0.5) / len(numbers), Item(target, request, part=number)))
    placed.sort(key=lambda entry: entry[0])
    return _from_its_start(Query.REGISTRATIONS, [item for _, item in placed])


def _from_its_start(query: Query, items: list[Item]) -> list[Item]:
    start = int(len(items) * _STARTS[query])
    return items[start:] + items[:start]
