"""Alerts on what the exporter itself sees: whether a switch answers, and how each target fares.

``rules`` has all others, and says how to add one.
"""

from collections import Counter
from collections.abc import Iterator

from exporter import freshness
from exporter.alerting.inputs import Input, RangeInput, SwitchInputs, job
from exporter.alerting.rule import Due, Rule, of_switch, of_tenant
from exporter.model import Query, Reason, Scope, Target
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


UP = Input("up", 5 * _MINUTE, _up)
UPS = RangeInput("ups", 20 * _MINUTE, lambda inputs, _: inputs[UP])
BREAKER_OPEN = Input("breaker_open", 5 * _MINUTE, _breaker_open)
INTERVALS = Input("intervals", 15 * _MINUTE, _intervals, key=job, configured=True)
CYCLES = Input("cycles", 15 * _MINUTE, _cycles, key=job)


def _is_settled(inputs: SwitchInputs) -> bool:
    """Tell whether the switch has answered for 20 minutes.

    By then a target whose retries were backed off has been asked again, so that what is old or failing is not
    the end of an outage.
    """
    ups = [(moment, values[""]) for moment, values in inputs.range(UPS).recorded if "" in values]
    since = any(inputs.now - moment >= _SETTLED_SINCE for moment, _ in ups)
    return since and all(up for _, up in ups)


def _data_stale(inputs: SwitchInputs) -> Iterator[Due]:
    if not _is_settled(inputs):
        return
    cycles, speed = inputs[CYCLES], inputs.attempts.speed
    paces = {
        key: speed * freshness.pace(interval, cycles.get(key)) for key, interval in inputs[INTERVALS].items()
    }
    stale = inputs.attempts.stale(paces, inputs.now, _STALE_AFTER)
    for query, count in Counter(target.query for target in stale).items():
        yield Due(of_switch(inputs, ("query", query.value)), count)


def _tried(inputs: SwitchInputs, scope: Scope, tenant: str = "") -> int:
    """Return how many things are asked of the installation, or of a tenant."""
    return sum(inputs.attempts.is_tried(Target(query, scope, tenant)) for query in Query)


def _refusals(inputs: SwitchInputs) -> int:
    """Count what was refused, where that means that the key of the whole installation is refused; else 0.

    So it is when all or three of the things that are asked of the installation are refused, or most of what
    fails is while the switch does answer and gives nothing valid: after three refusals the exporter tries
    only now and then, so that few targets are seen to be refused.
    """
    failing = list(inputs.attempts.failures())
    refused = [target.scope for target, reason in failing if reason is Reason.AUTH]
    of_installation = refused.count(Scope.SWITCH)
    if of_installation and of_installation >= min(_tried(inputs, Scope.SWITCH), _ENOUGH_REFUSALS):
        return of_installation
    answers = inputs[UP].get("") == 0 and inputs[BREAKER_OPEN].get("") == 0
    return len(refused) if answers and len(refused) > len(failing) / 2 else 0


def _key_refused(inputs: SwitchInputs) -> Iterator[Due]:
    if refused := _refusals(inputs):
        yield Due(of_switch(inputs), refused)


def _api_down(inputs: SwitchInputs) -> Iterator[Due]:
    if inputs[UP].get("") == 0 and not _refusals(inputs):
        yield Due(of_switch(inputs))


def _tenant_key_refused(inputs: SwitchInputs) -> Iterator[Due]:
    """Find tenants of which all, or three, of the things that are asked are refused."""
    if inputs[UP].get("") == 0 or _refusals(inputs):
        return
    counts = Counter(
        target.tenant
        for target, reason in inputs.attempts.failures()
        if reason is Reason.AUTH and target.scope is Scope.TENANT
    )
    for tenant, count in counts.items():
        if count >= _ENOUGH_REFUSALS or count >= _tried(inputs, Scope.TENANT, tenant):
            yield of_tenant(inputs, tenant, value=count)


# One alert in six lines, which the formatter would make twelve.
# fmt: off
WATCHDOG = Rule("SoftswitchWatchdog", "none", "monitoring",
    "Alerting works.",
    "This alert always fires. "
    "If it stops, the exporter, Alertmanager or the connection between them is broken.")
DATA_STALE = Rule("SoftswitchDataStale", "warning", "monitoring",
    "Values are stale or missing.",
    "{switch} has returned no value for {value} of its {query} targets in more than three intervals. "
    "Alerts on these values cannot fire.",
    condition=_data_stale, inputs=(UP, UPS, INTERVALS, CYCLES), pending_for=15 * _MINUTE)
API_DOWN = Rule("SoftswitchApiDown", "critical", "switch",
    "The API of a soft-switch is down.",
    "The API of {switch} has returned no valid response for several minutes. "
    "The state of its nodes and tenants is unknown.",
    condition=_api_down, inputs=(UP, BREAKER_OPEN), pending_for=2 * _MINUTE, keep_firing_for=5 * _MINUTE)
KEY_REFUSED = Rule("SoftswitchKeyRefused", "critical", "switch",
    "A soft-switch refuses the exporter's API key.",
    "{switch} refused {value} of the latest requests. Check the API key of the exporter.",
    condition=_key_refused, inputs=(UP, BREAKER_OPEN), pending_for=2 * _MINUTE)
TENANT_KEY_REFUSED = Rule("SoftswitchKeyRefused", "warning", "tenant",
    "A soft-switch refuses requests for a tenant.",
    "{switch} refused {value} of the latest requests for {tenant}. "
    "Either its key is wrong, or the tenant does not exist.",
    condition=_tenant_key_refused, inputs=(UP, BREAKER_OPEN), pending_for=10 * _MINUTE)
# fmt: on
