"""What is known of each switch, for people and for scripts: ``/api/v1/status``."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from exporter import __version__
from exporter.clock import Clock
from exporter.model import Query, Scope, Target
from exporter.poll import Poller
from exporter.store import Attempt

_FAILURES_SHOWN = 100
"""Of each query: enough to see the pattern, and bounded when 5,000 tenants fail at once."""

Json = dict[str, Any]


def status(pollers: Sequence[Poller], clock: Clock) -> Json:
    """Return the state of every switch. Ages are in seconds; there is no key and no part of a list in it."""
    return {"version": __version__, "switches": [_switch(poller, clock.monotonic()) for poller in pollers]}


def _switch(poller: Poller, now: float) -> Json:
    poller.refresh()
    attempts: dict[tuple[Query, Scope], list[tuple[Target, Attempt]]] = defaultdict(list)
    for target, attempt in poller.store.attempts.items():
        attempts[target.query, target.scope].append((target, attempt))
    return {
        "name": poller.configuration.name,
        "url": poller.shown_url,
        "up": poller.is_up(),
        "tenants": len(poller.targets.tenants),
        "series": poller.store.series,
        "series_limited": poller.store.is_limited,
        "requests_in_flight": poller.requests_in_flight,
        "breaker_open": poller.courtesy.breaker.is_open,
        "refused_keys": [owner or "admin" for owner in poller.courtesy.refused_keys],
        "targets_held_back": poller.courtesy.held_back,
        "queries": [
            _query(poller, query, scope, attempts[query, scope], now)
            for query, scope in poller.targets.intervals
        ],
    }


def _query(
    poller: Poller, query: Query, scope: Scope, attempts: list[tuple[Target, Attempt]], now: float
) -> Json:
    succeeded = [attempt.succeeded_at for _, attempt in attempts if attempt.succeeded_at is not None]
    failures = [(target, attempt) for target, attempt in attempts if attempt.failure]
    return {
        "query": query.value,
        "scope": scope.value,
        "interval_seconds": poller.targets.intervals[query, scope],
        "planned_cycle_seconds": poller.period(query, scope),
        "cycle_seconds": poller.store.cycle(query, scope),
        "targets_tried": len(attempts),
        "targets_failing": len(failures),
        "newest_success_age_seconds": _age(max(succeeded, default=None), now),
        "oldest_success_age_seconds": _age(min(succeeded, default=None), now),
        "failures": [
            {
                "tenant": target.tenant,
                "reason": attempt.failure.reason.value,
                "detail": attempt.failure.detail,
                "age_seconds": _age(attempt.at, now),
                "success_age_seconds": _age(attempt.succeeded_at, now),
            }
            for target, attempt in failures[:_FAILURES_SHOWN]
            if attempt.failure
        ],
    }


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else round(now - at, 3)
