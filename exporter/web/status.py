"""The state of each switch for the status page and ``/api/v1/status`` (docs/status.md)."""

import json
import operator
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from exporter import __version__
from exporter.clock import Clock
from exporter.freshness import age
from exporter.metrics import catalogue
from exporter.poll import Poller
from exporter.slices import slices
from exporter.web import formatting
from exporter.web.conditions import of_tenant
from exporter.web.current_alerts import Named, grouped
from exporter.web.problems import diagnose
from exporter.web.query_state import failing_queries, query_states
from exporter.web.tenant_rows import extensions_of, ranked_tenants, severity_of, tenant_rows

_NODES = 500
"""How many nodes per switch the status lists at most: ten times the usual maximum."""

TENANTS = 10_000
"""How many tenants per switch the status lists at most: 3 MB."""

_AT_A_TIME = 100
"""Rows of tenants to convert before yielding to the event loop: about 2 ms."""

_TRUNKS = 500
"""How many trunks per switch or tenant are listed at most."""

Json = dict[str, Any]


async def status(
    pollers: Sequence[Poller],
    clock: Clock,
    *,
    alerting: Json | None = None,
    configuration: Json | None = None,
    activity: Json | None = None,
    tenants: int = TENANTS,
) -> Json:
    """Return the state of every switch. ``tenant_list`` has at most ``tenants`` rows and can be read once.

    ``alerting``: the part of the status about alerts. Its ``groups``, ``of_tenants`` and ``covered`` become
    problems; they are not in the result. ``configuration`` and ``activity``: the parts about the
    configuration file, and about whether this exporter polls. Ages are in seconds. The result contains no key
    and no part of a list. The function yields to the event loop, so some parts of the result may be newer
    than others.
    """
    parts = dict(alerting or {})
    groups = parts.pop("groups", [])
    of_tenants = parts.pop("of_tenants", {})
    covered = parts.pop("covered", 0)
    names = {poller.store.switch for poller in pollers}
    found = [group for group in groups if group["switch"] not in names]
    switches = []
    for poller in pollers:
        name = poller.store.switch
        own = [group for group in groups if group["switch"] == name]
        state, current = await _switch(poller, clock.elapsed(), tenants, of_tenants.get(name, {}), own)
        switches.append(state)
        found += current
    whole: Json = {
        "version": __version__,
        "time_seconds": round(clock.wall(), 3),
        **dict.fromkeys(
            ("state", "headline", "notices", "problems")
        ),  # first in the document, for readers; `diagnose` fills them
        "activity": activity or None,
        "alerting": None,
        "alerts": [],
        **parts,
        "configuration": {
            "reload_failed_age_seconds": None,
            "file_invalid_age_seconds": None,
            "errors": [],
            **(configuration or {}),
        },
        "switches": switches,
    }
    diagnose(whole, found, covered)
    return whole


async def to_json(state: Json) -> str:
    """Return a status as JSON, and yield to the event loop between rows."""
    switches = []
    for switch in state["switches"]:
        rows = [json.dumps(some)[1:-1] async for some in slices(switch["tenant_list"], _AT_A_TIME)]
        whole = json.dumps({name: value for name, value in switch.items() if name != "tenant_list"})
        switches.append(f'{whole[:-1]}, "tenant_list": [{", ".join(rows)}]}}')
    whole = json.dumps({name: value for name, value in state.items() if name != "switches"})
    return f'{whole[:-1]}, "switches": [{", ".join(switches)}]}}'


async def _switch(
    poller: Poller, now: float, tenants: int, named: Mapping[str, Named], groups: Sequence[Json]
) -> tuple[Json, list[Json]]:
    """Return the state of a switch, and the groups of its alerts and observed conditions."""
    poller.refresh()
    tried = list(poller.store.attempts)
    queries = await query_states(poller, tried, now)
    failing = await failing_queries(poller, tried)
    ranks, found = await ranked_tenants(poller, failing, named)
    state = {
        **_summary(poller, now),
        "polling": polling(queries, poller),
        "queries": queries,
        "tenant_list": islice(tenant_rows(poller, ranks, failing, named), tenants),
    }
    with_alerts = {
        alert["labels"].get("tenant") for group in groups for alert in group["alerts"]
    } & poller.targets.tenants.keys()
    of_tenants = [one for code in with_alerts for one in of_tenant(poller, code, failing.get(code, {}))]
    return state, [_with_phones(group, poller) for group in grouped(state, groups, of_tenants, found)]


