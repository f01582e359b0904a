"""Which requests one sweep of a query consists of, in the order in which they are sent."""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from exporter.model import ExtensionParameter, Query, Scope, Target
from exporter.queries import QUERIES
from exporter.request import Operation, Request


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
        for target, number in _spread(extensions, _start_of(Query.REGISTRATIONS)):
            request = Request(
                Operation.REGISTRATION, tenant=target.tenant, extension=number, extension_parameter=parameter
            )
            yield Item(target, request, part=number)

    return Items(sum(map(len, extensions.values())), make)


def _spread(extensions: Mapping[Target, Sequence[str]], start: float) -> Iterator[tuple[Target, str]]:
    """Give every extension once: those of each tenant evenly spread, from ``start`` (0 to 1) on and around.

    The heap holds the next one of each tenant: sorting all 250,000 held the event loop for 242 ms (2026-11).
    """
    heap = []
    for order, (target, numbers) in enumerate(extensions.items()):
        if numbers:
            first = math.ceil(start * len(numbers) - 0.5)
            place = (first + 0.5) / len(numbers) - start
            heap.append((place, order, 0, first, target, numbers))
    heapq.heapify(heap)
    while heap:
        place, order, given, first, target, numbers = heap[0]
        yield target, numbers[(first + given) % len(numbers)]
        if given + 1 < len(numbers):
            following = (place + 1 / len(numbers), order, given + 1, first, target, numbers)
            heapq.heapreplace(heap, following)
        else:
            heapq.heappop(heap)


def _from_its_start(entries: Sequence[_Entry], query: Query) -> Iterator[_Entry]:
    start = int(len(entries) * _start_of(query))
    return chain(islice(entries, start, None), islice(entries, start))


def _start_of(query: Query) -> float:
    return QUERIES[query].start or 0.0
