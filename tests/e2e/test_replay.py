"""All that a switch says, in each way of wording it, against the table that it answers from."""

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
    FIGURES,
    IDLE_ON,
    NODES,
    OWN_KEY,
    SHAPES,
    STATES,
    TENANTS,
    WORDS,
    Shape,
    Switch,
)

_DAY = 86_400


def _configuration(url: str) -> str:
    off = {"license": "off", "balance": "off", "registered_ratio": "off"}
    tenants: list[dict[str, Any]] = [
        {"code": code, "extensions": list(WORDS), **({"key": OWN_KEY[code]} if code in OWN_KEY else {})}
        for code in TENANTS
    ]
    return configuration(switch("prime", url, thresholds=off, tenants=tenants))


@dataclass(frozen=True)
class _Expected:
    """Every series that a switch of this shape gives, but those about requests and times."""

    shape: Shape
    series: dict[Series, float] = field(default_factory=dict)

    def add(self, name: str, value: float, /, **labels: str) -> None:
        self.series[f"softswitch_{name}", frozenset({"switch": "prime", **labels}.items())] = value

    def whole(self, figures: Mapping[tuple[str, str], int], tenant: str) -> int:
        """Return the total that is stated, else the sum over the nodes."""
        if self.shape.states_totals or (figures is FIGURES.channels and not self.shape.channels_by_node):
            return figures[tenant, ""]
        return sum(figures[tenant, node] for node in NODES)

    def add_switch(self) -> None:
        facts = {"up": 1, "tenants": len(TENANTS), "series_limited": 0, "breaker_open": 0, "series": 0}
        for name, value in facts.items():
            self.add(name, value)
        self.add("peers", self.whole(FIGURES.peers, ""))
        self.add("channels", self.whole(FIGURES.channels, ""))
        self.add("calls", FIGURES.calls[""])
        self.add("license_remaining_seconds", FIGURES.license * _DAY)
        for node in NODES:
            self.add("node_present", 1, node=node)
            self.add("node_peers", FIGURES.peers["", node], node=node)
            self.add("node_channels", FIGURES.channels["", node], node=node)

    def add_tenant(self, tenant: str) -> None:
        self.add("tenant_info", 1, tenant=tenant, name="")
        self.add("tenant_peers", self.whole(FIGURES.peers, tenant), tenant=tenant)
        self.add("tenant_channels", self.whole(FIGURES.channels, tenant), tenant=tenant)
        self.add("tenant_calls", FIGURES.calls[tenant], tenant=tenant)
        self.add("tenant_balance", FIGURES.balance[tenant], tenant=tenant)
        if self.shape.json:
            self.add("tenant_channels_limit", FIGURES.limits[tenant], tenant=tenant)
        for node in NODES:
            if (tenant, node) in IDLE_ON:
                continue
            self.add("tenant_node_peers", FIGURES.peers[tenant, node], tenant=tenant, node=node)
            if self.shape.channels_by_node:
                self.add("tenant_node_channels", FIGURES.channels[tenant, node], tenant=tenant, node=node)
        for state, count in {"registered": 2, "unregistered": 1, "unknown": 1}.items():
            self.add("tenant_extensions", count, tenant=tenant, state=state)
        for extension, registered in STATES.items():
            self.add("extension_registered", registered, tenant=tenant, extension=extension)

    def add_query(self, query: str, scope: str, tenants: Sequence[str]) -> None:
        self.add("query_interval_seconds", 1, query=query, scope=scope)
        # The limits without their names, in an order that nobody documented, are no answer.
        well = query != "limits" or self.shape.json
        for tenant in tenants:
            self.add("query_success", well, query=query, scope=scope, tenant=tenant)
            if not well:
                self.add("query_failure", 1, query=query, scope=scope, tenant=tenant, reason="decode")


def _expected(shape: Shape) -> dict[Series, float]:
    """Return the series; how many there are in all is counted elsewhere, and 0 stands for it."""
    expected = _Expected(shape)
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
    "softswitch_exporter_build_info",
    "softswitch_exporter_config_last_reload_successful",
    "softswitch_exporter_config_last_reload_success_timestamp_seconds",
    *(metric.name for metric in METRICS if metric.kind is not Kind.GAUGE),
}
"""About the exporter itself: ``test_prometheus`` looks at them."""


def _is_about_the_switch(series: Series) -> bool:
    name = series[0]
    histogram = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
    return name.startswith("softswitch_") and not {name, histogram} & _TIMES_AND_COUNTERS


def _comparable(scrape: Mapping[Series, float]) -> dict[Series, float]:
    """Return what is about the switch; how many series there are in all is counted elsewhere."""
    return {
        series: 0 if series[0] == "softswitch_series" else value
        for series, value in scrape.items()
        if _is_about_the_switch(series)
    }


def _wait_until_all_was_told(exporter: Exporter, shape: Shape) -> None:
    """Wait until each target was asked; that an idle switch is asked node by node shows a round later."""

    def told() -> bool:
        scrape = samples(exporter.metrics())
        return all_queries_tried(exporter) and scrape.keys() >= expected.keys()

    expected = _expected(shape)
    try:
        wait_until(told, 15, "all series")
    except AssertionError:
        missing = expected.keys() - samples(exporter.metrics()).keys()
        raise AssertionError(f"missing: {sorted(map(str, missing))}") from None


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_series_is_the_one_of_the_table(shape: Shape, run_exporter: StartExporter) -> None:
    """However the switch words its answers, each series has its own prime, and none is missing or more."""
    with stub_switch(Switch(shape).answer) as replay:
        exporter = run_exporter(_configuration(replay.url))
        _wait_until_all_was_told(exporter, shape)
        assert _comparable(samples(exporter.metrics())) == _expected(shape)
        assert not replay.unexpected


def test_prometheus_has_the_table(run_exporter: StartExporter, run_prometheus: StartPrometheus) -> None:
    """The same, as the real Prometheus has it after two scrapes."""
    shape = SHAPES[0]
    with stub_switch(Switch(shape).answer) as replay:
        exporter = run_exporter(_configuration(replay.url))
        prometheus = run_prometheus(exporter)
        _wait_until_all_was_told(exporter, shape)
        at = prometheus.after_two_scrapes(time.time())
        expected = {
            (name, frozenset(label for label in labels if label[1])): value
            for (name, labels), value in _expected(shape).items()
        }
        assert _comparable(prometheus.series('{__name__=~"softswitch_.*"}', at)) == expected


def test_no_figure_stands_for_another() -> None:
    """All figures of the table differ, the sums over nodes and what else could be mistaken included."""
    counted = [*FIGURES.peers.values(), *FIGURES.channels.values()]
    sums = [
        sum(figures[tenant, node] for node in NODES)
        for figures in (FIGURES.peers, FIGURES.channels)
        for tenant in ("", *TENANTS)
    ]
    figures = [count for count in counted if count] + sums
    figures += [*FIGURES.calls.values(), *FIGURES.limits.values(), FIGURES.license]
    assert len({*figures, *FIGURES.balance.values()}) == len(figures) + len(FIGURES.balance)