def _with_phones(group: Json, poller: Poller) -> Json:
    """Return a group with the number of phones of its tenant, if no phone of one tenant is registered."""
    states: object = None
    if group.get("has_no_phones") and group["count"] == 1:
        states = poller.store.values(catalogue.TENANT_EXTENSIONS, group["alerts"][0]["labels"]["tenant"])
    return {**group, "phones": extensions_of(states)}


def _summary(poller: Poller, now: float) -> Json:
    store, policy = poller.store, poller.policy
    license_remaining = store.values(catalogue.LICENSE_REMAINING)
    thresholds = poller.configuration.thresholds.license
    return {
        "name": poller.configuration.name,
        "url": poller.shown_url,
        **dict.fromkeys(("state", "severity", "sentence", "unknown")),
        "up": poller.is_up(),
        "valid_answer_age_seconds": age(store.valid_at, now),
        "peers": store.values(catalogue.PEERS),
        "channels": store.values(catalogue.CHANNELS),
        "calls": store.values(catalogue.CALLS),
        "license_remaining_seconds": license_remaining,
        "license_verdict": severity_of(license_remaining, thresholds, operator.le),
        "tenants": len(poller.targets.tenants),
        "series": store.series,
        "series_limited": store.is_limited,
        "requests_in_flight": poller.requests_in_flight,
        "breaker_open": policy.breaker.is_open,
        "refused_keys": [owner or "admin" for owner in policy.refused_keys],
        "targets_held_back": policy.backoff_count,
        "nodes": _nodes(poller),
        "trunks": trunks_of(poller, ""),
    }


def polling(queries: Sequence[Json], poller: Poller) -> Json:
    """Return whether polling works, and a text about it."""
    failing = sum(query["targets_failing"] > 0 for query in queries)
    incomplete = sum(query["targets_unknown"] > 0 and query["targets_tried"] > 0 for query in queries)
    series = "1 series" if poller.store.series == 1 else f"{formatting.count(poller.store.series)} series"
    parts = [
        f"{len(queries)} queries",
        f"{failing} with failures" if failing else "no failures",
        *(["circuit breaker open"] if poller.policy.breaker.is_open else []),
        f"{series} (limited)" if poller.store.is_limited else series,
    ]
    troubled = incomplete or poller.policy.breaker.is_open or poller.policy.refused_keys
    return {"healthy": not (troubled or poller.store.is_limited), "text": ", ".join(parts)}


def _nodes(poller: Poller) -> list[Json]:
    values = poller.store.values
    present = _by_node(values(catalogue.NODE_PRESENT))
    peers = _by_node(values(catalogue.NODE_PEERS))
    channels = _by_node(values(catalogue.NODE_CHANNELS))
    limits = {node.name: node.channels_limit for node in poller.configuration.nodes}
    nodes = [*dict.fromkeys([*limits, *sorted([*present, *peers, *channels])])]
    nodes.sort(key=lambda node: present.get(node) != 0)
    rows = []
    for node in nodes[:_NODES]:
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


def trunks_of(poller: Poller, tenant: str) -> list[Json]:
    """Return the trunks and watched peers of a tenant, or of the installation (""). Those down come first."""
    registered = _by_node(poller.store.values(catalogue.TRUNK_REGISTERED, tenant))
    reachable = _by_node(poller.store.values(catalogue.PEER_REACHABLE, tenant))
    rows = [
        _trunk(trunk, _is_true(registered, trunk), _is_true(reachable, trunk))
        for trunk in sorted({*registered, *reachable})
    ]
    rows.sort(key=lambda row: False not in (row["registered"], row["reachable"]))
    return rows[:_TRUNKS]


def _trunk(name: str, registered: bool | None, reachable: bool | None) -> Json:  # noqa: FBT001 -- two values
    words = {
        "not registered": registered is False,
        "not reachable": reachable is False,
        "registered": registered is True,
        "reachable": reachable is True,
    }
    state = ", ".join(word for word, is_true in words.items() if is_true)
    return {"trunk": name, "registered": registered, "reachable": reachable, "state": state}


def _is_true(values: Mapping[str, float], name: str) -> bool | None:
    value = values.get(name)
    return None if value is None else bool(value)
