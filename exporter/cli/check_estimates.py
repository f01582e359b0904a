"""Estimates of ``--config.check``: series, and the requests to whatever is still to be discovered."""

import math
from collections.abc import Iterator

from exporter.config import SwitchConfiguration, TenantSettings
from exporter.fields import duration_text
from exporter.model import Query, Registration, Scope
from exporter.poll.planner import Targets
from exporter.queries import QUERIES, call_records, queue

USABLE = 0.95
"""Share of the rate limit that the plan uses."""

_PARTS = {
    Query.REGISTRATIONS: (
        "extension",
        "set queries.registrations.source to blf or extensions (one request per tenant) or peers (one)",
    ),
    Query.QUEUE: (
        "queue",
        "raise queries.queue.tenant_interval, or list the important queues in `queues`",
    ),
}
"""What a query discovers, and what to change if there are too many of them."""


def more_requests(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Yield the requests per second that come on top of the plan, each with what causes them."""
    if switch.discover_tenants.enabled and (each := _of_one_tenant(switch, targets)):
        yield f"{each:.2g} per discovered tenant"
    for query, (part, _) in _PARTS.items():
        if seconds := _shortest(switch, targets, query):
            yield f"{1 / seconds:.2g} per discovered {part}"
    seconds = targets.intervals.get((Query.CHANNELS, Scope.SWITCH))
    if seconds and switch.nodes:
        more = len(switch.nodes) / seconds
        yield f"{more:.2g} if COUNTCHANNELS returns only a total: then each node needs a request"


def discovered(switch: SwitchConfiguration, targets: Targets) -> Iterator[tuple[int, str]]:
    """Return how many discovered tenants and parts the rate limit allows, as a number and as a text."""
    spare = switch.max_requests_per_second * USABLE - targets.plan.rate
    each = _of_one_tenant(switch, targets)
    if switch.discover_tenants.enabled and each:
        allowed = int(spare / each)
        text = (
            "the number of discovered tenants is unknown: at the configured intervals, the rate limit allows "
        )
        text += f"{allowed} of them; for more, raise max_requests_per_second or tenant_interval"
        yield allowed, text
    for query, (part, fix) in _PARTS.items():
        if shortest := _shortest(switch, targets, query):
            allowed = int(spare * shortest)
            text = f"the number of discovered {part}s is unknown, and each needs a request: the rate limit "
            text += f"allows {allowed} within {short_duration(shortest)}; for more, {fix}"
            yield allowed, text


def _of_one_tenant(switch: SwitchConfiguration, targets: Targets) -> float:
    """Return the requests per second to a tenant that the configuration does not name."""
    found = switch.settings("")
    return sum(_rate(switch, targets, found, query) for query in Query)


def _shortest(switch: SwitchConfiguration, targets: Targets, query: Query) -> float | None:
    """Return the shortest interval at which each discovered part needs a request; None if it needs none."""
    if not _is_per_part(switch, query):
        return None
    return min(of_discovered_parts(switch, targets, query), default=None)


def of_discovered_parts(switch: SwitchConfiguration, targets: Targets, query: Query) -> list[float]:
    """Return the intervals of a query to tenants whose parts it discovers."""
    found = [switch.settings("")] if switch.discover_tenants.enabled else []
    return [
        tenant.interval(query) or math.inf
        for tenant in (*targets.tenants.values(), *found)
        if (parts := tenant.parts(query)) and parts.all and targets.polls(query, tenant)
    ]


def _rate(switch: SwitchConfiguration, targets: Targets, tenant: TenantSettings, query: Query) -> float:
    """Return the requests per second of a query to one tenant, except those to discovered parts."""
    seconds = tenant.interval(query)
    if seconds is None or not targets.polls(query, tenant) or (query, Scope.TENANT) not in targets.intervals:
        return 0
    parts = tenant.parts(query)
    return (len(parts.named) if parts and _is_per_part(switch, query) else 1) / seconds


def _is_per_part(switch: SwitchConfiguration, query: Query) -> bool:
    """Return whether a query sends a request for each extension or queue."""
    spec = QUERIES[query]
    return spec.endpoint(switch.queries.options(spec), Scope.TENANT).for_part is not None


def short_duration(seconds: float) -> str:
    """Return a duration; from 10 s on, rounded to whole seconds."""
    return duration_text(round(seconds) if seconds >= 10 else seconds)  # noqa: PLR2004 -- as documented


def estimated_series(switch: SwitchConfiguration, targets: Targets) -> int:
    """Estimate the series of a switch before it is polled.

    Excludes series per tenant and node, and those of whatever the configuration does not name: discovered
    tenants, extensions and queues, nodes and trunks.
    """
    series = 8 + 3 * len(switch.nodes) + len(switch.thresholds.license)
    series += sum(node.channels_limit is not None for node in switch.nodes)
    for _, scope in targets.intervals:
        series += 4 if scope is Scope.SWITCH else 2  # interval and cycle; success and its time
    if (Query.CALL_RECORDS, Scope.SWITCH) in targets.intervals:
        series += call_records.SERIES * len(targets.tenants)
    if (Query.TRUNKS, Scope.SWITCH) in targets.intervals:
        series += len(Registration)
    return series + sum(_series_of(switch, tenant, targets) for tenant in targets.tenants.values())


def unknown_series(switch: SwitchConfiguration, targets: Targets) -> Iterator[str]:
    """Return what has series that the estimate does not include, and how many."""
    yield "up to two per pair of tenant and node"
    yield "one per discovered extension"
    if any(query is Query.TRUNKS for query, _ in targets.intervals):
        yield "up to four per trunk"
    if of_discovered_parts(switch, targets, Query.QUEUE):
        yield f"{queue.SERIES} per discovered queue"


def _series_of(switch: SwitchConfiguration, tenant: TenantSettings, targets: Targets) -> int:
    series = 1  # info
    for query in Query:
        if targets.polls(query, tenant):
            spec = QUERIES[query]
            endpoint = spec.endpoint(switch.queries.options(spec), Scope.TENANT)
            series += spec.series + endpoint.series
            series += 2 if (query, Scope.TENANT) in targets.intervals else 0  # success and its time
    if targets.polls(Query.REGISTRATIONS, tenant):
        series += len(tenant.polled)
    if (queues := tenant.parts(Query.QUEUE)) and queues.any:
        series += queue.SERIES * len(queues.named) if targets.polls(Query.QUEUE, tenant) else 0
        series += len(tenant.queue_wait_thresholds)
    if targets.polls(Query.LIMITS, tenant) and tenant.channels_limit is not None:
        series -= 1  # the configured limit replaces it
    if targets.polls(Query.WATCHED_PEERS, tenant):
        series += 2 * len(tenant.watch_peers)
    series += len(tenant.watch) + len(tenant.balance_thresholds) + len(tenant.registered_ratio_thresholds)
    return series + (tenant.channels_limit is not None) + (tenant.business_hours is not None)
