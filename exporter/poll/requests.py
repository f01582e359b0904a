"""The requests of one sweep, in the order in which they are sent, and how often there is a sweep.

The cycle of a query is its planned interval. If the rate limit allows all configured intervals, each cycle
equals its interval. Otherwise the cycles of all tenant queries are longer by the same factor. The few
installation-wide queries keep their intervals, because they show an outage first. If they alone need half of
the rate or more, all cycles are longer by the same factor.
"""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from exporter.model import Query, Scope, Target
from exporter.queries import QUERIES
from exporter.request import Operation, Request

FIRST_SWEEP = 30.0
"""Seconds. The first sweep of a query is spread over this time, or over its cycle if that is shorter.
It takes longer if the rate limit requires it."""

_HEADROOM = 0.95  # share of the rate limit to plan with, so that a late request does not delay all later ones

Job = tuple[Query, Scope]


class Demand(NamedTuple):
    """A query that sends ``requests`` requests (an average) every ``interval`` seconds."""

    query: Query
    scope: Scope
    requests: float
    interval: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The cycle of each query, and the time over which first sweeps are spread, in seconds.

    ``required_rate`` is the rate that the configured intervals need, ``rate`` the planned rate. Both are in
    requests per second.
    """

    cycles: Mapping[Job, float]
    first_sweep: float
    required_rate: float
    rate: float


def plan(demands: Iterable[Demand], max_requests_per_second: float) -> Plan:
    """Fit the demands into the rate limit."""
    demands = list(demands)
    usable = max_requests_per_second * _HEADROOM
    required = sum(demand.requests / demand.interval for demand in demands)
    of_switch = sum(demand.requests / demand.interval for demand in demands if demand.scope is Scope.SWITCH)
    if required <= usable:
        stretch = dict.fromkeys(Scope, 1.0)
    elif of_switch < usable / 2:
        stretch = {Scope.SWITCH: 1.0, Scope.TENANT: (required - of_switch) / (usable - of_switch)}
    else:  # the installation-wide queries alone need half of the rate or more
        stretch = dict.fromkeys(Scope, required / usable)
    cycles = {(demand.query, demand.scope): demand.interval * stretch[demand.scope] for demand in demands}
    first_sweep = _first_sweep(
        [(demand.requests, cycles[demand.query, demand.scope]) for demand in demands], usable
    )
    return Plan(cycles, first_sweep, required, min(required, usable))


def _first_sweep(sweeps: list[tuple[float, float]], rate: float) -> float:
    """Return the seconds that one sweep of all queries takes; ``sweeps``: requests and cycle of each."""
    # Queries with a shorter cycle repeat during this time. Their requests leave less of the rate.
    seconds, needed = 0.0, FIRST_SWEEP
    while needed > seconds:
        seconds = needed
        once = sum(requests for requests, cycle in sweeps if cycle > seconds)
        repeated = sum(requests / cycle for requests, cycle in sweeps if cycle <= seconds)
        needed = once / (rate - repeated) if once else seconds
    return seconds


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
