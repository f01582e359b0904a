from collections.abc import Callable

from exporter.cli.probe.questions import of_switch, of_tenant, switched_off
from exporter.config import SwitchConfiguration
from exporter.model import Query

Configured = Callable[..., SwitchConfiguration]


def test_what_is_asked_of_the_whole_installation(configured: Configured) -> None:
    """What is on; the list of tenants only where it is needed; without an admin key nothing."""
    asked = [question.query for question in of_switch(configured())]
    assert asked == [Query.PEERS, Query.CHANNELS, Query.CALLS, Query.LICENSE, Query.TENANTS]
    fewer = configured(tenants=[{"code": "A"}], queries={"license": {"interval": "off"}})
    assert [question.query for question in of_switch(fewer)] == [Query.PEERS, Query.CHANNELS, Query.CALLS]
    assert list(of_switch(configured(key=None, tenants=[{"code": "A", "key": "k"}]))) == []


def test_what_is_asked_of_a_tenant(configured: Configured) -> None:
    """What is on for it."""
    switch = configured(
        tenants=[{"code": "A", "queries": {"peers": {"tenant_interval": "1m"}, "calls": {"tenant_interval":
        "off"}}}]
    )  # fmt: skip
    assert [question.query for question in of_tenant(switch, "A")] == [
        Query.PEERS,
        Query.CHANNELS,
        Query.BALANCE,
    ]
    assert switched_off(switch, "A") == ["calls (tenants)", "limits (tenants)"]
