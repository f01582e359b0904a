"""The state of each switch for the status page and ``/api/v1/status`` (docs/status.md)."""

import heapq
import json
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter import __version__, freshness
from exporter.clock import Clock
from exporter.freshness import age
from exporter.metrics import catalogue
from exporter.model import Query, Registration, Scope, Target
from exporter.poll import Poller
from exporter.poll.registrations import NOT_APPLICABLE
from exporter.web.responses import slices

_NODES = 500
"""Maximum number of nodes per switch: ten times the usual maximum."""

TENANTS = 10_000
"""Maximum number of tenants per switch: 3 MB."""

_AT_A_TIME = 100
"""Rows of tenants between two yields to the event loop: about 2 ms."""

_FAILURES_SHOWN = 100
"""Maximum number of failures per query, in case 5,000 tenants fail at once."""

Json = dict[str, Any]
Failing = Mapping[str, Mapping[str, str]]


async def status(
    pollers: Sequence[Poller],
    clock: Clock,
    *,
    alerting: Json | None = None,
    configuration: Json | None = None,
    tenants: int = TENANTS,
) -> Json:
    """Return the state of every switch. ``tenant_list`` has at most ``tenants`` rows and can be read once.

    ``alerting`` is ``alerting`` and ``alerts`` of the result; ``configuration`` is that of the configuration
    file. Ages are in seconds. The result contains no key and no part of a list. The function yields to the
    event loop, so parts of the result may be newer than others.
    """
    return {
        "version": __version__,
        "time_seconds": round(clock.wall(), 3),
        "alerting": None,
        "alerts": [],
        **(alerting or {}),
        "configuration": {
            "reload_failed_age_seconds": None,
            "file_invalid_age_seconds": None,
            "errors": [],
            **(configuration or {}),
        },
        "switches": [await _switch(poller, clock.elapsed(), tenants) for poller in pollers],
    }


async def to_json(state: Json) -> str:
    """Return a status as JSON, and yield to the event loop between rows."""
    switches = []
    for switch in state["switches"]:
        rows = [json.dumps(some)[1:-1] async for some in slices(switch["tenant_list"], _AT_A_TIME)]
        whole = json.dumps({name: value for name, value in switch.items() if name != "tenant_list"})
        switches.append(f'{whole[:-1]}, "tenant_list": [{", ".join(rows)}]}}')
    whole = json.dumps({name: value for name, value in state.items() if name != "switches"})
    return f'{whole[:-1]}, "switches": [{", ".join(switches)}]}}'


async def _switch(poller: Poller, now: float, tenants: int) -> Json:
    poller.refresh()
    tried = list(poller.store.attempts)
    by_query: dict[tuple[Query, Scope], list[Target]] = defaultdict(list)
    async for some in slices(tried, 5000):
        for target in some:
            by_query[target.query, target.scope].append(target)
    queries: list[Json] = []
    async for (query_and_scope,) in slices(list(poller.targets.intervals), 1):
        if query_and_scope in poller.targets.intervals:  # else a reload switched it off meanwhile
            queries.append(_query_state(poller, *query_and_scope, by_query[query_and_scope], now))
    failing = await _failing_queries(poller, tried)
    return {
        **_summary(poller, now),
        "queries": queries,
        "tenant_list": _tenant_rows(poller, failing, tenants),
    }


def _summary(poller: Poller, now: float) -> Json:
    store, policy = poller.store, poller.policy
    license_remaining = store.values(catalogue.LICENSE_REMAINING)
    thresholds = poller.configuration.thresholds.license
    return {
        "name": poller.configuration.name,
        "url": poller.shown_url,
        "up": poller.is_up(),
        "valid_answer_age_seconds": age(store.valid_at, now),
        "peers": store.values(catalogue.PEERS),
        "channels": store.values(catalogue.CHANNELS),
        "calls": store.values(catalogue.CALLS),
        "license_remaining_seconds": license_remaining,
        "license_verdict": _severity(license_remaining, thresholds, operator.le),
        "tenants": len(poller.targets.tenants),
        "series": store.series,
        "series_limited": store.is_limited,
        "requests_in_flight": poller.requests_in_flight,
        "breaker_open": policy.breaker.is_open,
        "refused_keys": [owner or "admin" for owner in policy.refused_keys],
        "targets_held_back": policy.backoff_count,
        "nodes": _nodes(poller),
    }


def _nodes(poller: Poller) -> list[Json]:
    values = poller.store.values
    present = _by_node(values(catalogue.NODE_PRESENT))
    peers = _by_node(values(catalogue.NODE_PEERS))
    channels = _by_node(values(catalogue.NODE_CHANNELS))
    limits = {node.name: node.channels_limit for node in poller.configuration.nodes}
    nodes = dict.fromkeys([*limits, *sorted([*present, *peers, *channels])])
    rows = []
    for node in list(nodes)[:_NODES]:
        there = present.get(node)
        # If each node is queried separately, the value of each is stored as a separate part.
        counted = channels.get(node, _by_node(values(catalogue.NODE_CHANNELS, part=node)).get(node))
        rows.append(
            {
                "node": node,
                "present": None if there is None else bool(there),
                "peers": peers.get(node),
                "channels": counted,
                "channels_limit": limits.get(node),
            }
        )
    return rows


