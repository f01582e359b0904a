from exporter.cli.probe.findings import disabled_queries, switch_requests, tenant_requests
from exporter.model import Query
from tests.conftest import Configured


def test_requests_of_the_installation(configured: Configured) -> None:
    """All enabled queries; the list of tenants only if it is needed; nothing without an admin key."""
    sent = [query for query, _ in switch_requests(configured())]
    assert sent == [Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.TENANTS]
    fewer = configured(tenants=[{"code": "A"}], queries={"license": {"interval": "off"}})
    assert [query for query, _ in switch_requests(fewer)] == [Query.PEERS, Query.CHANNELS, Query.CALLS]
    assert switch_requests(configured(key=None, tenants=[{"code": "A", "key": "k"}])) == []


def test_requests_of_a_tenant(configured: Configured) -> None:
    """All enabled queries; the others are listed as disabled."""
    queries = {"peers": {"tenant_interval": "1m"}, "calls": {"tenant_interval": "off"}}
    switch = configured(tenants=[{"code": "A", "queries": queries}])
    sent = [query for query, _ in tenant_requests(switch, "A")]
    assert sent == [Query.PEERS, Query.CHANNELS, Query.BALANCE]
    disabled = disabled_queries(switch, "A")
    assert {"call_records (installation)", "calls (per tenant)", "queue (per tenant)"} <= {*disabled}
    enabled = [f"{query} (per tenant)" for query in sent] + ["calls (installation)", "queue (installation)"]
    assert not {*enabled} & {*disabled}
