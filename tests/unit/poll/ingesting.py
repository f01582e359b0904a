"""An ingester with all that it fills, for the tests of what is stored."""

from collections.abc import Callable, Collection

from exporter.clock import Clock
from exporter.metrics.metric import Metric
from exporter.model import Answer, Failure, Query, Scope, Target
from exporter.poll import SwitchContext
from exporter.poll.backoff import KeyHealth
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.ingest import Ingester
from exporter.poll.planner import Targets
from exporter.poll.requests import Item
from exporter.request import Operation, Request
from exporter.storage.inventory import Inventory
from exporter.storage.timeline import Timeline
from exporter.store import Store, Values
from tests.reading import OPERATIONS
from tests.served import value


def target_of(query: Query, tenant: str = "") -> Target:
    """Return a target, of the switch without a tenant."""
    return Target(query, Scope.TENANT if tenant else Scope.SWITCH, tenant)


class Ingesting:
    """The ingester of a switch with these settings.

    ``now`` is its monotonic clock in seconds; the wall clock is ``ahead`` of it.
    """

    def __init__(self, context: Callable[..., SwitchContext], **settings: object) -> None:
        self.now = 0.0
        self.ahead = 1_700_000_000.0
        self.context = context(Clock(lambda: self.now, lambda: self.now + self.ahead), **settings)
        self._timeline = Timeline(Clock())
        self.context.inventory = Inventory("pbx", self._timeline)
        self.discovery = TenantDiscovery()
        self.ingester = Ingester(self.context, self.discovery, lambda _: None)

    @property
    def targets(self) -> Targets:
        """The targets of the switch."""
        return self.context.targets

    @property
    def store(self) -> Store:
        """The store of the switch."""
        return self.context.store

    @property
    def changes(self) -> list[str]:
        """The texts of the timeline, newest first."""
        return [entry["text"] for entry in self._timeline.newest()]

    async def ingest(
        self,
        query: Query,
        tenant: str,
        outcome: Answer | Failure,
        part: str = "",
        *,
        operation: Operation | None = None,
        answered: Collection[Query] = (),
    ) -> None:
        """Store the outcome of a request; ``answered`` are the queries that its key has answered before."""
        request = Request(
            operation or OPERATIONS[query],
            tenant=tenant,
            node=part if query is Query.CHANNELS else "",
            extension=part if query is Query.REGISTRATIONS else "",
            queue=part if query is Query.QUEUE else "",
        )
        health = KeyHealth("secret", answered=set(answered))
        await self.ingester.ingest(Item(target_of(query, tenant), request, part), outcome, health)

    def values(self, metric: Metric, tenant: str = "", part: str = "") -> Values | None:
        """Return the stored values of a metric."""
        return self.store.values(metric, tenant, part)

    def count(self, name: str, **labels: str) -> float | None:
        """Return the value of a counter of this switch."""
        return value(self.context.instruments, name, {"switch": "pbx", **labels})

    def failure(self, query: Query, tenant: str = "") -> Failure | None:
        """Return the failure of the newest attempt, None if it succeeded."""
        return self.store.attempts[target_of(query, tenant)].failure

    def reason(self, query: Query, tenant: str = "") -> object:
        """Return the reason of the newest failure, None after a success."""
        failure = self.failure(query, tenant)
        return failure and failure.reason
