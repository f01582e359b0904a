"""The state of each query of a switch, for the status: freshness, failures and unknown values."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from exporter import freshness
from exporter.freshness import Freshness, age
from exporter.model import Query, Reason, Scope, Target
from exporter.poll import Poller
from exporter.queries import QUERIES
from exporter.slices import slices
from exporter.store import Attempt

FAILURES_SHOWN = 100
"""How many failures per query the status lists at most, in case 5,000 tenants fail at once."""

_UNKNOWN_SHOWN = 3
"""How many tenants with unknown values the status names per query at most."""

_AT_A_TIME = 2000
"""Targets to process before yielding to the event loop: at most 10 ms."""

Json = dict[str, Any]
Failing = Mapping[str, Mapping[str, str]]


async def query_states(poller: Poller, tried: Sequence[Target], now: float) -> list[Json]:
    """Return the state of every polled query. ``tried``: the targets that have been polled at least once."""
    by_query: dict[tuple[Query, Scope], list[Target]] = defaultdict(list)
    async for some in slices(tried, 5000):
        for target in some:
            by_query[target.query, target.scope].append(target)
    queries: list[Json] = []
    for query, scope in list(poller.targets.intervals):
        never = await _never_tried(poller, query, scope, by_query[query, scope])
        lost = [target async for target in _without_value(poller, by_query[query, scope], now)]
        if (query, scope) in poller.targets.intervals:  # otherwise, a reload has disabled it in the meantime
            state = _query_state(poller, query, scope, by_query[query, scope], now)
            missing = sorted([*(target.tenant for target in lost), *never])
            queries.append(
                {
                    **state,
                    "targets": len(by_query[query, scope]) + len(never),
                    "targets_unknown": len(missing),
                    "unknown_tenants": [tenant for tenant in missing[:_UNKNOWN_SHOWN] if tenant],
                }
            )
    return queries


async def _never_tried(poller: Poller, query: Query, scope: Scope, tried: Sequence[Target]) -> list[str]:
    """Return the tenants that a query has not tried yet; "" is the switch itself."""
    targets = poller.targets
    if scope is Scope.SWITCH:
        return [] if tried else [""]
    if len(tried) >= len(targets.tenants):
        return []
    known = {target.tenant for target in tried}
    found = []
    async for some in slices(list(targets.tenants), _AT_A_TIME // 4):
        found += [code for code in some if code not in known and targets.sends(query, code)]
    return found


async def _without_value(poller: Poller, tried: Sequence[Target], now: float) -> Any:  # noqa: ANN401 -- an async generator
    """Yield the targets without a current value, except those whose empty response may mean no calls."""
    pace = None
    async for some in slices(tried, _AT_A_TIME):
        for target in some:
            attempt = poller.store.attempts.get(target)
            job = target.query, target.scope
            if attempt is None or job not in poller.targets.intervals:
                continue
            pace = pace or freshness.pace(poller.period(*job), poller.store.cycle(*job))
            if _is_unknown(attempt, target.query, now, pace, poller.configuration.stale_after):
                yield target


def _is_unknown(attempt: Attempt, query: Query, now: float, pace: float, stale_after: float) -> bool:
    """Return whether a target has no value, a stale value, or a late one while its requests fail.

    A single failure does not make a value unknown: the next request may succeed before the value is late.
    """
    failure = attempt.failure
    if failure and failure.reason is Reason.EMPTY and QUERIES[query].empty is not None:
        return False
    state = freshness.freshness(age(attempt.succeeded_at, now), pace, stale_after)
    return state in {Freshness.WAITING, Freshness.STALE} or (failure is not None and state is Freshness.LATE)


def _query_state(poller: Poller, query: Query, scope: Scope, targets: Sequence[Target], now: float) -> Json:
    """Return the state of one query, from the targets that it has tried."""
    tried = {target: attempt for target in targets if (attempt := poller.store.attempts.get(target))}
    succeeded = [attempt.succeeded_at for attempt in tried.values() if attempt.succeeded_at is not None]
    reasons = Counter(attempt.failure.reason.value for attempt in tried.values() if attempt.failure)
    failing = {target: attempt.failure for target, attempt in tried.items() if attempt.failure}
    newest = heapq.nlargest(FAILURES_SHOWN, failing, key=lambda target: tried[target].at)
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


async def failing_queries(poller: Poller, tried: Sequence[Target]) -> Failing:
    """Return the failing queries of each tenant with their reasons."""
    failing: dict[str, dict[str, str]] = {}
    async for some in slices(tried, 5000):
        for target in some:
            attempt = poller.store.attempts.get(target)
            if attempt and attempt.failure and target.scope is Scope.TENANT:
                failing.setdefault(target.tenant, {})[target.query.value] = attempt.failure.reason.value
    return failing
