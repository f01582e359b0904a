"""The alerts on queues: callers wait too long, or nobody is there to answer."""

from collections.abc import Iterator, Mapping
from functools import partial

from exporter.alerting.inputs import Input, SwitchInputs, by_label, by_tenant, pair
from exporter.alerting.rule import Due, Rule, of_tenant
from exporter.metrics import catalogue
from exporter.store import Store

_MINUTE = 60.0


def _agents_online(_: SwitchInputs, store: Store | None) -> dict[tuple[str, str], float]:
    of_tenants = store.snapshot(catalogue.QUEUE_AGENTS).get("online", {}) if store else {}
    return {
        (tenant, queue): agents
        for tenant, queues in of_tenants.items()
        if isinstance(queues, Mapping)
        for queue, agents in queues.items()
    }


WAITING = Input("queue_waiting", 5 * _MINUTE, by_label(catalogue.QUEUE_CALLS_WAITING), key=pair)
WAITS = Input("queue_waits", 5 * _MINUTE, by_label(catalogue.QUEUE_LONGEST_WAIT), key=pair)
AGENTS = Input("queue_agents_online", 5 * _MINUTE, _agents_online, key=pair)
OPEN = Input("open", 5 * _MINUTE, by_tenant(catalogue.TENANT_OPEN))
THRESHOLDS = Input(
    "queue_wait_thresholds",
    15 * _MINUTE,
    by_label(catalogue.TENANT_QUEUE_WAIT_THRESHOLD),
    key=pair,
)


def _waiting(inputs: SwitchInputs) -> Iterator[tuple[str, str, float]]:
    """Yield tenant, queue and calls of each queue in which calls wait while its tenant is open."""
    hours = inputs[OPEN]
    for (tenant, queue), calls in inputs[WAITING].items():
        if calls > 0 and hours.get(tenant) != 0:
            yield tenant, queue, calls


def _waiting_long(severity: str, inputs: SwitchInputs) -> Iterator[Due]:
    waits, thresholds = inputs[WAITS], inputs[THRESHOLDS]
    for tenant, queue, _ in _waiting(inputs):
        wait, threshold = waits.get((tenant, queue)), thresholds.get((tenant, severity))
        if wait is not None and threshold is not None and wait > threshold:
            yield of_tenant(inputs, tenant, ("queue", queue), value=wait, threshold=threshold)


def _unattended(inputs: SwitchInputs) -> Iterator[Due]:
    for tenant, queue, calls in _waiting(inputs):
        if inputs[AGENTS].get((tenant, queue)) == 0:
            yield of_tenant(inputs, tenant, ("queue", queue), value=calls)


_WAITING_TEXTS = (
    "A caller in a queue has waited too long.",
    "The first caller in the queue {queue} of {tenant} on {switch} has waited {value:duration}.",
)
_WAITING_INPUTS = (WAITING, WAITS, THRESHOLDS, OPEN)

# Unformatted: six lines per alert instead of twelve.
# fmt: off
WAITING_LONG = Rule("SoftswitchQueueWaitingLong", "warning", "tenant", *_WAITING_TEXTS,
    condition=partial(_waiting_long, "warning"), inputs=_WAITING_INPUTS,
    pending_for=2 * _MINUTE, keep_firing_for=5 * _MINUTE, compares=True)
WAITING_TOO_LONG = Rule("SoftswitchQueueWaitingLong", "critical", "tenant", *_WAITING_TEXTS,
    condition=partial(_waiting_long, "critical"), inputs=_WAITING_INPUTS,
    pending_for=2 * _MINUTE, keep_firing_for=5 * _MINUTE, compares=True)
UNATTENDED = Rule("SoftswitchQueueUnattended", "critical", "tenant",
    "Callers wait in a queue without agents.",
    "Calls waiting in the queue {queue} of {tenant} on {switch}: {value}. No agent is online.",
    condition=_unattended, inputs=(WAITING, AGENTS, OPEN),
    pending_for=2 * _MINUTE, keep_firing_for=10 * _MINUTE)
# fmt: on
