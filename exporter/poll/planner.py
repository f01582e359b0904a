"""The targets of one switch: queries, tenants, nodes and parts to poll."""

import math
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from exporter.config import Key, SwitchConfiguration, TenantSettings
from exporter.model import Extension, Query, RegistrationSource, Scope, Target
from exporter.poll import requests
from exporter.poll.discovery import KnownTechnologies, NodePresence
from exporter.poll.requests import Demand, Item, Job, plan
from exporter.queries import QUERIES, Endpoint, registrations


class KeyHolder(NamedTuple):
    """A key with its owner: a tenant code, or "" for the admin key."""

    owner: str
    key: Key


_Groups = list[tuple[TenantSettings, int]]

_WITH_PARTS = [spec.parts_of for spec in QUERIES.values() if spec.parts_of]


class Targets:
    """The targets of one switch and their intervals.

    ``tenants``: the settings of each polled tenant, by code. ``technologies``: those of their extensions.
    ``intervals``: the interval of each enabled query in seconds; for tenant queries, the shortest one.
    ``plan``: the cycles within the rate limit. ``has_several``: there is more than one target.
    """

    def __init__(self, configuration: SwitchConfiguration) -> None:
        self.presence = NodePresence()
        self.tenants: dict[str, TenantSettings] = {}
        self.intervals: dict[Job, float] = {}
        self._channels_node_by_node = False
        self.technologies = KnownTechnologies()
        self._discovered_parts: dict[Target, tuple[str, ...]] = {}
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
        for target in [each for each in self._discovered_parts if each.tenant not in self.tenants]:
            del self._discovered_parts[target]
        all_listed = self._source is RegistrationSource.EXTENSIONS
        has_list = {code for code, tenant in self.tenants.items() if all_listed or tenant.extensions == "all"}
        self.technologies.keep_tenants(has_list)
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

    def set_discovered_parts(
        self, target: Target, names: Collection[str], rows: Iterable[Extension] = ()
    ) -> None:
        """Store the discovered parts of a tenant. ``rows``: of a list of extensions, with technologies."""
        tenant = self.tenants[target.tenant]
        before = self._requests_to(tenant, target.query)
        if target.query is Query.REGISTRATIONS:
            self.technologies.update(target.tenant, rows, kept=names)
        unable = self._unable(target)
        self._discovered_parts[target] = tuple(sorted(name for name in names if name not in unable))
        more = self._requests_to(tenant, target.query) - before
        if more:  # counting all tenants again takes 40 ms, too long for each of 5,000 lists
            self._requests[target.query, target.scope] += more
            self._plan()

    def parts(self, target: Target) -> tuple[str, ...]:
        """Return the extensions or queues of a tenant to poll: the discovered and the configured ones.

        Extensions that cannot register are not polled.
        """
        wanted = self.tenants[target.tenant].parts(target.query)
        if wanted is None:
            return ()
        if not wanted.all:
            return wanted.named
        discovered = self._discovered_parts.get(target, ())
        if not wanted.named:  # merging all 5,000 lists would block a reload for 35 ms
            return discovered
        unable = self._unable(target)
        return tuple(part for part in dict.fromkeys((*discovered, *wanted.named)) if part not in unable)

    def _unable(self, target: Target) -> Collection[str]:
        return self.technologies.unable(target.tenant) if target.query is Query.REGISTRATIONS else ()

    def is_polled(self, target: Target) -> bool:
        """Return whether requests are sent to a target."""
        return self.planned_interval(target) < math.inf

    def has_values(self, target: Target) -> bool:
        """Return whether a target gets values: by its own requests, or from one list for all tenants."""
        in_one_list = (
            target.query in {Query.REGISTRATIONS, Query.TRUNKS}
            and (target.query, Scope.SWITCH) in self.intervals
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
        interval = tenant.interval(target.query) if tenant and self.polls(target.query, tenant) else None
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
        return requests.for_switch(query, self._endpoint(query, Scope.SWITCH).operation, nodes)

    def tenant_items(self, query: Query, targets: Sequence[Target]) -> Collection[Item]:
        """Return the requests of a query to tenants: one each, or one for each of their parts."""
        endpoint = self._endpoint(query, Scope.TENANT)
        if endpoint.for_part is None:
            return requests.for_tenants(endpoint.operation, targets)
        section = self._configuration.queries.options(QUERIES[query])
        parts = {target: self.parts(target) for target in targets}
        return requests.for_parts(parts, partial(endpoint.for_part, section))

    def sends(self, query: Query, code: str) -> bool:
        """Return whether any request of a query is planned for a tenant."""
        tenant = self.tenants.get(code)
        return tenant is not None and self._requests_to(tenant, query) > 0

    def polls(self, query: Query, tenant: TenantSettings) -> bool:
        """Return whether a query sends any request for a tenant."""
        if tenant.interval(query) is None:
            return False
        spec = QUERIES[query]
        wanted = tenant.parts(spec.parts_of or query)
        if spec.parts_of and wanted:  # only the query of these parts needs this list, unless it requests it
            is_other = self._endpoint(spec.parts_of, Scope.TENANT).operation not in dict(spec.operations)
            return (wanted.all or spec.names_parts) and is_other and self.polls(spec.parts_of, tenant)
        return wanted is None or wanted.any

    def _endpoint(self, query: Query, scope: Scope) -> Endpoint[Any, Any]:
        spec = QUERIES[query]
        return spec.endpoint(self._configuration.queries.options(spec), scope)

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
        groups: dict[tuple[object, ...], tuple[TenantSettings, int]] = {}
        for code, tenant in self.tenants.items():
            wanted = [(query, tenant.parts(query)) for query in _WITH_PARTS]
            parts = [
                (found.all, len(self.parts(Target(query, Scope.TENANT, code)) if found.all else found.named))
                for query, found in wanted
                if found
            ]
            group = id(tenant.intervals), bool(tenant.watch_peers), *parts
            first, size = groups.get(group, (tenant, 0))
            groups[group] = first, size + 1
        return list(groups.values())

    def _requests_to(self, tenant: TenantSettings, query: Query) -> float:
        shortest, interval = self.intervals.get((query, Scope.TENANT)), tenant.interval(query)
        if shortest is None or interval is None or not self.polls(query, tenant):
            return 0
        by_part = self._endpoint(query, Scope.TENANT).for_part is not None
        each = len(self.parts(Target(query, Scope.TENANT, tenant.code))) if by_part else 1
        return shortest / interval * each

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
