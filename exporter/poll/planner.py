"""The polling plan: queries, tenants and nodes to poll, and how often the rate limit allows each query.

The cycle of a query is its planned interval. If the rate limit allows all configured intervals, each cycle
equals its interval. Otherwise the cycles of all tenant queries are longer by the same factor. The few
installation-wide queries keep their intervals, because they show an outage first. If they alone need half of
the rate or more, all cycles are longer by the same factor.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.config import Key, SwitchConfiguration, TenantSettings
from exporter.model import ExtensionParameter, Query, RegistrationSource, Scope, Target
from exporter.poll import requests
from exporter.poll.discovery import NodePresence
from exporter.poll.requests import Item
from exporter.queries import QUERIES, registrations
from exporter.request import Operation

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


class KeyHolder(NamedTuple):
    """A key with its owner: a tenant code, or "" for the admin key."""

    owner: str
    key: Key


_Groups = list[tuple[TenantSettings, int]]


class Targets:
    """The targets of one switch and their intervals.

    ``tenants``: the settings of each polled tenant, by code.
    ``intervals``: the interval of each enabled query in seconds; for tenant queries, the shortest one.
    ``plan``: the cycles within the rate limit. ``has_several``: there is more than one target.
    """

    def __init__(self, configuration: SwitchConfiguration) -> None:
        self.presence = NodePresence()
        self.tenants: dict[str, TenantSettings] = {}
        self.intervals: dict[Job, float] = {}
        self._channels_node_by_node = False
        self._discovered_extensions: dict[str, tuple[str, ...]] = {}
        self._planned_intervals: dict[Target, float] = {}
        self.configure(configuration, ())

    def configure(self, configuration: SwitchConfiguration, discovered: Iterable[str]) -> None:
        """Apply a configuration. The tenants to poll are the configured and the discovered ones."""
        self._configuration = configuration
        self._source = configuration.queries.options(registrations.SPEC).source
        self._admin_key = KeyHolder("", configuration.key) if configuration.key else None
        self.presence.configure(node.name for node in configuration.nodes)
        codes = dict.fromkeys([*(tenant.code for tenant in configuration.tenants), *discovered])
        self.tenants = {code: configuration.settings(code) for code in codes}
        for code in self._discovered_extensions.keys() - self.tenants.keys():
            del self._discovered_extensions[code]
        self.intervals = dict(self._find_intervals(self._groups()))
        has_tenant_queries = any(scope is Scope.TENANT for _, scope in self.intervals)
        self.has_several = len(self.intervals) > 1 or (has_tenant_queries and len(self.tenants) > 1)
        self._count_and_plan()

    @property
    def channels_node_by_node(self) -> bool:
        """Whether COUNTCHANNELS returned only a total, so that each node needs its own request."""
        return self._channels_node_by_node

    @channels_node_by_node.setter
    def channels_node_by_node(self, needed: bool) -> None:
        if needed is not self._channels_node_by_node:
            self._channels_node_by_node = needed
            self._count_and_plan()

    def update_nodes(self, nodes: Iterable[str], now: float, *, nameless: int) -> dict[str, float]:
        """Store the nodes in a response; return 1 for each present node and 0 for each missing one."""
        before = self.presence.present
        states = self.presence.update(nodes, now, nameless=nameless)
        if self._channels_node_by_node and self.presence.present != before:
            self._count_and_plan()
        return states

    def set_discovered_extensions(self, code: str, numbers: Iterable[str]) -> None:
        """Store the discovered extensions of a tenant."""
        job, tenant = (Query.REGISTRATIONS, Scope.TENANT), self.tenants[code]
        before = self._requests_to(tenant, Query.REGISTRATIONS)
        self._discovered_extensions[code] = tuple(sorted(numbers))
        more = self._requests_to(tenant, Query.REGISTRATIONS) - before
        if more:  # counting all tenants again takes 40 ms, too long for each of 5,000 lists
            self._requests[job] += more
            self._plan()

    def extensions(self, code: str) -> tuple[str, ...]:
        """Return the extensions to poll the registrations of: the discovered and the configured ones."""
        tenant = self.tenants[code]
        discovered = self._discovered_extensions.get(code, ()) if tenant.extensions == "all" else ()
        if not discovered or not tenant.polled:  # merging all 5,000 lists would block a reload for 35 ms
            return discovered or tenant.polled
        return tuple(dict.fromkeys((*discovered, *tenant.polled)))

    def is_polled(self, target: Target) -> bool:
        """Return whether requests are sent to a target."""
        return self.planned_interval(target) < math.inf

    def has_values(self, target: Target) -> bool:
        """Return whether a target gets values: by its own requests, or from one list of all peers."""
        in_one_list = (
            target.query is Query.REGISTRATIONS
            and (Query.REGISTRATIONS, Scope.SWITCH) in self.intervals
            and target.tenant in self.tenants
        )
        return in_one_list or self.is_polled(target)

    def planned_interval(self, target: Target) -> float:
        """Return the planned seconds between two requests to a target; infinity if there are none."""
        planned = self._planned_intervals.get(target)
        if planned is None:  # one request looks it up eight times
            planned = self._planned_intervals[target] = self._plan_interval(target)
        return planned

    def _plan_interval(self, target: Target) -> float:
        job = target.query, target.scope
        shortest = self.intervals.get(job)
        if shortest is None:
            return math.inf
        if target.scope is Scope.SWITCH:
            return self.plan.cycles[job]
        tenant = self.tenants.get(target.tenant)
        interval = tenant.interval(target.query) if tenant else None
        return math.inf if interval is None else interval * self.plan.cycles[job] / shortest

    def key_of(self, target: Target) -> KeyHolder:
        """Return the key for a target. Raises LookupError if there is none; no such target is scheduled."""
        tenant = self.tenants.get(target.tenant)
        if tenant and tenant.own_key and tenant.key:
            return KeyHolder(tenant.code, tenant.key)
        if self._admin_key is None:
            raise LookupError(f"no key for {target}: it must not be scheduled")
        return self._admin_key

    @property
    def keys(self) -> dict[str, Key]:
        """All keys in use, by owner: a tenant code, or "" for the admin key."""
        own = {code: tenant.key for code, tenant in self.tenants.items() if tenant.own_key and tenant.key}
        return {**({"": self._admin_key.key} if self._admin_key else {}), **own}

    def requests(self, query: Query, scope: Scope) -> float:
        """Return the requests in an average sweep: a tenant with twice the interval counts half."""
        return self._requests[query, scope]

    def switch_items(self, query: Query) -> list[Item]:
        """Return the installation-wide requests of a query."""
        node_by_node = query is Query.CHANNELS and self._channels_node_by_node
        nodes = self.presence.present if node_by_node else ()
        return requests.for_switch(query, self.operation(query, Scope.SWITCH), nodes)

    @property
    def registration_parameter(self) -> ExtensionParameter:
        """The parameter that names the extension in ``INFO regstate``."""
        return self._configuration.queries.options(registrations.SPEC).parameter

    def operation(self, query: Query, scope: Scope) -> Operation:
        """Return the operation of a query."""
        spec = QUERIES[query]
        return spec.endpoint(self._configuration.queries.options(spec), scope).operation

    def polls(self, query: Query, tenant: TenantSettings) -> bool:
        """Return whether a query sends any request for a tenant."""
        if tenant.interval(query) is None:
            return False
        if query is Query.EXTENSIONS:  # only the registrations need this list
            is_needed = tenant.extensions == "all" and self._source is not RegistrationSource.EXTENSIONS
            return is_needed and self.polls(Query.REGISTRATIONS, tenant)
        if query is Query.REGISTRATIONS:
            return tenant.extensions == "all" or bool(tenant.polled)
        return True

    def _find_intervals(self, groups: _Groups) -> Iterable[tuple[Job, float]]:
        # Include the settings of tenants that are not discovered yet, so that their sweeps are scheduled.
        discover = self._configuration.discover_tenants.enabled
        tenants = [tenant for tenant, _ in groups]
        tenants += [self._configuration.settings("")] if discover else []
        in_one_list = self._source is RegistrationSource.PEERS and self._admin_key is not None
        for query in Query:
            interval = self._configuration.interval(query, Scope.SWITCH)
            each = [tenant.interval(query) for tenant in tenants if self.polls(query, tenant)]
            shortest = min((seconds for seconds in each if seconds is not None), default=None)
            if query is Query.REGISTRATIONS and in_one_list:
                interval, shortest = shortest, None
            if interval is not None and (query is not Query.TENANTS or discover):
                yield (query, Scope.SWITCH), interval
            if shortest is not None:
                yield (query, Scope.TENANT), shortest

    def _groups(self) -> _Groups:
        """Group the tenants that need the same requests; return one tenant and the size of each group.

        5,000 tenants form a few groups, so planning takes 5 ms instead of 70 ms.
        """
        groups: dict[tuple[int, bool, int], tuple[TenantSettings, int]] = {}
        for code, tenant in self.tenants.items():
            discovers = tenant.extensions == "all"
            group = (
                id(tenant.intervals),
                discovers,
                len(self.extensions(code) if discovers else tenant.polled),
            )
            first, size = groups.get(group, (tenant, 0))
            groups[group] = first, size + 1
        return list(groups.values())

    def _requests_to(self, tenant: TenantSettings, query: Query) -> float:
        shortest, interval = self.intervals.get((query, Scope.TENANT)), tenant.interval(query)
        if shortest is None or interval is None or not self.polls(query, tenant):
            return 0
        by_extension = query is Query.REGISTRATIONS and self._source is RegistrationSource.REGSTATE
        return shortest / interval * (len(self.extensions(tenant.code)) if by_extension else 1)

    def _count_and_plan(self) -> None:
        groups = self._groups()
        self._requests: dict[Job, float] = {}
        for query, scope in self.intervals:
            if scope is Scope.SWITCH:
                self._requests[query, scope] = len(self.switch_items(query))
            else:
                self._requests[query, scope] = sum(
                    size * self._requests_to(tenant, query) for tenant, size in groups
                )
        self._plan()

    def _plan(self) -> None:
        self._planned_intervals.clear()
        demands = [Demand(*job, self._requests[job], interval) for job, interval in self.intervals.items()]
        self.plan = plan(demands, self._configuration.max_requests_per_second)
