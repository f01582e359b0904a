"""Stores the outcome of a request: values in the store, success or failure in metrics and the log.

A query whose values depend on more than one response has a handler in ``Ingester``. The values of all others
are those that its ``fills`` returns.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial

from exporter.metrics import catalogue
from exporter.model import (
    Answer,
    Counts,
    Failure,
    Number,
    Peers,
    Query,
    Reason,
    Scope,
    Target,
    Tenants,
)
from exporter.poll.backoff import KeyHealth
from exporter.poll.call_records import CallRecordIngester
from exporter.poll.context import Recorder, SwitchContext
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.queues import QueueIngester
from exporter.poll.registration_ingest import RegistrationIngester
from exporter.poll.requests import Item
from exporter.poll.scope_check import ScopeChecks
from exporter.poll.trunks import TrunkIngester
from exporter.queries import QUERIES, Families
from exporter.queries.trunks import Trunks
from exporter.queries.watched_peers import watched
from exporter.request import Request

_CHANNELS_LIMIT = catalogue.TENANT_CHANNELS_LIMIT

_Handler = Callable[[Item, Answer | Failure], Awaitable[None]]


class Ingester:
    """Stores the outcomes of one switch. ``on_tenants`` receives the tenants whose names have changed."""

    def __init__(
        self,
        context: SwitchContext,
        discovery: TenantDiscovery,
        on_tenants: Callable[[Collection[str]], None],
    ) -> None:
        self._context = context
        self._store = context.store
        self._targets = context.targets
        self._tenants = discovery
        self._on_tenants = on_tenants
        self._recorder = Recorder(context)
        self._scope_checks = ScopeChecks(context)
        self._registrations = RegistrationIngester(context, self._recorder, discovery)
        self.seen_peers = self._registrations.seen_peers
        self._call_records = CallRecordIngester(context, self._recorder)
        self._queues = QueueIngester(context, self._recorder)
        self._trunks = TrunkIngester(context, self._recorder, discovery)
        self._watched_peers = WatchedPeersIngester(context, self._recorder)
        self._handlers: Mapping[Query, _Handler] = {
            Query.REGISTRATIONS: self._registrations.ingest,
            Query.EXTENSIONS: self._registrations.ingest_extensions,
            Query.QUEUES: self._queues.ingest_list,
            Query.QUEUE: self._queues.ingest,
            Query.TENANTS: self._ingest_tenants,
            Query.CALL_RECORDS: self._call_records.ingest,
            Query.TRUNKS: self._trunks.ingest,
            Query.WATCHED_PEERS: self._watched_peers.ingest,
        }

    async def ingest(self, item: Item, outcome: Answer | Failure, health: KeyHealth) -> None:
        """Store one outcome of a request that was sent with the key of ``health``.

        Yields to the event loop only for lists with values for many tenants: while a thread groups them, and
        between batches of tenants.
        """
        target = item.target
        if not self._targets.is_polled(target):
            return  # removed while the request was in flight
        if isinstance(outcome, Answer):
            self._recorder.count_skipped_rows(target, outcome.skipped)
        outcome = self._empty_as_value(target, outcome, health)
        if isinstance(outcome, Number | Counts | Trunks) and not item.part:
            outcome = self._scope_checks.check(target, outcome)
        if isinstance(outcome, Failure):
            self._recorder.count_failure(target, outcome)
        await self._handlers.get(target.query, self._ingest)(item, outcome)

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        lists = (self._registrations, self._queues, self._trunks, self._call_records)
        for part in (self._recorder, self._scope_checks, *lists):
            part.drop_tenants(codes)

    def next_window(self, target: Target) -> Request:
        """Return the request for the calls that have ended since the last one."""
        return self._call_records.request(target)

    def drop_unpolled(self) -> None:
        """Drop the counters of a query that a reload has disabled."""
        self._call_records.drop_unpolled()

    def trust_next_lists(self) -> None:
        """Accept the next of each list that is in doubt now. Called when the operator reloads."""
        self._tenants.trust_next()
        self._registrations.trust_next_lists()
        self._queues.trust_next_lists()

    async def _ingest(self, item: Item, outcome: Answer | Failure) -> None:
        target = item.target
        if item.part:
            self._ingest_node(item, outcome)
        elif isinstance(outcome, Failure):
            self._recorder.record(target, outcome)
        else:
            self._recorder.succeed(target, self._families(target, outcome))

    async def _ingest_tenants(self, item: Item, outcome: Answer | Failure) -> None:
        if not isinstance(outcome, Tenants):
            self._recorder.record(item.target, outcome if isinstance(outcome, Failure) else None)
            return
        before = self._tenants.names
        today = datetime.fromtimestamp(self._context.clock.wall(), UTC).date()
        doubt = self._tenants.accept(outcome, today)
        if doubt is not None:
            self._recorder.count_failure(item.target, doubt)
        self._recorder.record(item.target, doubt)
        if doubt is None:
            names = self._tenants.names
            self._on_tenants([code for code in self._targets.tenants if names.get(code) != before.get(code)])

    def _empty_as_value(
        self, target: Target, outcome: Answer | Failure, health: KeyHealth
    ) -> Answer | Failure:
        """Return what an empty response means to the query, if this key has returned a value before.

        An idle tenant and a denied request both give a response of 0 bytes (seen, wire notes 2026-10).
        """
        if not isinstance(outcome, Failure) or outcome.reason is not Reason.EMPTY:
            return outcome
        self._recorder.count_empty(target)
        spec = QUERIES[target.query]
        if spec.empty is None or target.query not in health.answered:
            return outcome
        return spec.empty(self._context.configuration.queries.options(spec)) or outcome

    # Counts and nodes

    def _families(self, target: Target, answer: Answer) -> Families:
        spec = QUERIES[target.query]
        fills = spec.endpoint(self._context.configuration.queries.options(spec), target.scope).fills
        if fills is None:
            raise TypeError(f"{target.query} declares no `fills` for {type(answer).__name__}")
        values: Families = fills(answer)
        if target.query is Query.LIMITS and self._targets.tenants[target.tenant].channels_limit is not None:
            # The configured limit overrides that of the switch.
            return {metric: limit for metric, limit in values.items() if metric is not _CHANNELS_LIMIT}
        if target.scope is Scope.SWITCH and isinstance(answer, Counts):
            return {**values, **self._nodes(target, answer)}
        return values

    def _nodes(self, target: Target, answer: Counts) -> Families:
        """Return the presence of each node, and set whether channels need a request per node."""
        known = self._targets.presence.known
        if target.query is Query.CHANNELS:
            self._targets.channels_node_by_node = answer.nodes is None
            if answer.nodes is not None:
                self._drop_nodes(known)
            return {}
        if answer.nodes is None:
            return {}
        present = {*answer.nodes, *answer.uncounted}
        nameless = answer.skipped.nameless if answer.skipped else 0
        # Steps of the wall clock do not count: a node that is forgotten too early resolves its alert.
        states = self._targets.update_nodes(present, self._context.clock.since_boot(), nameless=nameless)
        self._drop_nodes(node for node in known if node not in present)
        self._context.inventory.nodes(states)
        return {catalogue.NODE_PRESENT: states}

    def _drop_nodes(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._store.remove(Target(Query.CHANNELS, Scope.SWITCH), part=node)

    def _ingest_node(self, item: Item, outcome: Answer | Failure) -> None:
        # A node without a count is no failure of the query: the last count of the node becomes stale.
        if isinstance(outcome, Counts) and self._targets.channels_node_by_node:
            # A switch that ignores `nodename` may return the counts of other nodes.
            count = outcome.nodes.get(item.part) if outcome.nodes else outcome.total
            if count is not None:
                self._recorder.put(item.target, {catalogue.NODE_CHANNELS: {item.part: count}}, part=item.part)


_NAMED = 5
"""Peers named in a failure."""


class WatchedPeersIngester:
    """Stores the watched peers of one switch and of its tenants."""

    def __init__(self, context: SwitchContext, recorder: Recorder) -> None:
        self._context = context
        self._recorder = recorder

    async def ingest(self, item: Item, outcome: Answer | Failure) -> None:
        """Store the outcome of a request for a list of peers.

        A watched peer that is not in the list is a failure.
        """
        target, failure = item.target, outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Peers):
            failure = await self._ingest_list(item, outcome)
            if failure:
                self._recorder.count_failure(target, failure)
        if self._context.targets.is_polled(target):  # a reload may have removed it meanwhile
            self._recorder.record(target, failure)

    async def _ingest_list(self, item: Item, listed: Peers) -> Failure | None:
        target, targets = item.target, self._context.targets
        if not listed.rows:
            self._recorder.count_empty(target)
            return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")
        of = targets.tenants[target.tenant] if target.tenant else self._context.configuration
        values, missing = await self._context.decode_in_thread(partial(watched, listed, of.watch_peers))
        if targets.is_polled(target):
            self._recorder.put(target, values)
        return not_listed(missing, len(of.watch_peers)) if missing else None


def not_listed(missing: tuple[str, ...], watched: int) -> Failure:
    """Return the failure that names the watched peers that are not in the list."""
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    names = ", ".join(missing[:_NAMED])
    return Failure(
        Reason.DECODE, f"{len(missing)} of {watched} watched peers are not in the list: {names}{more}"
    )
