"""How often the rate limit allows each query.

The cycle of a query is its planned interval. If the rate limit allows all configured intervals, each cycle
equals its interval. Otherwise the cycles of all tenant queries are longer by the same factor. The few
installation-wide queries keep their intervals, because they show an outage first. If they alone need half of
the rate or more, all cycles are longer by the same factor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.model import Query, Scope

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
