"""A configuration with every query on, and conditions to wait for."""

import json
from collections import Counter
from typing import Any

from tests.e2e.programs import Exporter, Simulator, get_json, samples, wait_until

INTERVAL = "1s"
SWITCH_QUERIES = ("peers", "channels", "calls", "license")
TENANT_QUERIES = ("peers", "channels", "calls", "balance", "registrations", "limits")


def queries(interval: str = INTERVAL, **options: dict[str, Any]) -> dict[str, Any]:
    """Return a section ``queries`` with every query on except discovery."""
    section: dict[str, Any] = {
        "tenants": {"interval": "off"},
        "extensions": {"tenant_interval": "off"},
    }
    for query in SWITCH_QUERIES:
        section.setdefault(query, {})["interval"] = interval
    for query in (*TENANT_QUERIES, "queues", "queue"):  # the last two only of tenants with `queues`
        section.setdefault(query, {})["tenant_interval"] = interval
    for query, more in options.items():
        section[query].update(more)
    return section


def switch(name: str, url: str, **more: Any) -> dict[str, Any]:
    """Return a section of ``switches``, with the admin key of the simulator."""
    return {
        "name": name,
        "url": url,
        "key": "demo-admin",
        "timeout": "5s",
        "max_requests_per_second": 200,
        "stale_after": 100,  # intervals of 1 s: values must not become stale on a busy machine
        "queries": queries(),
        **more,
    }


UNREACHABLE_URL = "http://127.0.0.1:9"
"""Nothing listens on this port."""

ALERTING = {"alertmanagers": [{"url": UNREACHABLE_URL}]}


def configuration(*switches: dict[str, Any], **sections: Any) -> str:
    """Return a configuration text with these switches and other sections, as JSON, which is valid YAML."""
    return json.dumps({"switches": switches, **sections}, ensure_ascii=False, indent=1)


def wait_until_healthy(exporter: Exporter) -> None:
    """Wait until every query succeeds."""

    def healthy() -> bool:
        scrape = samples(exporter.metrics())
        successes = [value for (name, _), value in scrape.items() if name == "softswitch_query_success"]
        return bool(successes) and all(successes)

    wait_until(lambda: all_queries_tried(exporter), 60, "the exporter to be ready")
    wait_until(healthy, 60, f"every query to succeed; status: {exporter.base_url}")


def all_queries_tried(exporter: Exporter) -> bool:
    """Return whether every query was tried."""
    queries = [
        query
        for switch in get_json(f"{exporter.base_url}/api/v1/status")["switches"]
        for query in switch["queries"]
    ]
    return all(query["targets_tried"] for query in queries)


def wait_for_rounds(simulator: Simulator, rounds: int = 2) -> None:
    """Wait until every request sent so far, except to removed nodes, was answered ``rounds`` more times."""
    before = simulator.requests()
    nodes = {*simulator.truth()["switch"]["nodes"], None}
    requests = {
        _identity(request) for request in before["requests"] if request["parameters"].get("nodename") in nodes
    }

    def answered() -> bool:
        since = simulator.requests(before["next"])["requests"]
        ended = Counter(_identity(request) for request in since if request["outcome"] != "in flight")
        return all(ended[request] >= rounds for request in requests)

    wait_until(answered, 60, f"{rounds} rounds of {len(requests)} requests")


def _identity(request: dict[str, Any]) -> tuple[object, ...]:
    window = {"start", "end"}  # another one in each request
    return request["key"], *sorted(pair for pair in request["parameters"].items() if pair[0] not in window)
