"""What is not known about a switch, in words. A page may say "all clear" only if that is nothing. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from exporter.web import formatting

Json = dict[str, Any]

_NAMED = 3
"""How many queries that have not been tried yet are named at most."""

_OF_SWITCH: Mapping[str, str] = {
    "peers": "nodes",
    "tenants": "list of tenants",
    "registrations": "phones",
    "watched_peers": "watched peers",
}
_OF_TENANTS: Mapping[str, str] = {
    "balance": "credit",
    "registrations": "phones",
    "limits": "limits",
    "extensions": "extensions",
    "queues": "lists of queues",
    "queue": "queues",
    "call_records": "call records",
    "watched_peers": "watched peers",
}
"""What a query finds out. Queries that are not listed here find out what their name says."""

_PHONES = ("registrations", "extensions", "watched_peers")
_QUERIES: Mapping[str, tuple[str, ...]] = {
    "SoftswitchTenantRegistrationsLost": _PHONES,
    "SoftswitchTenantRegistrationsLow": _PHONES,
    "SoftswitchNodeChannelsNearLimit": ("channels", "peers"),
    "SoftswitchTenantChannelsNearLimit": ("channels", "limits"),
    "SoftswitchQueueWaitingLong": ("queues", "queue"),
    "SoftswitchQueueUnattended": ("queues", "queue"),
}
"""The queries that an alert with ``keep_firing_for`` depends on."""


def unknown(switch: Json, alerting: Json | None) -> list[str]:
    """Return what is not known about a switch, as texts. The list is empty if everything polled is known."""
    if switch["up"] is None:
        return ["not polled yet"]
    found = []
    if switch["up"] is False:
        found.append(while_silent(switch))
    else:
        found += _of_queries(switch["queries"])
    if (alerting or {}).get("firing") is None:
        found.append("alerts not evaluated yet")
    return found


def while_silent(switch: Mapping[str, Any]) -> str:
    """Return what is not known about a switch while its API is silent, and since when."""
    return f"nodes and tenants unknown {_since_answer(switch)}"


def silence(switch: Mapping[str, Any]) -> str:
    """Return a text about a switch that is not up. ``switch``: as in the status."""
    name = switch.get("name", "")
    if switch.get("up") is None:
        return f"{name} has not been polled yet"
    return f"{name} has not responded {_since_answer(switch)}"


def _since_answer(switch: Mapping[str, Any]) -> str:
    seconds = switch.get("valid_answer_age_seconds")
    return "since the start" if seconds is None else f"for {formatting.duration(seconds)}"


def silences(switches: Iterable[Mapping[str, Any]]) -> str:
    """Return a text about the first switch that is not up, and the number of others; "" if all are up."""
    texts = [silence(switch) for switch in switches if switch["up"] is not True]
    if not texts:
        return ""
    more = len(texts) - 1
    others = f" (nor {more} other switch{'es' if more > 1 else ''})" if more else ""
    return f"{texts[0]}{others}"


def is_measured(alert: str, tenants: Collection[str], switch: Json) -> bool:
    """Return whether the values that an alert on some tenants of a switch depends on are known.

    ``tenants`` is empty if it is about nodes, or if not all tenants are known.
    """
    needed = [query for query in switch["queries"] if query["query"] in _QUERIES.get(alert, ())]
    return switch["up"] is True and not any(_is_missing(query, tenants) for query in needed)


def _is_missing(query: Json, tenants: Collection[str]) -> bool:
    named = query["unknown_tenants"]
    if tenants and query["scope"] == "tenant" and query["targets_unknown"] == len(named):
        return any(tenant in named for tenant in tenants)
    return bool(query["targets_unknown"])


def _of_queries(queries: list[Json]) -> list[str]:
    """Return a text for each query that has targets without a current value."""
    waiting, texts = [], []
    for query in queries:
        if not query["targets_unknown"]:
            continue
        if not query["targets_tried"]:
            waiting.append(_what(query))
        elif query["scope"] == "switch":
            texts.append(f"{_what(query)} unknown{_since(query)}")
        else:
            texts.append(f"{_what(query)} of {_tenants(query)} unknown")
    if waiting:
        more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        texts.append(f"not polled yet: {', '.join(waiting[:_NAMED])}{more}")
    return texts


def _what(query: Json) -> str:
    """Return what a query finds out."""
    name: str = query["query"]
    if query["scope"] == "switch":
        return _OF_SWITCH.get(name, name)
    return _OF_TENANTS.get(name, name)


def _since(query: Json) -> str:
    age = query["newest_success_age_seconds"]
    if age is not None:
        return f" for {formatting.duration(age)}"
    reasons = ", ".join(query["failures_by_reason"])
    return f" ({reasons})" if reasons else ""


def _tenants(query: Json) -> str:
    number = query["targets_unknown"]
    if number == 1 and query["unknown_tenants"]:
        return str(query["unknown_tenants"][0])
    return f"{formatting.count(number)} of {formatting.count(query['targets'])} tenants"
