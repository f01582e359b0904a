"""Every series against the value in the response, for each response format."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Kind
from tests.e2e.full_configuration import (
    SWITCH_QUERIES,
    TENANT_QUERIES,
    all_queries_tried,
    configuration,
    switch,
)
from tests.e2e.programs import Series, running_programs, samples, start_exporter, wait_until
from tests.e2e.stub_switch import stub_switch
from tests.e2e.unique_values import (
    FORMATS,
    NODES,
    STATE_NAMES,
    STATES,
    TENANT_KEYS,
    TENANTS,
    UNUSED_NODES,
    VALUES,
    Format,
    UniqueValueSwitch,
)

_DAY = 86_400


def _switch(wire_format: Format, url: str) -> dict[str, Any]:
    off = {"license": "off", "balance": "off", "registered_ratio": "off"}
    tenants: list[dict[str, Any]] = [
        {
            "code": code,
            "extensions": list(STATE_NAMES),
            **({"key": TENANT_KEYS[code]} if code in TENANT_KEYS else {}),
        }
        for code in TENANTS
    ]
    return switch(wire_format.name, url, thresholds=off, tenants=tenants)


@dataclass(frozen=True)
class _Expected:
    """Every series of a switch with this format, except those about requests and times."""

    wire_format: Format
    series: dict[Series, float] = field(default_factory=dict)

    def add(self, name: str, value: float, /, **labels: str) -> None:
        self.series[f"softswitch_{name}", frozenset({"switch": self.wire_format.name, **labels}.items())] = (
            value
        )

    def total(self, values: Mapping[tuple[str, str], int], tenant: str) -> int:
        """Return the stated total, or else the sum over the nodes."""
        if self.wire_format.has_totals or (
            values is VALUES.channels and not self.wire_format.channels_by_node
        ):
            return values[tenant, ""]
        return sum(values[tenant, node] for node in NODES)

    def add_switch(self) -> None:
        facts = {"up": 1, "tenants": len(TENANTS), "series_limited": 0, "breaker_open": 0, "series": 0}
        for name, value in facts.items():
            self.add(name, value)
        self.add("peers", self.total(VALUES.peers, ""))
        self.add("channels", self.total(VALUES.channels, ""))
        self.add("calls", VALUES.calls[""])
        self.add("license_remaining_seconds", VALUES.license * _DAY)
        for node in NODES:
            self.add("node_present", 1, node=node)
            self.add("node_peers", VALUES.peers["", node], node=node)
            self.add("node_channels", VALUES.channels["", node], node=node)

    def add_tenant(self, tenant: str) -> None:
        self.add("tenant_info", 1, tenant=tenant, name="")
        self.add("tenant_peers", self.total(VALUES.peers, tenant), tenant=tenant)
        self.add("tenant_channels", self.total(VALUES.channels, tenant), tenant=tenant)
        self.add("tenant_calls", VALUES.calls[tenant], tenant=tenant)
        self.add("tenant_balance", VALUES.balance[tenant], tenant=tenant)
        if self.wire_format.json:
            self.add("tenant_channels_limit", VALUES.limits[tenant], tenant=tenant)
            self.add("tenant_dids_limit", VALUES.dids_limits[tenant], tenant=tenant)
        for node in NODES:
            if (tenant, node) in UNUSED_NODES:
                continue
            self.add("tenant_node_peers", VALUES.peers[tenant, node], tenant=tenant, node=node)
            if self.wire_format.channels_by_node:
                self.add("tenant_node_channels", VALUES.channels[tenant, node], tenant=tenant, node=node)
        for state, count in {"registered": 2, "unregistered": 1, "unknown": 1}.items():
            self.add("tenant_extensions", count, tenant=tenant, state=state)
        for extension, registered in STATES.items():
            self.add("extension_registered", registered, tenant=tenant, extension=extension)

    def add_query(self, query: str, scope: str, tenants: Sequence[str]) -> None:
        self.add("query_interval_seconds", 1, query=query, scope=scope)
        # Limits without names, in an undocumented order, are rejected.
        succeeds = query != "limits" or self.wire_format.json
        for tenant in tenants:
            self.add("query_success", succeeds, query=query, scope=scope, tenant=tenant)
            if not succeeds:
                self.add("query_failure", 1, query=query, scope=scope, tenant=tenant, reason="decode")


def _expected(wire_format: Format) -> dict[Series, float]:
    """Return the expected series; softswitch_series is 0."""
    expected = _Expected(wire_format)
    expected.add_switch()
    for tenant in TENANTS:
        expected.add_tenant(tenant)
    for query in SWITCH_QUERIES:
        expected.add_query(query, "switch", [""])
    for query in TENANT_QUERIES:
        expected.add_query(query, "tenant", TENANTS)
    return expected.series


_TIMES_AND_COUNTERS = {
    "softswitch_query_last_success_timestamp_seconds",
    "softswitch_query_cycle_seconds",
    *(metric.name for metric in METRICS if metric.kind is not Kind.GAUGE),
}
"""About polling; ``test_prometheus`` covers them."""


def _comparable(scrape: Mapping[Series, float], name: str) -> dict[Series, float]:
    """Return the series about a switch; softswitch_series is 0, as other tests cover it."""
    return {
        (family, labels): 0 if family == "softswitch_series" else value
        for (family, labels), value in scrape.items()
        if ("switch", name) in labels
        and not {family, re.sub("_(bucket|sum|count)$", "", family)} & _TIMES_AND_COUNTERS
    }


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Series, float]]:
    """Poll a switch for each format; return a scrape with all series.

    Channels of a node are polled a sweep later than totals.
    """
    directory = tmp_path_factory.mktemp("formats")
    with ExitStack() as stack:
        run = stack.enter_context(running_programs(directory))
        stubs = [stack.enter_context(stub_switch(UniqueValueSwitch(each).respond)) for each in FORMATS]
        switches = [_switch(each, stub.url) for each, stub in zip(FORMATS, stubs, strict=True)]
        exporter = start_exporter(run, directory / "config.yaml", configuration(*switches))
        expected = {series for each in FORMATS for series in _expected(each)}
        wait_until(
            lambda: all_queries_tried(exporter) and samples(exporter.metrics()).keys() >= expected,
            60,
            lambda: f"series: {sorted(map(str, expected - samples(exporter.metrics()).keys()))}",
        )
        yield samples(exporter.metrics())
        assert [stub.unexpected for stub in stubs] == [[]] * len(FORMATS)


@pytest.mark.parametrize("wire_format", FORMATS, ids=lambda wire_format: wire_format.name)
def test_every_series_has_its_value(wire_format: Format, scrape: dict[Series, float]) -> None:
    """Each series has its own value, and none is missing or unexpected."""
    assert _comparable(scrape, wire_format.name) == _expected(wire_format)


def test_all_values_differ() -> None:
    """All values, including sums over nodes, differ, so that the tests above detect a mix-up."""
    counted = [*VALUES.peers.values(), *VALUES.channels.values()]
    sums = [
        sum(values[tenant, node] for node in NODES)
        for values in (VALUES.peers, VALUES.channels)
        for tenant in ("", *TENANTS)
    ]
    values = [count for count in counted if count] + sums
    values += [*VALUES.calls.values(), *VALUES.limits.values(), VALUES.license]
    assert len({*values, *VALUES.balance.values()}) == len(values) + len(VALUES.balance)
