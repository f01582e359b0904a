"""Alerts on what the exporter sees itself: whether a switch responds, and whether each target succeeds.

``rules`` explains how to add one.
"""

import math
from collections import Counter
from collections.abc import Iterator

from exporter import freshness
from exporter.alerting.inputs import Input, RangeInput, SwitchInputs, job, target, target_and_reason
from exporter.alerting.rule import Due, Rule, of_switch, of_tenant
from exporter.model import Query, Reason, Scope, Target
from exporter.queries import QUERIES
from exporter.store import Store

_MINUTE = 60.0
_SETTLED_SINCE = 15 * _MINUTE
_STALE_AFTER = 3
_ENOUGH_REFUSALS = 3


def _up(inputs: SwitchInputs, _: Store | None) -> dict[str, float]:
    now = inputs.snapshot
    return {} if now is None or now.up is None else {"": float(now.up)}


def _breaker_open(inputs: SwitchInputs, _: Store | None) -> dict[str, float]:
    return {"": float(inputs.snapshot.breaker_open)} if inputs.snapshot else {}


def _intervals(_: SwitchInputs, store: Store | None) -> dict[tuple[Query, Scope], float]:
    return dict(store.intervals) if store else {}


def _cycles(_: SwitchInputs, store: Store | None) -> dict[tuple[Query, Scope], float]:
    found = {key: store.cycle(*key) for key in store.intervals} if store else {}
    return {key: cycle for key, cycle in found.items() if cycle is not None}


def _succeeded(_: SwitchInputs, store: Store | None) -> dict[Target, float]:
    attempts = store.attempts if store else {}
    # `fromkeys` does not hash the targets again: 25,000 of them take 1 ms instead of 8.
    return dict.fromkeys(attempts, 1.0) | {of: 0.0 for of, (_, failure, _) in attempts.items() if failure}


def _failed(_: SwitchInputs, store: Store | None) -> dict[tuple[Target, Reason], float]:
    return {
        (of, failure.reason): 1.0
        for of, (_, failure, _) in (store.attempts.items() if store else ())
        if failure and not is_idle(of.query, failure.reason)
    }


def is_idle(query: Query, reason: Reason) -> bool:
    """Return whether there may simply be no calls: the response is empty (seen, wire notes 2026-10)."""
    return reason is Reason.EMPTY and QUERIES[query].empty is not None


def _configuration_good(inputs: SwitchInputs, _: Store | None) -> dict[str, float]:
    return {"": float(inputs.snapshot.configuration_good)} if inputs.snapshot else {}


def _succeeded_at(inputs: SwitchInputs, _: Store | None) -> dict[Target, float]:
    if inputs.snapshot is None:
        return {}
    speed, offset = inputs.snapshot.speed, inputs.snapshot.offset
    attempts = inputs.snapshot.store.attempts
    return {of: at * speed + offset for of, (_, _, at) in attempts.items() if at is not None}


UP = Input("up", 5 * _MINUTE, _up)
UPS = RangeInput("ups", 20 * _MINUTE, lambda inputs, _: inputs[UP])
BREAKER_OPEN = Input("breaker_open", 5 * _MINUTE, _breaker_open)
INTERVALS = Input("intervals", 15 * _MINUTE, _intervals, key=job)
CYCLES = Input("cycles", 15 * _MINUTE, _cycles, key=job)
SUCCEEDED = Input("succeeded", 5 * _MINUTE, _succeeded, key=target)
SUCCEEDED_AT = Input("succeeded_at", 5 * _MINUTE, _succeeded_at, key=target)
FAILED = Input("failures", 5 * _MINUTE, _failed, key=target_and_reason)
CONFIGURATION_GOOD = Input("configuration_good", 5 * _MINUTE, _configuration_good)
_ATTEMPTS = (UP, BREAKER_OPEN, SUCCEEDED, FAILED)


def _is_settled(inputs: SwitchInputs) -> bool:
    """Return whether the switch has been up for the last 20 minutes. At least 15 must be recorded.

    By then, every target in backoff has been retried, so stale values and failures are not left over from an
    outage.
    """
    ups = [(moment, values[""]) for moment, values in inputs.range(UPS).recorded if "" in values]
    since = any(inputs.now - moment >= _SETTLED_SINCE for moment, _ in ups)
    return since and all(up for _, up in ups)


def _failing(inputs: SwitchInputs) -> list[tuple[Target, Reason]]:
    """Return the targets that failed within 5 minutes, with each reason, and have not succeeded since."""
    succeeded = inputs[SUCCEEDED]
    return [failed for failed in inputs[FAILED] if not succeeded.get(failed[0])]


