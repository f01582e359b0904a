"""The requests of one sweep, in the order in which they are sent."""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from exporter.model import Query, Scope, Target
from exporter.queries import QUERIES
from exporter.request import Operation, Request

NEXT_WINDOW = Request(Operation.CALL_RECORDS, start="?", end="?")
"""Stands for the request for a window that ends when it is sent. ``Fetcher`` replaces it."""


class Item(NamedTuple):
    """One request of a sweep; ``part`` is its node, extension or queue if the target needs several."""

    target: Target
    request: Request
    part: str = ""


@dataclass(frozen=True, slots=True)
class Items(Collection[Item]):
    """A number of requests, made lazily: 250,000 at once take half a second."""

    count: int
    make: Callable[[], Iterator[Item]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return self.make()

    def __contains__(self, item: object) -> bool:
        return any(item == made for made in self)


def for_switch(query: Query, operation: Operation, nodes: Iterable[str] = ()) -> list[Item]:
    """Return the installation-wide request of a query, and one for each of ``nodes``."""
    target = Target(query, Scope.SWITCH)
    if operation is Operation.CALL_RECORDS:
        return [Item(target, NEXT_WINDOW)]
    return [Item(target, Request(operation, node=node), part=node) for node in ("", *nodes)]


def for_tenants(operation: Operation, targets: Sequence[Target]) -> Items:
    """Return one request for each tenant, beginning at the position that the query declares (``start``)."""

    def make() -> Iterator[Item]:
        start = int(len(targets) * _start_of(targets[0].query)) if targets else 0
        for target in chain(islice(targets, start, None), islice(targets, start)):
            yield Item(target, Request(operation, tenant=target.tenant))

    return Items(len(targets), make)


def for_parts(parts: Mapping[Target, Sequence[str]], request: Callable[[str, str], Request]) -> Items:
    """Return one request for each part of each tenant; ``request`` makes it from the tenant and the part.

    The parts of each tenant are spread over the whole sweep, so that its requests do not queue up.
    """

    def make() -> Iterator[Item]:
        start = next((_start_of(target.query) for target in parts), 0.0)
        for target, part in _spread(parts, start):
            yield Item(target, request(target.tenant, part), part=part)

    return Items(sum(map(len, parts.values())), make)


def _spread(parts: Mapping[Target, Sequence[str]], start: float) -> Iterator[tuple[Target, str]]:
    """Yield every part once, those of each tenant evenly spread over the sweep.

    Each tenant begins at position ``start`` (0 to 1) of its list and continues at 0 after the end. The heap
    has the next part of each tenant: sorting all 250,000 blocked the event loop for 242 ms (2026-11).
    """
    heap = []
    for order, (target, names) in enumerate(parts.items()):
        if names:
            first = math.ceil(start * len(names) - 0.5)
            place = (first + 0.5) / len(names) - start
            heap.append((place, order, 0, first, target, names))
    heapq.heapify(heap)
    while heap:
        place, order, given, first, target, names = heap[0]
        yield target, names[(first + given) % len(names)]
        if given + 1 < len(names):
            following = (place + 1 / len(names), order, given + 1, first, target, names)
            heapq.heapreplace(heap, following)
        else:
            heapq.heappop(heap)


def _start_of(query: Query) -> float:
    return QUERIES[query].start or 0.0
