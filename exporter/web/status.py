"""What is known of each switch, for people and for scripts: ``/api/v1/status`` (docs/status.md)."""

import json
import operator
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from exporter import __version__, catalogue
from exporter.clock import Clock
from exporter.model import Query, Scope, Target
from exporter.poll import Poller
from exporter.web.queries import age, query_state
from exporter.web.slices import slices
from exporter.web.tenants import severity, tenant_rows

_NODES = 500
"""Nodes that are told of at most: ten times what an installation has."""

TENANTS = 10_000
"""Tenants that are told of at most, of each switch: 3 MB."""

Json = dict[str, Any]


async def status(pollers: Sequence[Poller], clock: Clock, *, tenants: int = TENANTS) -> Json:
    """Return the state of every switch, with so many rows of tenants at most.

    Ages are in seconds; there is no key and no part of a list in it. It is put together piece by piece,
    while everything else goes on: an answer that comes meanwhile may be in one piece and not in another.
    """
    switches = []
    for poller in pollers:
        switch, targets = await _switch(poller, clock.monotonic())
        rows = [row async for some in tenant_rows(poller, targets, tenants) for row in some]
        switches.append({**switch, "tenant_list": rows})
    return {**_head(clock), "switches": switches}


async def status_json(pollers: Sequence[Poller], clock: Clock) -> str:
    """Return the same as JSON.

    Rows become text at once: 5,000 of them, kept as objects, make the garbage collector hold everything
    up for 80 ms (Python 3.11, 2026-11).
    """
    switches = []
    for poller in pollers:
        switch, targets = await _switch(poller, clock.monotonic())
        rows = [json.dumps(some)[1:-1] async for some in tenant_rows(poller, targets, TENANTS)]
        switches.append(f'{json.dumps(switch)[:-1]}, "tenant_list": [{", ".join(rows)}]}}')
    return f'{json.dumps(_head(clock))[:-1]}, "switches": [{", ".join(switches)}]}}'


def _head(clock: Clock) -> Json:
    return {"version": __version__, "time_seconds": round(clock.wall(), 3)}


async def _switch(poller: Poller, now: float) -> tuple[Json, list[Target]]:
    """Return what is known of a switch but for its tenants, and every target that was tried."""
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
    return {**_whole(poller, now), "queries": queries}, tried


def _whole(poller: Poller, now: float) -> Json:
    store, courtesy = poller.store, poller.courtesy
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
        "breaker_open": courtesy.breaker.is_open,
        "refused_keys": [owner or "admin" for owner in courtesy.refused_keys],
        "targets_held_back": courtesy.held_back,
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
