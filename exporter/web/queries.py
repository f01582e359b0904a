"""How each query of a switch goes: how old its values are, and what fails."""

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import Any

from exporter import freshness
from exporter.model import Query, Scope, Target
from exporter.poll import Poller

_FAILURES_SHOWN = 100
"""Of each query: enough to see the pattern, and bounded when 5,000 tenants fail at once."""

Json = dict[str, Any]


def query_state(poller: Poller, query: Query, scope: Scope, targets: Iterable[Target], now: float) -> Json:
    """Return how one query goes, of which these targets were tried. Ages are in seconds."""
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
        "stale_after_seconds": stale_after * pace,
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


def age(at: float | None, now: float) -> float | None:
    """Return how long ago that was, in seconds; None where it never was."""
    return None if at is None else round(now - at, 3)
