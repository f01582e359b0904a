"""What is known of each switch, for people and for scripts: ``/api/v1/status`` (docs/status.md)."""

import json
import operator
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.clock import Clock
from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.poll import Poller
from exporter.web.queries import age, query_state
from exporter.web.slices import slices
from exporter.web.tenants import failing_queries, severity, tenant_rows

_NODES = 500
"""Nodes that are told of at most: ten times what an installation has."""

TENANTS = 10_000
"""Tenants that are told of at most, of each switch: 3 MB."""

_AT_A_TIME = 100
"""Rows of tenants that are written before other work has its turn: some 2 ms."""

Json = dict[str, Any]


async def status(
    pollers: Sequence[Poller], clock: Clock, *, alerting: Json | None = None, tenants: int = TENANTS
) -> Json:
    """Return the state of every switch; `tenant_list` gives so many rows at most, and can be read once.

    ``alerting`` is what the alerting daemon says of itself, nothing where it is off.
    Ages are in seconds; there is no key and no part of a list in it. It is put together piece by piece,
    while everything else goes on: an answer that comes meanwhile may be in one piece and not in another.
    """
    return {
        "version": __version__,
        "time_seconds": round(clock.wall(), 3),
        "alerting": None,
        "alerts": [],
        **(alerting or {}),
        "switches": [await _switch(poller, clock.elapsed(), tenants) for poller in pollers],
    }


async def to_json(state: Json) -> str:
    """Return a status as JSON, written piece by piece as well."""
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
        if query_and_scope in poller.targets.intervals:  # else it was switched off meanwhile
            queries.append(query_state(poller, *query_and_scope, by_query[query_and_scope], now))
    failing = await failing_queries(poller, tried)
    return {
        **_whole(poller, now),
        "queries": queries,
        "tenant_list": tenant_rows(poller, failing, tenants),
    }


def _whole(poller: Poller, now: float) -> Json:
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
        "license_verdict": severity(license_remaining, thresholds, operator.le),
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
        # Where nodes are asked one by one, each is an answer of its own.
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
