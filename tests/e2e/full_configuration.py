"""A configuration in which everything is on, and the conditions that tests wait for with it."""

import json
from collections import Counter
from typing import Any

from tests.e2e.programs import Exporter, Simulator, get_json, samples, wait_until

INTERVAL = "1s"
SWITCH_QUERIES = ("peers", "channels", "calls", "license")
TENANT_QUERIES = ("peers", "channels", "calls", "balance", "registrations", "limits")


def queries(interval: str = INTERVAL, **options: dict[str, Any]) -> dict[str, Any]:
    """Return the section ``queries`` with every query on that is polled, and discovery off."""
    section: dict[str, Any] = {
        "tenants": {"interval": "off"},
        "extensions": {"tenant_interval": "off"},
    }
    for query in SWITCH_QUERIES:
        section.setdefault(query, {})["interval"] = interval
    for query in TENANT_QUERIES:
        section.setdefault(query, {})["tenant_interval"] = interval
    for query, more in options.items():
        section[query].update(more)
    return section


def switch(name: str, url: str, **more: Any) -> dict[str, Any]:
    """Return a switch of the configuration, with the keys of a simulator."""
    return {
        "name": name,
        "url": url,
        "key": "demo-admin",
        "timeout": "5s",
        "max_requests_per_second": 200,
        "stale_after": 100,  # of intervals of a second: a busy machine must not make a value stale
        "queries": queries(),
        **more,
    }


UNREACHABLE_URL = "http://127.0.0.1:9"
"""Where nobody listens."""

ALERTING = {"alertmanagers": [{"url": UNREACHABLE_URL}]}


def configuration(*switches: dict[str, Any], **sections: Any) -> str:
    """Return the text of a configuration with these switches and further sections: JSON is YAML."""
    return json.dumps({"switches": switches, **sections}, ensure_ascii=False, indent=1)


def wait_until_healthy(exporter: Exporter) -> None:
    """Wait until every query was tried and succeeded the last time."""

    def well() -> bool:
        scrape = samples(exporter.metrics())
        successes = [value for (name, _), value in scrape.items() if name == "softswitch_query_success"]
        return bool(successes) and all(successes)

    wait_until(lambda: all_queries_tried(exporter), 20, "the exporter to be ready")
    wait_until(well, 20, f"every query to succeed; status: {exporter.base_url}")


def all_queries_tried(exporter: Exporter) -> bool:
    """Tell whether each query was tried."""
    queries = [
        query
        for switch in get_json(f"{exporter.base_url}/api/v1/status")["switches"]
        for query in switch["queries"]
    ]
    return all(query["targets_tried"] for query in queries)


def wait_for_rounds(simulator: Simulator, rounds: int = 2) -> None:
    """Wait until everything that was asked, and is not gone, was answered so many times more from now on."""
    before = simulator.requests()
    nodes = {*simulator.truth()["switch"]["nodes"], None}
    asked = {
        _question(request) for request in before["requests"] if request["parameters"].get("nodename") in nodes
    }

    def answered() -> bool:
        since = simulator.requests(before["next"])["requests"]
        ended = Counter(_question(request) for request in since if request["outcome"] != "in flight")
        return all(ended[question] >= rounds for question in asked)

    wait_until(answered, 30, f"{rounds} rounds of {len(asked)} questions")


def _question(request: dict[str, Any]) -> tuple[object, ...]:
    return request["key"], *sorted(request["parameters"].items())
