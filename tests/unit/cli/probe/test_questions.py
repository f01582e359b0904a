from collections.abc import Callable

from exporter.cli.probe.questions import LIST, PEERS, of_switch, of_tenant, question_of, switched_off, ways
from exporter.config import SwitchConfiguration
from exporter.model import ExtensionParameter, Query
from exporter.request import Operation

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


def test_the_ways_are_tried_in_order(configured: Configured) -> None:
    """The list first, as it tells an extension; the configured parameter before the others; peers at last."""
    switch = configured(queries={"registrations": {"parameter": "number"}})
    assert ways(switch)[0] == LIST
    assert [way.parameter for way in ways(switch)[1:4]] == [
        ExtensionParameter.NUMBER,
        ExtensionParameter.EXT,
        ExtensionParameter.ID,
    ]
    assert ways(switch)[4] == PEERS


def test_every_way_is_a_request(configured: Configured) -> None:
    """Each is one of the allow-list."""
    requests = [question_of(way, "A", "100").request for way in ways(configured())]
    assert [request.operation for request in requests] == [
        Operation.EXTENSIONS,
        *[Operation.REGISTRATION] * 3,
        Operation.PEERS,
    ]
    assert [list(request.parameters())[-1] for request in requests[1:4]] == ["ext", "id", "number"]