def _data_stale(inputs: SwitchInputs) -> Iterator[Due]:
    if not _is_settled(inputs):
        return
    cycles, succeeded_at = inputs[CYCLES], inputs[SUCCEEDED_AT]
    paces = {key: freshness.pace(interval, cycles.get(key)) for key, interval in inputs[INTERVALS].items()}
    oldest = {
        key: freshness.oldest(inputs.now, inputs.speed * pace, _STALE_AFTER) for key, pace in paces.items()
    }
    newest = max(oldest.values(), default=-math.inf)  # a quick check that most targets pass
    stale = [of for of, at in succeeded_at.items() if at < newest and at < oldest.get(of[:2], -math.inf)]
    never = {of for of, _ in _failing(inputs) if of not in succeeded_at}
    for query, count in Counter(of.query for of in (*stale, *never)).items():
        yield Due(of_switch(inputs, ("query", query.value)), count)


def _polled(inputs: SwitchInputs, scope: Scope, tenant: str = "") -> int:
    """Return how many queries of the switch, or of a tenant, are polled."""
    return sum(Target(query, scope, tenant) in inputs[SUCCEEDED] for query in Query)


def _refusals(inputs: SwitchInputs) -> int:
    """Return the number of refused targets if they mean that the switch's own key is refused, else 0.

    They do if all installation-wide queries, or three of them, are refused. They also do if most failures are
    refusals while the switch responds but returns no valid value: after three refusals, the exporter rarely
    retries, so few targets are seen to be refused.
    """
    failing = _failing(inputs)
    refused = [of.scope for of, reason in failing if reason is Reason.AUTH]
    of_installation = refused.count(Scope.SWITCH)
    if of_installation and of_installation >= min(_polled(inputs, Scope.SWITCH), _ENOUGH_REFUSALS):
        return of_installation
    responds = inputs[UP].get("") == 0 and inputs[BREAKER_OPEN].get("") == 0
    return len(refused) if responds and len(refused) > len(failing) / 2 else 0


def _key_refused(inputs: SwitchInputs) -> Iterator[Due]:
    if refused := _refusals(inputs):
        yield Due(of_switch(inputs), refused)


def _api_down(inputs: SwitchInputs) -> Iterator[Due]:
    if inputs[UP].get("") == 0 and not _refusals(inputs):
        yield Due(of_switch(inputs))


def _tenant_key_refused(inputs: SwitchInputs) -> Iterator[Due]:
    """Find tenants for which all queries, or three, are refused."""
    if inputs[UP].get("") == 0 or _refusals(inputs):
        return
    counts = Counter(
        of.tenant for of, reason in _failing(inputs) if reason is Reason.AUTH and of.scope is Scope.TENANT
    )
    for tenant, count in counts.items():
        if count >= _ENOUGH_REFUSALS or count >= _polled(inputs, Scope.TENANT, tenant):
            yield of_tenant(inputs, tenant, value=count)


def _configuration_invalid(inputs: SwitchInputs) -> Iterator[Due]:
    """Find the same alert for every switch: it is about the exporter, so it has no label ``switch``.

    A switch that was just removed still has its last value, from before the reload that removed it.
    """
    if inputs.is_configured and inputs[CONFIGURATION_GOOD].get("") == 0:
        yield Due(())


# Unformatted: six lines per alert instead of twelve.
# fmt: off
WATCHDOG = Rule("SoftswitchWatchdog", "none", "monitoring",
    "Alerting works.",
    "This alert always fires. "
    "If it stops, the exporter, Alertmanager or the connection between them is broken.")
CONFIGURATION_INVALID = Rule("SoftswitchConfigurationInvalid", "warning", "monitoring",
    "The configuration of an exporter is invalid.",
    "The exporter runs with its previous configuration: "
    "the latest reload failed, or the file on disk is invalid. After a restart, it may not start.",
    condition=_configuration_invalid, inputs=(CONFIGURATION_GOOD,), pending_for=5 * _MINUTE)
DATA_STALE = Rule("SoftswitchDataStale", "warning", "monitoring",
    "Values are stale or missing.",
    "{switch} has returned no value for {value} of its {query} targets in more than three intervals. "
    "Alerts on these values cannot fire.",
    condition=_data_stale, inputs=(*_ATTEMPTS, UPS, INTERVALS, CYCLES, SUCCEEDED_AT),
    pending_for=15 * _MINUTE)
API_DOWN = Rule("SoftswitchApiDown", "critical", "switch",
    "The API of a soft-switch is down.",
    "The API of {switch} has returned no valid response for several minutes. "
    "The state of its nodes and tenants is unknown.",
    condition=_api_down, inputs=_ATTEMPTS, pending_for=2 * _MINUTE, keep_firing_for=5 * _MINUTE)
KEY_REFUSED = Rule("SoftswitchKeyRefused", "critical", "switch",
    "A soft-switch refuses the exporter's API key.",
    "{switch} refused {value} of the latest requests. Check the API key of the exporter.",
    condition=_key_refused, inputs=_ATTEMPTS, pending_for=2 * _MINUTE)
TENANT_KEY_REFUSED = Rule("SoftswitchKeyRefused", "warning", "tenant",
    "A soft-switch refuses requests for a tenant.",
    "{switch} refused {value} of the latest requests for {tenant}. "
    "Either its key is wrong, or the tenant does not exist.",
    condition=_tenant_key_refused, inputs=_ATTEMPTS, pending_for=10 * _MINUTE)
# fmt: on
