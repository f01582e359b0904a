"""Every series against the value in the response, for each response format."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.metrics.catalogue import METRICS, Kind
from tests.e2e.conftest import StartExporter, StartPrometheus
from tests.e2e.full_configuration import (
    SWITCH_QUERIES,
    TENANT_QUERIES,
    all_queries_tried,
    configuration,
    switch,
)
from tests.e2e.programs import Exporter, Series, samples, wait_until
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


def _configuration(url: str) -> str:
    off = {"license": "off", "balance": "off", "registered_ratio": "off"}
    tenants: list[dict[str, Any]] = [
        {
            "code": code,
            "extensions": list(STATE_NAMES),
            **({"key": TENANT_KEYS[code]} if code in TENANT_KEYS else {}),
        }
        for code in TENANTS
    ]
    return configuration(switch("prime", url, thresholds=off, tenants=tenants))


@dataclass(frozen=True)
class _Expected:
    """Every series of a switch with this format, except those about requests and times."""

    wire_format: Format
    series: dict[Series, float] = field(default_factory=dict)

    def add(self, name: str, value: float, /, **labels: str) -> None:
        self.series[f"softswitch_{name}", frozenset({"switch": "prime", **labels}.items())] = value

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
    "softswitch_alerting_alerts",
    "softswitch_exporter_build_info",
    "softswitch_exporter_config_file_valid",
    "softswitch_exporter_config_last_reload_successful",
    "softswitch_exporter_config_last_reload_success_timestamp_seconds",
    *(metric.name for metric in METRICS if metric.kind is not Kind.GAUGE),
}
"""About the exporter itself; ``test_prometheus`` covers them."""


def _is_about_the_switch(series: Series) -> bool:
    name = series[0]
    histogram = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
    return name.startswith("softswitch_") and not {name, histogram} & _TIMES_AND_COUNTERS


def _comparable(scrape: Mapping[Series, float]) -> dict[Series, float]:
    """Return the series about the switch; softswitch_series is 0, as other tests cover it."""
    return {
        series: 0 if series[0] == "softswitch_series" else value
        for series, value in scrape.items()
        if _is_about_the_switch(series)
    }


def _wait_for_all_series(exporter: Exporter, wire_format: Format) -> None:
    """Wait until each target was polled. Channels of a node are polled a sweep later than totals."""

    def complete() -> bool:
        scrape = samples(exporter.metrics())
        return all_queries_tried(exporter) and scrape.keys() >= expected.keys()

    expected = _expected(wire_format)
    try:
        wait_until(complete, 40, "all series")
    except AssertionError:
        missing = expected.keys() - samples(exporter.metrics()).keys()
        raise AssertionError(f"missing: {sorted(map(str, missing))}") from None


@pytest.mark.parametrize("wire_format", FORMATS, ids=lambda wire_format: wire_format.name)
def test_every_series_has_its_value(wire_format: Format, run_exporter: StartExporter) -> None:
    """Each series has its own value, and none is missing or unexpected."""
    with stub_switch(UniqueValueSwitch(wire_format).respond) as stub:
        exporter = run_exporter(_configuration(stub.url))
        _wait_for_all_series(exporter, wire_format)
        assert _comparable(samples(exporter.metrics())) == _expected(wire_format)
        assert not stub.unexpected


def test_prometheus_stores_every_series(run_exporter: StartExporter, run_prometheus: StartPrometheus) -> None:
    """Prometheus has the same series after two scrapes."""
    wire_format = FORMATS[0]
    with stub_switch(UniqueValueSwitch(wire_format).respond) as stub:
        exporter = run_exporter(_configuration(stub.url))
        prometheus = run_prometheus(exporter)
        _wait_for_all_series(exporter, wire_format)
        at = prometheus.after_two_scrapes(time.time())
        expected = {
            (name, frozenset(label for label in labels if label[1])): value
            for (name, labels), value in _expected(wire_format).items()
        }
        assert _comparable(prometheus.series('{__name__=~"softswitch_.*"}', at)) == expected


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
