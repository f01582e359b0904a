"""Which requests one sweep of a query consists of, in the order in which they are sent."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple, TypeVar

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


@dataclass(frozen=True, slots=True)
class Items(Collection[Item]):
    """So many requests, each made when its turn comes: to make 250,000 at once takes half a second."""

    count: int
    make: Callable[[], Iterator[Item]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return self.make()

    def __contains__(self, item: object) -> bool:
        return any(item == made for made in self)


_Entry = TypeVar("_Entry")


def for_switch(query: Query, operation: Operation, nodes: Iterable[str] = ()) -> list[Item]:
    """Return what one sweep asks of the whole installation: itself, and each of ``nodes`` on its own."""
    target = Target(query, Scope.SWITCH)
    return [Item(target, Request(operation))] + [
        Item(target, Request(operation, node=node), part=node) for node in nodes
    ]


def for_tenants(operation: Operation, targets: Sequence[Target]) -> Items:
    """Return what one sweep of a query asks of the tenants, one request each."""

    def make() -> Iterator[Item]:
        for target in _from_its_start(targets, targets[0].query) if targets else ():
            yield Item(target, Request(operation, tenant=target.tenant))

    return Items(len(targets), make)


def for_extensions(extensions: Mapping[Target, Sequence[str]], parameter: ExtensionParameter) -> Items:
    """Return what one sweep asks of the extensions of the tenants, one request each.

    Each tenant's extensions are spread over the whole sweep, so that its requests do not queue up.
    """

    def make() -> Iterator[Item]:
        placed = (place for target, numbers in extensions.items() for place in _placed(target, numbers))
        for _, target, number in _from_its_start(sorted(placed, key=itemgetter(0)), Query.REGISTRATIONS):
            request = Request(
                Operation.REGISTRATION, tenant=target.tenant, extension=number, extension_parameter=parameter
            )
            yield Item(target, request, part=number)

    return Items(sum(map(len, extensions.values())), make)


def _placed(target: Target, numbers: Sequence[str]) -> Iterator[tuple[float, Target, str]]:
    """Give the extensions of a tenant, each with its place in the sweep, from 0 to 1."""
    return (((place + 0.5) / len(numbers), target, number) for place, number in enumerate(numbers))


def _from_its_start(entries: Sequence[_Entry], query: Query) -> Iterator[_Entry]:
    start = int(len(entries) * _STARTS[query])
    return chain(islice(entries, start, None), islice(entries, start))
