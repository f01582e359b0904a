"""When each alert is due: one function for each expression of ``alerts/softswitch.alerts.yaml``.

Each yields what it finds, and None in between, where others may have their turn.
"""

import math
from collections.abc import Callable, Collection, Generator, Iterator
from typing import NamedTuple

from exporter.alerting import rules
from exporter.alerting.inputs import Memory
from exporter.alerting.rules import Labels, Rule
from exporter.model import Query, Reason, Registration, Scope, Target

_A_DAY = 86_400.0
_STALE_AFTER = 3
_ENOUGH_REFUSALS = 3
_FEW_PHONES = 3
_NODE_NEAR, _NODE_AT, _TENANT_NEAR = 0.8, 0.95, 0.9
_AT_A_TIME = 2000

Identity = tuple[Rule, Labels]


class Found(NamedTuple):
    """An alert that is due, with the value, and the threshold or other figure, that its description tells.

    ``team`` is no part of the identity: a tenant that changes its team has the same alerts as before.
    """

    identity: Identity
    value: float
    threshold: float = 0.0
    team: str = ""


Findings = Iterator[Found | None]
Firing = Callable[[Rule], Collection[Labels]]
"""The alerts of a rule that fired at the evaluation before."""


def findings(memory: Memory, firing: Firing, now: float) -> Findings:
    """Return everything that is due for one switch."""
    refused = yield from _refusals(memory)
    yield from _data_stale(memory, now)
    if refused:
        yield Found((rules.KEY_REFUSED, _of_switch(memory)), refused)
    elif memory.is_up is False:
        yield Found((rules.API_DOWN, _of_switch(memory)), 0)
    if not refused and memory.is_up is not False:
        yield from _tenant_key_refused(memory)
    for condition in _CONDITIONS:
        yield None
        yield from condition(memory)
    yield None
    yield from _tenant_registrations_lost(memory, firing)


def _of_switch(memory: Memory, *more: tuple[str, str]) -> Labels:
    return (("switch", memory.switch), *more)


def _of_tenant(
    memory: Memory,
    rule: Rule,
    tenant: str,
    *more: tuple[str, str],
    value: float = 0.0,
    threshold: float = 0.0,
) -> Found:
    identity = (rule, _of_switch(memory, ("tenant", tenant), *more))
    return Found(identity, value, threshold, memory.teams.get(tenant, ""))


def _asked(memory: Memory, scope: Scope, tenant: str = "") -> int:
    """Return how many things are asked of the installation, or of a tenant."""
    return sum(memory.attempts.is_tried(Target(query, scope, tenant)) for query in Query)


def _refusals(memory: Memory) -> Generator[None, None, int]:
    """Count what was refused, where that means that the key of the whole installation is refused; else 0.

    So it is when all or three of the things that are asked of the installation are refused, or most of what
    fails is while the switch does answer and gives nothing valid: after three refusals the exporter tries
    only now and then, so that few targets are seen to be refused.
    """
    failing = refused = of_switch = 0
    for failing, (target, reason) in enumerate(memory.attempts.failures(), 1):
        if reason is Reason.AUTH:
            refused += 1
            of_switch += target.scope is Scope.SWITCH
        if not failing % _AT_A_TIME:
            yield
    if of_switch and of_switch >= min(_asked(memory, Scope.SWITCH), _ENOUGH_REFUSALS):
        return of_switch
    answers = memory.is_up is False and memory.breaker_open.known.get("") == 0
    return refused if answers and refused > failing / 2 else 0


def _data_stale(memory: Memory, now: float) -> Findings:
    if not memory.is_settled(now):
        return
    counts: dict[Query, int] = {}
    for target in memory.attempts.stale(memory.paces, now, _STALE_AFTER):
        if target is None:
            yield None
        else:
            counts[target.query] = counts.get(target.query, 0) + 1
    for query, count in counts.items():
        yield Found((rules.DATA_STALE, _of_switch(memory, ("query", query.value))), count)


