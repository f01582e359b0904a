"""Stores the queues of one switch: which queues each tenant has, and their states."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.model import Answer, Failure, Query, Reason, Scope, Target, names_all
from exporter.poll.context import Recorder, SwitchContext
from exporter.poll.discovery import PartDiscovery
from exporter.poll.requests import Item
from exporter.poll.scope_check import QueueScope
from exporter.poll.states import PartValues
from exporter.queries.queue import AGENTS, CALLS, QueueState
from exporter.queries.queues import Queues
from exporter.store import Families

_MOST_QUEUES = 50_000
"""Per switch. 80 requests per second can poll 4,800 queues once a minute; this is ten times as many."""

_IGNORED = Failure(
    Reason.SCOPE_IGNORED,
    "expected the state of one queue, got the same answer for every queue; "
    "set queries.queue.tenant_interval to off",
)


def labels_of(names: Mapping[str, str]) -> dict[str, str]:
    """Return the label of each queue: its name, ``name (id)`` if others share it, its id if it has none."""
    labels = {queue: name or queue for queue, name in names.items()}
    while shared := {label for label, times in Counter(labels.values()).items() if times > 1}:
        labels = {
            queue: f"{label} ({queue})" if label in shared and label != queue else label
            for queue, label in labels.items()
        }
    return labels


def queue_families(states: Mapping[str, QueueState]) -> dict[str, Families]:
    """Return the metrics of a tenant in the groups in which they are stored.

    ``states``: the state of each of its queues, by label. Group "" has the metrics without a label for state
    or outcome; there is one more group per state of agents and per outcome of calls.
    """
    whole: dict[Metric, dict[str, float | None]] = {
        catalogue.QUEUE_CALLS_WAITING: {label: state.waiting for label, state in states.items()},
        catalogue.QUEUE_LONGEST_WAIT: {label: state.longest_wait for label, state in states.items()},
        catalogue.QUEUE_SERVICE_LEVEL: {label: state.service_level for label, state in states.items()},
    }
    families: dict[str, Families] = {"": {metric: _known(values) for metric, values in whole.items()}}
    for name in AGENTS:
        agents = {label: state.agents.get(name) for label, state in states.items()}
        families[name] = {catalogue.QUEUE_AGENTS: _known(agents)}
    for name in CALLS:
        calls = {label: state.calls.get(name) for label, state in states.items()}
        families[name] = {catalogue.QUEUE_CALLS_REPORTED: _known(calls)}
    return families


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {label: value for label, value in values.items() if value is not None}


class QueueIngester:
    """Stores the queues of one switch."""

    def __init__(self, context: SwitchContext, recorder: Recorder) -> None:
        self._context = context
        self._store = context.store
        self._targets = context.targets
        self._recorder = recorder
        self._discovery = PartDiscovery("queues", most=_MOST_QUEUES)
        self._scope = QueueScope()
        self._names: dict[str, dict[str, str]] = {}
        self._states: defaultdict[str, PartValues[QueueState]] = defaultdict(lambda: PartValues("queues"))

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._discovery.drop_tenants(codes)
        self._scope.drop(codes)
        for code in codes:
            self._names.pop(code, None)
            self._states.pop(code, None)

    def trust_next_lists(self) -> None:
        """Accept the next list of each tenant whose list is in doubt now."""
        self._discovery.trust_next()

    async def ingest_list(self, item: Item, outcome: Answer | Failure) -> None:
        """Store which queues a tenant has, and their names."""
        target, code = item.target, item.target.tenant
        failure = outcome if isinstance(outcome, Failure) else None
        names = self._names.setdefault(code, {})
        if isinstance(outcome, Queues):
            # A tenant without queues is normal; a list that is suddenly empty is not.
            if outcome.names or self._discovery.names(code):
                failure = self._discovery.accept(code, outcome.names, is_complete=names_all(outcome))
            if failure is None:
                known = self._discovery.names(code)
                self._names[code] = {**{queue: names.get(queue, "") for queue in known}, **outcome.names}
                self._set_queues(Target(Query.QUEUE, Scope.TENANT, code), known)
            else:
                self._recorder.count_failure(target, failure)
        self._recorder.record(target, failure)

    def _set_queues(self, target: Target, queues: Collection[str]) -> None:
        self._targets.set_discovered_parts(target, queues)
        if not self._targets.parts(target):
            self._store.drop([target])

    async def ingest(self, item: Item, outcome: Answer | Failure) -> None:
        """Store the outcome of a request for one queue."""
        if not isinstance(outcome, QueueState | Failure):
            raise TypeError(f"expected the state of a queue, got {type(outcome).__name__}")
        target, now = item.target, self._context.clock.elapsed()
        states = self._states[target.tenant]
        states.set_parts(self._targets.parts(target))
        if item.part not in states.parts:
            return  # removed while its request was in flight
        checked = self._check(item, outcome)
        states.record(item.part, checked, now)
        if isinstance(checked, QueueState) and self._is_named(target.tenant):
            self._put(target, states, now)
        if verdict := states.verdict():
            self._recorder.record(target, verdict if isinstance(verdict, Failure) else None)

    def _is_named(self, code: str) -> bool:
        """Return whether the list with the names has been requested, even without success, or is not polled.

        Until then, queues would be labeled with their ids, and change their labels when the names arrive.
        """
        listing = Target(Query.QUEUES, Scope.TENANT, code)
        return code in self._names or not self._targets.is_polled(listing)

    def _put(self, target: Target, states: PartValues[QueueState], now: float) -> None:
        job, interval = (target.query, target.scope), self._targets.planned_interval(target)
        current = states.current(oldest=self._store.oldest(job, interval, now))
        names = self._names.get(target.tenant, {})
        labels = labels_of({queue: names.get(queue, "") for queue in {*names, *states.parts}})
        families = queue_families({labels[queue]: state for queue, state in current.items()})
        for part, values in families.items():
            self._recorder.put(target, values, part=part)

    def _check(self, item: Item, outcome: QueueState | Failure) -> QueueState | Failure:
        """Return the outcome, or a failure if the switch ignores ``id``."""
        if isinstance(outcome, Failure):
            return outcome
        if self._scope.record(item.target.tenant, item.part, outcome.fields):
            self._apply_change()
        if not self._scope.is_ignored:
            return outcome
        self._recorder.count_failure(item.target, _IGNORED)
        return _IGNORED

    def _apply_change(self) -> None:
        log = self._context.log
        if not self._scope.is_ignored:
            log.info("the switch respects `id` again for this query", query=Query.QUEUE.value)
            return
        log.error("the switch ignores `id` for this query", query=Query.QUEUE.value)
        for code in self._states:
            for part in ("", *AGENTS, *CALLS):
                self._store.remove(Target(Query.QUEUE, Scope.TENANT, code), part)
