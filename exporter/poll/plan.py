"""How fast each query can go: a pure calculation, shared by the scheduler and ``--config.check``.

Where the switch may be asked as often as the intervals need, each query's cycle is its interval.
Where it may not, the tenants' queries are stretched, all by the same factor, and the few
whole-installation queries keep theirs: an outage shows there first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.model import Query, Scope

FIRST_SWEEP = 30.0
"""Seconds over which the first sweep after a start is spread at most, where the rate allows it."""

_HEADROOM = 0.95  # of the rate, so that a late request can catch up instead of delaying all that follow


@dataclass(frozen=True, slots=True)
class Demand:
    """What one query asks for: so many requests, on average, every ``interval`` seconds."""

    query: Query
    scope: Scope
    requests: float
    interval: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.interval


@dataclass(frozen=True, slots=True)
class Plan:
    """What is possible: the cycle of each query and what the first sweeps are spread over, in seconds.

    ``wanted_rate`` is what the intervals ask for, ``rate`` what will be sent, in requests per second.
    """

    cycles: Mapping[tuple[Query, Scope], float]
    first_sweep: float
    wanted_rate: float
    rate: float


def plan(demands: Iterable[Demand], max_requests_per_second: float) -> Plan:
    """Fit what is wanted into what is allowed."""
    demands = list(demands)
    usable = max_requests_per_second * _HEADROOM
    wanted = sum(demand.rate for demand in demands)
    whole = sum(demand.rate for demand in demands if demand.scope is Scope.SWITCH)
    if wanted <= usable:
        stretch = dict.fromkeys(Scope, 1.0)
    elif whole < usable / 2:
        stretch = {Scope.SWITCH: 1.0, Scope.TENANT: (wanted - whole) / (usable - whole)}
    else:  # even the few whole-installation queries take most of it: all are stretched alike
        stretch = dict.fromkeys(Scope, wanted / usable)
    cycles = {(demand.query, demand.scope): demand.interval * stretch[demand.scope] for demand in demands}
    return Plan(
        cycles=cycles,
        first_sweep=_first_sweep(
            [(demand.requests, cycles[demand.query, demand.scope]) for demand in demands], usable
        ),
        wanted_rate=wanted,
        rate=min(wanted, usable),
    )


def _first_sweep(sweeps: list[tuple[float, float]], rate: float) -> float:
    """Return the seconds that asking everything once takes, while what has a shorter cycle goes on repeating.

    ``sweeps`` are (requests, cycle in seconds) of each query.
    """
    seconds = 0.0
    needed = FIRST_SWEEP
    while needed > seconds:
        seconds = needed
        once = sum(requests for requests, cycle in sweeps if cycle > seconds)
        repeated = sum(requests / cycle for requests, cycle in sweeps if cycle <= seconds)
        needed = once / (rate - repeated) if once else seconds
    return seconds