def _by_node(values: object) -> Mapping[str, float]:
    return values if isinstance(values, Mapping) else {}


def _query_state(poller: Poller, query: Query, scope: Scope, targets: Iterable[Target], now: float) -> Json:
    """Return the state of one query over its tried targets."""
    tried = {target: attempt for target in targets if (attempt := poller.store.attempts.get(target))}
    succeeded = [attempt.succeeded_at for attempt in tried.values() if attempt.succeeded_at is not None]
    reasons = Counter(attempt.failure.reason.value for attempt in tried.values() if attempt.failure)
    failing = {target: attempt.failure for target, attempt in tried.items() if attempt.failure}
    newest = heapq.nlargest(_FAILURES_SHOWN, failing, key=lambda target: tried[target].at)
    planned, measured = poller.period(query, scope), poller.store.cycle(query, scope)
    pace, stale_after = freshness.pace(planned, measured), poller.configuration.stale_after
    success_age = age(max(succeeded, default=None), now)
    return {
        "query": query.value,
        "scope": scope.value,
        "interval_seconds": poller.targets.intervals[query, scope],
        "planned_cycle_seconds": planned,
        "cycle_seconds": measured,
        "stale_after_seconds": freshness.lifetime(pace, stale_after),
        "freshness": freshness.freshness(success_age, pace, stale_after).value,
        "targets_tried": len(tried),
        "targets_failing": len(failing),
        "failures_by_reason": dict(reasons.most_common()),
        "newest_success_age_seconds": success_age,
        "oldest_success_age_seconds": age(min(succeeded, default=None), now),
        "failures": [
            {
                "tenant": target.tenant,
                "reason": failing[target].reason.value,
                "detail": failing[target].detail,
                "answer": poller.answers.of(target, failing[target].reason),
                "age_seconds": age(tried[target].at, now),
                "success_age_seconds": age(tried[target].succeeded_at, now),
            }
            for target in newest
        ],
    }


async def _failing_queries(poller: Poller, tried: Iterable[Target]) -> Failing:
    """Return the failing queries of each tenant with their reasons."""
    failing: dict[str, dict[str, str]] = {}
    async for some in slices(tried, 5000):
        for target in some:
            attempt = poller.store.attempts.get(target)
            if attempt and attempt.failure and target.scope is Scope.TENANT:
                failing.setdefault(target.tenant, {})[target.query.value] = attempt.failure.reason.value
    return failing


def _tenant_rows(poller: Poller, failing: Failing, limit: int) -> Iterator[Json]:
    """Yield a row per tenant: tenants with failures first, then by code. Unknown values are None.

    Rows are made on demand and should not be kept: 5,000 kept rows make the garbage collector block for 80 ms
    (Python 3.11, 2026-11).
    """
    codes = sorted(poller.targets.tenants, key=lambda code: (code not in failing, code))
    for code in codes[:limit]:
        if code in poller.targets.tenants:  # else it was removed meanwhile
            yield _row(poller, code, failing.get(code, {}))


def _row(poller: Poller, code: str, failing: Mapping[str, str]) -> Json:
    tenant = poller.targets.tenants[code]
    values = poller.store.values
    limit = tenant.channels_limit
    states = values(catalogue.TENANT_EXTENSIONS, code)
    states = states if isinstance(states, Mapping) else {}
    registered = states.get(Registration.REGISTERED)
    unable = poller.targets.technologies.unable(code)
    total = sum(states.get(state, 0) for state in Registration) if states else None
    balance = values(catalogue.TENANT_BALANCE, code)
    return {
        "tenant": code,
        "name": poller.tenant_names.get(code, ""),
        "balance": balance,
        "balance_thresholds": dict(tenant.balance_thresholds),
        "balance_verdict": _severity(balance, tenant.balance_thresholds),
        "calls": values(catalogue.TENANT_CALLS, code),
        "channels": values(catalogue.TENANT_CHANNELS, code),
        "channels_limit": values(catalogue.TENANT_CHANNELS_LIMIT, code) if limit is None else limit,
        "registered": registered,
        "unregistered": states.get(Registration.UNREGISTERED),
        "extensions": total,
        "not_applicable": states.get(NOT_APPLICABLE),
        "watched_not_applicable": [extension for extension in tenant.watch if extension in unable],
        "registered_verdict": _severity(_ratio(states), tenant.registered_ratio_thresholds),
        "failing": dict(failing),
    }


def _ratio(states: Mapping[str, float]) -> float | None:
    registered = states.get(Registration.REGISTERED, 0)
    known = registered + states.get(Registration.UNREGISTERED, 0)
    return registered / known if known else None


def _severity(
    value: object,
    thresholds: Mapping[str, float],
    is_crossed: Callable[[float, float], bool] = operator.lt,
) -> str | None:
    """Return the worst severity whose threshold a value has crossed, as the alert rules compare, or None."""
    if not isinstance(value, int | float):
        return None
    for severity in ("critical", "warning"):
        if severity in thresholds and is_crossed(value, thresholds[severity]):
            return severity
    return None
