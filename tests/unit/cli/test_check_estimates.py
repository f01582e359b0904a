from typing import Any

from exporter.cli.check import describe
from exporter.cli.check_estimates import more_requests
from exporter.poll.planner import Targets
from tests.conftest import Configured

_DISCOVER = {"discover_tenants": {"enabled": True}}
_ALL = {"tenant_defaults": {"extensions": "all"}}


def test_what_is_discovered_adds_requests(configured: Configured) -> None:
    """For each tenant, extension and queue, the number of requests per second is printed."""

    def added(**settings: Any) -> list[str]:
        switch = configured(**settings)
        return list(more_requests(switch, Targets(switch)))

    tenant = "0.02 per discovered tenant"  # two queries at 2m, one at 5m
    assert added(**_DISCOVER) == [tenant]
    assert added(**_DISCOVER, **_ALL) == [tenant, "0.0033 per discovered extension"]  # one at 5m
    blf = {"registrations": {"source": "blf"}}
    assert added(**_DISCOVER, **_ALL, queries=blf) == ["0.023 per discovered tenant"]
    assert added(tenants=[{"code": "A", "queues": "all"}]) == ["0.017 per discovered queue"]
    assert added(tenants=[{"code": "A", "queues": ["1"]}]) == []


def test_nodes_may_add_requests(configured: Configured) -> None:
    """One for each configured node, if the switch returns only a total. The plan prints it."""
    switch = configured(nodes=["pbx1", "pbx2", "pbx3"])
    more = "plus 0.1 if COUNTCHANNELS returns only a total: then each node needs a request"
    assert f"  requests per second: 0.08 required, 0.08 planned, {more}" in describe(switch)
    off = configured(nodes=["pbx1"], queries={"channels": {"interval": "off"}})
    assert list(more_requests(off, Targets(off))) == []
