"""What is polled: the queries that are on, the tenants and nodes they are about, and how often."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from exporter.config import Key, SwitchConfiguration, TenantSettings
from exporter.model import Query, RegistrationSource, Scope, Target
from exporter.poll import requests
from exporter.poll.plan import Demand, Plan, plan
from exporter.poll.presence import NodePresence
from exporter.poll.requests import OPERATIONS, REGISTRATION_OPERATIONS, Item
from exporter.request import Operation


class KeyHolder(NamedTuple):
    """A key and whose it is: a tenant code, or "" for the admin key."""

    owner: str
    key: Key


class Targets:
    """The targets of one switch, and how fast they can be asked.

    ``tenants``: what holds for each tenant that is polled, by code.
    ``intervals``: seconds, for every query that is on; of the tenants' intervals of a query the shortest.
    ``plan``: what of that the rate limit allows. ``are_several``: there is more than one target.
    """

    def __init__(self, configuration: SwitchConfiguration) -> None:
        self.presence = NodePresence()
        self.tenants: dict[str, TenantSettings] = {}
        self.intervals: dict[tuple[Query, Scope], float] = {}
        self._configuration = configuration
        self._channels_node_by_node = False
        self._discovered_extensions: dict[str, tuple[str, ...]] = {}
        self._due: dict[Target, float] = {}
        self._paces: dict[Target, float] = {}
        self._demands: dict[tuple[Query, Scope], Demand] = {}
        self.configure(configuration, ())

    def configure(self, configuration: SwitchConfiguration, discovered: Iterable[str]) -> None:
        """Poll what this configuration says, and the tenants that were ``discovered``."""
        self._configuration = configuration
        before = {target: self.pace(target) for target in self._due}
        self._admin_key = KeyHolder("", configuration.key) if configuration.key else None
        self.presence.configure(node.name for node in configuration.nodes)
        codes = dict.fromkeys([*(tenant.code for tenant in configuration.tenants), *discovered])
        self.tenants = {code: configuration.settings(code) for code in codes}
        for code in self._discovered_extensions.keys() - self.tenants.keys():
            del self._discovered_extensions[code]
        self.intervals = self._intervals()
        of_tenants = any(scope is Scope.TENANT for _, scope in self.intervals)
        self.are_several = len(self.intervals) > 1 or (of_tenants and len(self.tenants) > 1)
        self._follow(self._plan())
        for target, pace in before.items():
            if self.pace(target) != pace:
                del self._due[target]

    @property
    def channels_node_by_node(self) -> bool:
        """Whether COUNTCHANNELS only told a total, so that each node has to be asked on its own."""
        return self._channels_node_by_node

    @channels_node_by_node.setter
    def channels_node_by_node(self, needed: bool) -> None:
        if needed is not self._channels_node_by_node:
            self._channels_node_by_node = needed
            self._follow(self._plan())

    def see_nodes(self, nodes: Iterable[str], now: float) -> dict[str, float]:
        """Take in the nodes of an answer; return for each known node 1 if it is there, else 0."""
        before = self.presence.present
        present = self.presence.update(nodes, now)
        if self._channels_node_by_node and self.presence.present != before:
            self._follow(self._plan())  # each node that is new is one more to ask
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
            self._follow(plan(self._demands.values(), self._configuration.max_requests_per_second))

    def extensions(self, code: str) -> tuple[str, ...]:
        """Return the extensions of a tenant whose registrations are followed, as far as they are known."""
        tenant = self.tenants[code]
        found = self._discovered_extensions.get(code, ()) if tenant.extensions == "all" else ()
        return tuple(dict.fromkeys((*found, *tenant.polled)))

    def is_polled(self, target: Target) -> bool:
        """Tell whether a target is asked at all."""
        return self.pace(target) < math.inf

    def pace(self, target: Target) -> float:
        """Return the seconds between two requests to a target, as planned; infinity where none are sent."""
        pace = self._paces.get(target)
        if pace is None:  # each request asks for it seven times
            pace = self._paces[target] = self._pace(target)
        return pace

    def _pace(self, target: Target) -> float:
        query_and_scope = target.query, target.scope
        if query_and_scope not in self.intervals:
            return math.inf
        interval: float | None = self.intervals[query_and_scope]
        if target.scope is Scope.TENANT:
            tenant = self.tenants.get(target.tenant)
            interval = tenant.interval(target.query) if tenant else None
        if interval is None:
            return math.inf
        return interval * self.plan.cycles[query_and_scope] / self.intervals[query_and_scope]

    def key_of(self, target: Target) -> KeyHolder:
        """Return the key a target is asked with. Raises LookupError for one that is never scheduled."""
        tenant = self.tenants.get(target.tenant)
        if tenant and tenant.own_key and tenant.key:
            return KeyHolder(tenant.code, tenant.key)
        if self._admin_key is None:
            raise LookupError("a target without a key is never scheduled")
        return self._admin_key

    def items(self, query: Query, scope: Scope, now: float) -> list[Item]:
        """Return the requests of a sweep that starts now (monotonic seconds): to every target that is due.

        A tenant with a longer interval than the query's shortest is in only as many sweeps as it asks for.
        """
        if scope is Scope.SWITCH:
            return self._for_switch(query)
        targets = [Target(query, scope, tenant.code) for tenant in self._asked(query)]
        return self._items_to(query, [target for target in targets if self._due.get(target, now) <= now], now)

    def items_of(self, query: Query, codes: Iterable[str], now: float) -> list[Item]:
        """Return the requests that ask these tenants now, whether they are due or not."""
        chosen = [code for code in codes if code in self.tenants and self.asks(query, self.tenants[code])]
        return self._items_to(query, [Target(query, Scope.TENANT, code) for code in chosen], now)

    def _items_to(self, query: Query, targets: list[Target], now: float) -> list[Item]:
        if (query, Scope.TENANT) not in self.intervals:
            return []
        # Half a sweep is taken off, so that one that comes a little early counts as well.
        early = self.plan.cycles[query, Scope.TENANT] / 2
        for position, target in enumerate(targets):
            pace = self.pace(target)
            # Asked together for the first time, those with longer intervals would stay together for good.
            share = 1.0 if target in self._due or pace <= 2 * early else (position + 1) / len(targets)
            self._due[target] = now + pace * share - early
        operation = self._operation(query)
        if operation is Operation.REGISTRATION:
            return requests.for_extensions(
                {target.tenant: self.extensions(target.tenant) for target in targets},
                self._configuration.queries.registrations.parameter,
            )
        return requests.for_tenants(query, operation, targets)

    def item(self, target: Target, now: float) -> Item | None:
        """Return a request to one target, or None where it is not polled (any more)."""
        if not self.is_polled(target):
            return None
        if target.scope is Scope.SWITCH:
            return self._for_switch(target.query)[0]
        return next(iter(self.items_of(target.query, [target.tenant], now)), None)

    def requests(self, query: Query, scope: Scope) -> float:
        """Count the requests of an average sweep: a tenant with twice the interval is half in it."""
        if scope is Scope.SWITCH:
            return len(self._for_switch(query))
        return sum(self._requests_to(tenant, query) for tenant in self._asked(query))

    def _requests_to(self, tenant: TenantSettings, query: Query) -> float:
        shortest, interval = self.intervals.get((query, Scope.TENANT)), tenant.interval(query)
        if shortest is None or interval is None:
            return 0
        by_extension = self._operation(query) is Operation.REGISTRATION
        return shortest / interval * (len(self.extensions(tenant.code)) if by_extension else 1)

    def _for_switch(self, query: Query) -> list[Item]:
        one_by_one = query is Query.CHANNELS and self._channels_node_by_node
        nodes = self.presence.present if one_by_one else ()
        return requests.for_switch(query, self._operation(query), nodes)

    def _operation(self, query: Query) -> Operation:
        if query is Query.REGISTRATIONS:
            return REGISTRATION_OPERATIONS[self._configuration.queries.registrations.source]
        return OPERATIONS[query]

    def _asked(self, query: Query) -> list[TenantSettings]:
        return [tenant for tenant in self.tenants.values() if self.asks(query, tenant)]

    def asks(self, query: Query, tenant: TenantSettings) -> bool:
        """Tell whether a query is asked of a tenant, one request or more."""
        if tenant.interval(query) is None:
            return False
        from_list = self._configuration.queries.registrations.source is RegistrationSource.EXTENSIONS
        if query is Query.EXTENSIONS:
            # The list is for the registrations alone: where none are followed nobody needs it.
            return tenant.extensions == "all" and not from_list and self.asks(Query.REGISTRATIONS, tenant)
        if query is Query.REGISTRATIONS:
            return tenant.extensions == "all" or bool(tenant.polled)
        return True

    def _intervals(self) -> dict[tuple[Query, Scope], float]:
        # A tenant yet to be discovered counts as well: its sweeps are scheduled from the start.
        discover = self._configuration.discover_tenants.enabled
        tenants = [*self.tenants.values(), *([self._configuration.settings("")] if discover else [])]
        intervals = {}
        for query in Query:
            whole = self._configuration.interval(query, Scope.SWITCH)
            each = [tenant.interval(query) for tenant in tenants if self.asks(query, tenant)]
            shortest = min((interval for interval in each if interval is not None), default=None)
            if query is Query.REGISTRATIONS and self._is_in_one_request():
                whole, shortest = shortest, None
            if query is Query.TENANTS and not discover:
                whole = None
            if whole is not None:
                intervals[query, Scope.SWITCH] = whole
            if shortest is not None:
                intervals[query, Scope.TENANT] = shortest
        return intervals

    def _is_in_one_request(self) -> bool:
        """Tell whether one list of the whole installation holds the registrations of all tenants."""
        source = self._configuration.queries.registrations.source
        return source is RegistrationSource.PEERS and self._configuration.key is not None

    def _follow(self, new: Plan) -> None:
        self.plan = new
        self._paces.clear()

    def _plan(self) -> Plan:
        self._demands = {
            (query, scope): Demand(query, scope, self.requests(query, scope), interval)
            for (query, scope), interval in self.intervals.items()
        }
        return plan(self._demands.values(), self._configuration.max_requests_per_second)