def _tenant_key_refused(memory: Memory) -> Findings:
    """Find tenants of which all, or three, of the things that are asked are refused."""
    counts: dict[str, int] = {}
    for number, (target, reason) in enumerate(memory.attempts.failures(), 1):
        if reason is Reason.AUTH and target.scope is Scope.TENANT:
            counts[target.tenant] = counts.get(target.tenant, 0) + 1
        if not number % _AT_A_TIME:
            yield None
    for tenant, count in counts.items():
        if count >= _ENOUGH_REFUSALS or count >= _asked(memory, Scope.TENANT, tenant):
            yield _of_tenant(memory, rules.TENANT_KEY_REFUSED, tenant, value=count)


def _license_expiring(memory: Memory) -> Findings:
    left = memory.license.known.get("")
    for (_, severity), threshold in memory.license_thresholds.known.items():
        if left is not None and left <= threshold:
            identity = (rules.LICENSE_EXPIRING, _of_switch(memory, ("severity", severity)))
            yield Found(identity, left, threshold)


def _license_imminent(memory: Memory) -> Findings:
    """Tell whether this is the last day: a switch tells whole ones. Who set no threshold is not told."""
    left = memory.license.known.get("")
    if left is not None and left <= _A_DAY and memory.license_thresholds.known:
        yield Found((rules.LICENSE_IMMINENT, _of_switch(memory)), left)


def _node_missing(memory: Memory) -> Findings:
    for node, present in memory.node_present.known.items():
        if present == 0:
            yield Found((rules.NODE_MISSING, _of_switch(memory, ("node", node))), present)


def _node_channels_near_limit(memory: Memory) -> Findings:
    for node, share in memory.node_used.averages_above(_NODE_NEAR):
        labels = _of_switch(memory, ("node", node))
        yield Found((rules.NODE_CHANNELS_NEAR_LIMIT, labels), share)
        if share > _NODE_AT:
            yield Found((rules.NODE_CHANNELS_AT_LIMIT, labels), share)


def _balance_low(memory: Memory) -> Findings:
    balances = memory.balances.known
    for (tenant, severity), threshold in memory.balance_thresholds.known.items():
        balance = balances.get(tenant, math.inf)
        if balance < threshold:
            yield _of_tenant(
                memory,
                rules.BALANCE_LOW,
                tenant,
                ("severity", severity),
                value=balance,
                threshold=threshold,
            )


def _tenant_registrations_low(memory: Memory) -> Findings:
    ratios = memory.registered_ratios
    for (tenant, severity), threshold in memory.ratio_thresholds.known.items():
        ratio = ratios.get(tenant, math.inf)
        if ratio < threshold:
            yield _of_tenant(
                memory,
                rules.TENANT_REGISTRATIONS_LOW,
                tenant,
                ("severity", severity),
                value=ratio,
                threshold=threshold,
            )


def _tenant_registrations_lost(memory: Memory, firing: Firing) -> Findings:
    """Find tenants that had a phone within the hour and have none. It stays until one is back."""
    rule, had_phones = rules.TENANT_REGISTRATIONS_LOST, memory.had_phones.known
    silent = [tenant for tenant, ratio in memory.registered_ratios.items() if ratio == 0]
    is_long_ago = any(tenant not in had_phones for tenant in silent)
    lost = {dict(labels)["tenant"] for labels in firing(rule)} if is_long_ago else ()
    for tenant in silent:
        phones = memory.extensions.known[tenant][Registration.UNREGISTERED]
        if phones >= _FEW_PHONES and (tenant in had_phones or tenant in lost):
            yield _of_tenant(memory, rule, tenant, threshold=phones)


def _tenant_channels_near_limit(memory: Memory) -> Findings:
    for tenant, share in memory.tenant_used.averages_above(_TENANT_NEAR):
        yield _of_tenant(memory, rules.TENANT_CHANNELS_NEAR_LIMIT, tenant, value=share)


def _watched_extension_down(memory: Memory) -> Findings:
    registered = memory.registered.known
    for tenant, extension in memory.watched.known:
        if registered.get((tenant, extension)) == 0:
            yield _of_tenant(memory, rules.WATCHED_EXTENSION_DOWN, tenant, ("extension", extension))


_CONDITIONS: tuple[Callable[[Memory], Findings], ...] = (
    _license_expiring,
    _license_imminent,
    _node_missing,
    _node_channels_near_limit,
    _balance_low,
    _tenant_registrations_low,
    _tenant_channels_near_limit,
    _watched_extension_down,
)
