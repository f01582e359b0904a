"""What is polled: the queries that are on, the tenants and nodes they are about, and how often."""

import math

from exporter.config import SwitchConfiguration, TenantSettings
from exporter.model import Query, Scope, Target
from exporter.poll import requests
from exporter.poll.plan import Demand, Plan, plan
from exporter.poll.presence import NodePresence
from exporter.poll.requests import OPERATIONS, Item


class Targets:
    """The targets of one switch, and how fast they can be asked.

    ``intervals``: seconds, for every query that is on; of the tenants' intervals of a query the shortest.
    ``plan``: what of that the rate limit allows.
    """

    def __init__(self, configuration: SwitchConfiguration) -> None:
        self.tenants: dict[str, TenantSettings] = {
            tenant.code: configuration.settings(tenant.code) for tenant in configuration.tenants
        }
        self.presence = NodePresence(node.name for node in configuration.nodes)
        self._configuration = configuration
        self._channels_node_by_node = False
        self._due: dict[Target, float] = {}
        self.intervals = self._intervals()
        self.plan = self._plan()

    @property
    def channels_node_by_node(self) -> bool:
        """Whether COUNTCHANNELS only told a total, so that each node has to be asked on its own."""
        return self._channels_node_by_node

    @channels_node_by_node.setter
    def channels_node_by_node(self, needed: bool) -> None:
        if needed is not self._channels_node_by_node:
            self._channels_node_by_node = needed
            self.plan = self._plan()

    def pace(self, target: Target) -> float:
        """Return the seconds between two requests to a target, as planned; infinity where none are sent."""
        if target.scope is Scope.SWITCH:
            interval = self._configuration.interval(target.query, Scope.SWITCH)
        else:
            tenant = self.tenants.get(target.tenant)
            interval = tenant.interval(target.query) if tenant else None
        if interval is None:
            return math.inf
        query_and_scope = target.query, target.scope
        return interval * self.plan.cycles[query_and_scope] / self.intervals[query_and_scope]

    def items(self, query: Query, scope: Scope, now: float) -> list[Item]:
        """Return the requests of a sweep that starts now (monotonic seconds).

        A tenant with a longer interval than the query's shortest is in only as many sweeps as it asks for.
        """
        if scope is Scope.SWITCH:
            one_by_one = query is Query.CHANNELS and self._channels_node_by_node
            return requests.for_switch(query, self.presence.known if one_by_one else ())
        # Half a sweep is taken off, so that one that comes a little early counts as well.
        early = self.plan.cycles[query, scope] / 2
        due = []
        for tenant in self._asked(query):
            target = Target(query, scope, tenant.code)
            if self._due.get(target, now) <= now:
                self._due[target] = now + self.pace(target) - early
                due.append(tenant)
        return requests.for_tenants(query, due, self._configuration)

    def _asked(self, query: Query) -> list[TenantSettings]:
        return [
            tenant
            for tenant in self.tenants.values()
            if tenant.interval(query) is not None and (query is not Query.REGISTRATIONS or tenant.polled)
        ]

    def _intervals(self) -> dict[tuple[Query, Scope], float]:
        intervals = {}
        for query in OPERATIONS:
            whole = self._configuration.interval(query, Scope.SWITCH)
            if whole is not None:
                intervals[query, Scope.SWITCH] = whole
            each = [tenant.interval(query) for tenant in self._asked(query)]
            shortest = min((interval for interval in each if interval is not None), default=None)
            if shortest is not None:
                intervals[query, Scope.TENANT] = shortest
        return intervals

    def _plan(self) -> Plan:
        demands = [
            Demand(query, scope, self.requests(query, scope), interval)
            for (query, scope), interval in self.intervals.items()
        ]
        return plan(demands, self._configuration.max_requests_per_second)

    def requests(self, query: Query, scope: Scope) -> float:
        """Count the requests of an average sweep: a tenant with twice the interval is half in it."""
        if scope is Scope.SWITCH:
            nodes = self.presence.known if query is Query.CHANNELS and self._channels_node_by_node else ()
            return 1 + len(nodes)
        return sum(
            self.intervals[query, scope]
            / (tenant.interval(query) or math.inf)
            * (len(tenant.polled) if query is Query.REGISTRATIONS else 1)
            for tenant in self._asked(query)
        )
