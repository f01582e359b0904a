"""What is known of each tenant, as rows."""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from exporter.metrics import catalogue
from exporter.model import Registration, Scope, Target
from exporter.poll import Poller
from exporter.web.slices import slices

Json = dict[str, Any]
Failing = Mapping[str, Mapping[str, str]]


async def failing_queries(poller: Poller, tried: Iterable[Target]) -> Failing:
    """Return, by tenant, the queries whose newest attempt failed, each with its reason."""
    failing: dict[str, dict[str, str]] = {}
    async for some in slices(tried, 5000):
        for target in some:
            attempt = poller.store.attempts.get(target)
            if attempt and attempt.failure and target.scope is Scope.TENANT:
                failing.setdefault(target.tenant, {})[target.query.value] = attempt.failure.reason.value
    return failing


def tenant_rows(poller: Poller, failing: Failing, limit: int) -> Iterator[Json]:
    """Give a row for each tenant: first those of whom something fails, then by code.

    What is not known is None, as it is absent from the metrics. Each row is made when it is asked for, and
    best let go at once: 5,000 of them, kept, make the garbage collector hold everything up for 80 ms
    (Python 3.11, 2026-11), and longer beside what a large installation keeps anyway.
    """
    codes = sorted(poller.targets.tenants, key=lambda code: (code not in failing, code))
    for code in codes[:limit]:
        if code in poller.targets.tenants:  # else it left meanwhile
            yield _row(poller, code, failing.get(code, {}))


def _row(poller: Poller, code: str, failing: Mapping[str, str]) -> Json:
    tenant = poller.targets.tenants[code]
    values = poller.store.values
    limit = tenant.channels_limit
    states = values(catalogue.TENANT_EXTENSIONS, code)
    states = states if isinstance(states, Mapping) else {}
    registered = states.get(Registration.REGISTERED)
    total = sum(states.values()) if states else None
    balance = values(catalogue.TENANT_BALANCE, code)
    return {
        "tenant": code,
        "name": poller.tenant_names.get(code, ""),
        "balance": balance,
        "balance_thresholds": dict(tenant.balance_thresholds),
        "balance_verdict": severity(balance, tenant.balance_thresholds),
        "calls": values(catalogue.TENANT_CALLS, code),
        "channels": values(catalogue.TENANT_CHANNELS, code),
        "channels_limit": values(catalogue.TENANT_CHANNELS_LIMIT, code) if limit is None else limit,
        "registered": registered,
        "unregistered": states.get(Registration.UNREGISTERED),
        "extensions": total,
        "registered_verdict": severity(_ratio(states), tenant.registered_ratio_thresholds),
        "failing": dict(failing),
    }


def _ratio(states: Mapping[str, float]) -> float | None:
    registered = states.get(Registration.REGISTERED, 0)
    known = registered + states.get(Registration.UNREGISTERED, 0)
    return registered / known if known else None


def severity(
    value: object,
    thresholds: Mapping[str, float],
    is_due: Callable[[float, float], bool] = operator.lt,
) -> str | None:
    """Return the worst severity for which a value is due, as the alert rules judge; None where none is."""
    if not isinstance(value, int | float):
        return None
    due = [name for name in ("critical", "warning") if name in thresholds and is_due(value, thresholds[name])]
    return due[0] if due else None
