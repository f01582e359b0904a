"""What is polled: the queries that are on, their tenants and nodes, and how often each can be asked.

Where the switch may be asked as often as the intervals need, the cycle of a query is its interval. Where it
may not, the tenants' queries are stretched, all by the same factor, and the few whole-installation queries
keep theirs: an outage shows there first.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.config import Key, SwitchConfiguration, TenantSettings
from exporter.model import ExtensionParameter, Query, RegistrationSource, Scope, Target
from exporter.poll import requests
from exporter.poll.discovery import NodePresence
from exporter.poll.requests import Item
from exporter.queries import QUERIES, registrations
from exporter.request import Operation

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
    rates = [(demand.scope, demand.requests / demand.interval) for demand in demands]
    wanted = sum(rate for _, rate in rates)
    whole = sum(rate for scope, rate in rates if scope is Scope.SWITCH)
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
    """Return the seconds to ask everything once; ``sweeps`` are (requests, cycle) of each query."""
    # Meanwhile what has a shorter cycle is repeated.
    seconds, needed = 0.0, FIRST_SWEEP
    while needed > seconds:
        seconds = needed
        once = sum(requests for requests, cycle in sweeps if cycle > seconds)
        repeated = sum(requests / cycle for requests, cycle in sweeps if cycle <= seconds)
        needed = once / (rate - repeated) if once else seconds
    return seconds


class KeyHolder(NamedTuple):
    """A key and whose it is: a tenant code, or "" for the admin key."""

    owner: str
    key: Key


_Kinds = list[tuple[TenantSettings, int]]


class Targets:
    """The targets of one switch, and how fast they can be asked.

    ``tenants``: what holds for each tenant that is polled, by code.
    ``intervals``: seconds, for every query that is on; of the tenants' intervals of a query the shortest.
    ``plan``: what of that the rate limit allows. ``has_several``: there is more than one target.
    """

    def __init__(self, configuration: SwitchConfiguration) -> None:
        self.presence = NodePresence()
        self.tenants: dict[str, TenantSettings] = {}
        self.intervals: dict[tuple[Query, Scope], float] = {}
        self._configuration = configuration
        self._channels_node_by_node = False
        self._discovered_extensions: dict[str, tuple[str, ...]] = {}
        self._planned_intervals: dict[Target, float] = {}
        self._demands: dict[tuple[Query, Scope], Demand] = {}
        self.configure(configuration, ())

    def configure(self, configuration: SwitchConfiguration, discovered: Iterable[str]) -> None:
        """Poll what this configuration says, and the tenants that were ``discovered``."""
        self._configuration = configuration
        self._admin_key = KeyHolder("", configuration.key) if configuration.key else None
        self.presence.configure(node.name for node in configuration.nodes)
        codes = dict.fromkeys([*(tenant.code for tenant in configuration.tenants), *discovered])
        self.tenants = {code: configuration.settings(code) for code in codes}
        for code in self._discovered_extensions.keys() - self.tenants.keys():
            del self._discovered_extensions[code]
        self.intervals = self._intervals(self._kinds())
        of_tenants = any(scope is Scope.TENANT for _, scope in self.intervals)
        self.has_several = len(self.intervals) > 1 or (of_tenants and len(self.tenants) > 1)
        self._count_and_plan()

    @property
    def channels_node_by_node(self) -> bool:
        """Whether COUNTCHANNELS only told a total, so that each node has to be asked on its own."""
        return self._channels_node_by_node

    @channels_node_by_node.setter
    def channels_node_by_node(self, needed: bool) -> None:
        if needed is not self._channels_node_by_node:
            self._channels_node_by_node = needed
            self._count_and_plan()

    def accept_nodes(self, nodes: Iterable[str], now: float, *, nameless: int) -> dict[str, float]:
        """Take in the nodes of an answer; return 1 for each that is there and 0 for each that is missing."""
        before = self.presence.present
        present = self.presence.update(nodes, now, nameless=nameless)
        if self._channels_node_by_node and self.presence.present != before:
            self._count_and_plan()  # each node that is new is one more to ask
        return present

    def set_discovered_extensions(self, code: str, numbers: Iterable[str]) -> None:
        """Take in the extensions that a tenant was found to have."""
        before = self._requests_to(self.tenants[code], Query.REGISTRATIONS)
        self._discovered_extensions[code] = tuple(sorted(numbers))
        more = self._requests_to(self.tenants[code], Query.REGISTRATIONS) - before
        if more:
            # Only this tenant is counted anew: counting all takes 40 ms, and 5,000 lists come.
            demand = self._demands[Query.REGISTRATIONS, Scope.TENANT]
            self._demands[demand.query, demand.scope] = replace(demand, requests=demand.requests + more)
            self._plan()

    def extensions(self, code: str) -> tuple[str, ...]:
        """Return the extensions of a tenant whose registrations are followed, as far as they are known."""
        tenant = self.tenants[code]
        found = self._discovered_extensions.get(code, ()) if tenant.extensions == "all" else ()
        if not found or not tenant.polled:  # nearly always: to put 5,000 lists together would take 20 ms
            return found or tenant.polled
        return tuple(dict.fromkeys((*found, *tenant.polled)))

    def is_polled(self, target: Target) -> bool:
        """Tell whether a target is asked at all."""
        return self.planned_interval(target) < math.inf

    def is_followed(self, target: Target) -> bool:
        """Tell whether a target is asked, or its registrations are in a list of the whole installation."""
        in_one_list = (
            target.query is Query.REGISTRATIONS
            and (Query.REGISTRATIONS, Scope.SWITCH) in self.intervals
            and target.tenant in self.tenants
        )
        return in_one_list or self.is_polled(target)

    def planned_interval(self, target: Target) -> float:
        """Return the seconds between two requests to a target, as planned; infinity where none are sent."""
        pace = self._planned_intervals.get(target)
        if pace is None:  # each request asks for it seven times
            pace = self._planned_intervals[target] = self._planned_interval(target)
        return pace

    def _planned_interval(self, target: Target) -> float:
        job = target.query, target.scope
        tenant = self.tenants.get(target.tenant) if target.scope is Scope.TENANT else None
        interval = tenant.interval(target.query) if tenant else self.intervals.get(job)
        if interval is None or job not in self.intervals or (target.scope is Scope.TENANT and tenant is None):
            return math.inf
        return interval * self.plan.cycles[job] / self.intervals[job]

    def key_of(self, target: Target) -> KeyHolder:
        """Return the key a target is asked with. Raises LookupError for one that is never scheduled."""
        tenant = self.tenants.get(target.tenant)
        if tenant and tenant.own_key and tenant.key:
            return KeyHolder(tenant.code, tenant.key)
        if self._admin_key is None:
            raise LookupError("a target without a key is never scheduled")
        return self._admin_key

    @property
    def keys(self) -> dict[str, Key]:
        """All keys that something is asked with, by owner: a tenant code, or "" for the admin key."""
        own = {code: tenant.key for code, tenant in self.tenants.items() if tenant.own_key and tenant.key}
        return {**({"": self._admin_key.key} if self._admin_key else {}), **own}

    def requests(self, query: Query, scope: Scope) -> float:
        """Return the requests of an average sweep: a tenant with twice the interval is half in it."""
        return self._demands[query, scope].requests

    def _demand(self, query: Query, scope: Scope, kinds: _Kinds) -> Demand:
        if scope is Scope.SWITCH:
            count: float = len(self.for_switch(query))
        else:
            asked = [(tenant, alike) for tenant, alike in kinds if self.asks(query, tenant)]
            count = sum(alike * self._requests_to(tenant, query) for tenant, alike in asked)
        return Demand(query, scope, count, self.intervals[query, scope])

    def _kinds(self) -> _Kinds:
        """Return one tenant of each kind, and how many there are of it: 5,000 tenants are of a few kinds."""
        kinds: dict[tuple[int, bool, int], tuple[TenantSettings, int]] = {}
        for code, tenant in self.tenants.items():
            finds = tenant.extensions == "all"
            kind = id(tenant.intervals), finds, len(self.extensions(code) if finds else tenant.polled)
            first, alike = kinds.get(kind, (tenant, 0))
            kinds[kind] = first, alike + 1
        return list(kinds.values())

    def _requests_to(self, tenant: TenantSettings, query: Query) -> float:
        shortest, interval = self.intervals.get((query, Scope.TENANT)), tenant.interval(query)
        if shortest is None or interval is None:
            return 0
        by_extension = self.operation(query, Scope.TENANT) is Operation.REGISTRATION
        return shortest / interval * (len(self.extensions(tenant.code)) if by_extension else 1)

    def for_switch(self, query: Query) -> list[Item]:
        """Return the requests that ask the whole installation."""
        one_by_one = query is Query.CHANNELS and self._channels_node_by_node
        nodes = self.presence.present if one_by_one else ()
        return requests.for_switch(query, self.operation(query, Scope.SWITCH), nodes)

    @property
    def registration_parameter(self) -> ExtensionParameter:
        """How the switch is told of which extension the registration is asked."""
        return self._configuration.queries.options(registrations.SPEC).parameter

    def operation(self, query: Query, scope: Scope) -> Operation:
        """Return the operation that answers a query."""
        spec = QUERIES[query]
        return spec.endpoint(self._configuration.queries.options(spec), scope).operation

    def asks(self, query: Query, tenant: TenantSettings) -> bool:
        """Tell whether a query is asked of a tenant, one request or more."""
        if tenant.interval(query) is None:
            return False
        from_list = self._source is RegistrationSource.EXTENSIONS
        if query is Query.EXTENSIONS:
            # The list is for the registrations alone: where none are followed nobody needs it.
            return tenant.extensions == "all" and not from_list and self.asks(Query.REGISTRATIONS, tenant)
        if query is Query.REGISTRATIONS:
            return tenant.extensions == "all" or bool(tenant.polled)
        return True

    def _intervals(self, kinds: _Kinds) -> dict[tuple[Query, Scope], float]:
        # A tenant yet to be discovered counts as well: its sweeps are scheduled from the start.
        discover = self._configuration.discover_tenants.enabled
        tenants = [tenant for tenant, _ in kinds]
        tenants += [self._configuration.settings("")] if discover else []
        in_one_list = self._source is RegistrationSource.PEERS and self._configuration.key is not None
        intervals = {}
        for query in Query:
            whole = self._configuration.interval(query, Scope.SWITCH)
            each = [tenant.interval(query) for tenant in tenants if self.asks(query, tenant)]
            shortest = min((interval for interval in each if interval is not None), default=None)
            if query is Query.REGISTRATIONS and in_one_list:
                whole, shortest = shortest, None
            if query is Query.TENANTS and not discover:
                whole = None
            if whole is not None:
                intervals[query, Scope.SWITCH] = whole
            if shortest is not None:
                intervals[query, Scope.TENANT] = shortest
        return intervals

    @property
    def _source(self) -> RegistrationSource:
        return self._configuration.queries.options(registrations.SPEC).source

    def _count_and_plan(self) -> None:
        kinds = self._kinds()
        self._demands = {(query, scope): self._demand(query, scope, kinds) for query, scope in self.intervals}
        self._plan()

    def _plan(self) -> None:
        self.plan = plan(self._demands.values(), self._configuration.max_requests_per_second)
        self._planned_intervals.clear()
