"""A switch on which every figure is a prime number of its own, so that no mix-up gives the right value.

The totals that it states are not the sums over its nodes, and what a tenant has is no part of the whole.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.catalogue import METRICS, Kind
from tests.e2e.conftest import StartExporter, StartPrometheus
from tests.e2e.everything import OF_TENANTS, WHOLE, configuration, ready, switch
from tests.e2e.programs import Exporter, Series, samples, wait_until
from tests.e2e.replay import Parameters, replaying

NODES = ("pbx1", "pbx2", "srv03")
TENANTS = ("ACME", "BOREAL", "Ünïted 7", "CINDER")
OWN_KEY = {"BOREAL": "key-of-boreal"}
WORDS = {"100": "Registered", "101": "UNAVAILABLE", "102": "UNKNOWN", "103": "NOT_INUSE"}
STATES = {"100": 1, "101": 0, "103": 1}
"""What the words mean; 102 is unknown."""

IDLE_ON = {("BOREAL", "pbx2")}
"""A tenant and a node that it does not use: the switch says 0, and no series says it."""

_DAY = 86_400


@dataclass(frozen=True)
class Shape:
    """How the switch words its answers."""

    name: str
    json: bool
    channels_by_node: bool = True
    states_totals: bool = True


SHAPES = (
    Shape("json", json=True),
    Shape("plain", json=False),
    Shape("json, bare channels", json=True, channels_by_node=False),
    Shape("plain, bare channels", json=False, channels_by_node=False),
    Shape("json, no totals", json=True, states_totals=False),
    Shape("plain, no totals", json=False, states_totals=False),
)


def _primes(least: int) -> Iterator[int]:
    number = least
    while True:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
        number += 1


@dataclass(frozen=True)
class Figures:
    """The table. The tenant "" is the whole installation, the node "" the total that is stated."""

    peers: dict[tuple[str, str], int] = field(default_factory=dict)
    channels: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    balance: dict[str, float] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    license: int = 0


def _figures() -> Figures:
    primes = _primes(1009)

    def counts() -> dict[tuple[str, str], int]:
        return {
            (tenant, node): 0 if (tenant, node) in IDLE_ON else next(primes)
            for tenant in ("", *TENANTS)
            for node in ("", *NODES)
        }

    return Figures(
        peers=counts(),
        channels=counts(),
        calls={tenant: next(primes) for tenant in ("", *TENANTS)},
        # 1013 becomes 10.13, which is no other figure, whatever it is mistaken for.
        balance={tenant: next(primes) / 100 * (-1) ** place for place, tenant in enumerate(TENANTS)},
        limits={tenant: next(primes) for tenant in TENANTS},
        license=next(primes),
    )


FIGURES = _figures()


@dataclass(frozen=True)
class Switch:
    """Answers requests in one shape."""

    shape: Shape

    def answer(self, parameters: Parameters) -> str | None:
        """Return the body, or None where nobody should have asked that, or not with this key."""
        asked = dict(parameters)
        asked.pop("format", None)
        tenant, node = asked.pop("tenant", ""), asked.pop("nodename", "")
        if asked.pop("key") != OWN_KEY.get(tenant, "demo-admin") or tenant not in ("", *TENANTS):
            return None
        extension = asked.pop("ext", "")
        match asked:
            case {"reqtype": "INFO", "info": "regstate"} if extension in WORDS and tenant:
                return json.dumps(WORDS[extension]) if self.shape.json else WORDS[extension]
            case {"reqtype": "COUNTCHANNELS"} if node in NODES and not tenant:
                return str(FIGURES.channels["", node])
            case _ if extension or node or len(asked) > 1 + ("info" in asked):
                return None
            case {"reqtype": "INFO", "info": info} if tenant:
                return self._info(info, tenant)
            case {"reqtype": reqtype}:
                return self._count(reqtype, tenant)
        return None

    def _count(self, reqtype: str, tenant: str) -> str | None:
        match reqtype:
            case "COUNTPEERS":
                return self._by_node(FIGURES.peers, tenant)
            case "COUNTCHANNELS" if self.shape.channels_by_node:
                return self._by_node(FIGURES.channels, tenant)
            case "COUNTCHANNELS":
                return str(FIGURES.channels[tenant, ""])
            case "COUNTCALLS":
                return str(FIGURES.calls[tenant])
            case "LICENSEDAYS" if not tenant:
                return str(FIGURES.license)
        return None

    def _info(self, info: str, tenant: str) -> str | None:
        if info == "balance":
            return str(FIGURES.balance[tenant])
        if info == "config":
            limit = FIGURES.limits[tenant]
            names = {"maxchannels": limit, "maxextensions": -1, "maxdids": 4}
            return json.dumps(names) if self.shape.json else f"{limit}|-1|4|-1|5|-1|0|"
        return None

    def _by_node(self, figures: Mapping[tuple[str, str], int], tenant: str) -> str:
        entries = {node: figures[tenant, node] for node in NODES}
        if self.shape.states_totals:
            entries["Total"] = figures[tenant, ""]
        return json.dumps(entries) if self.shape.json else "".join(f"{n}:{c}|" for n, c in entries.items())


def _configuration(url: str) -> str:
    off = {"license": "off", "balance": "off", "registered_ratio": "off"}
    tenants: list[dict[str, Any]] = [
        {"code": code, "extensions": list(WORDS), **({"key": OWN_KEY[code]} if code in OWN_KEY else {})}
        for code in TENANTS
    ]
    return configuration(switch("prime", url, thresholds=off, tenants=tenants))


def _expected(shape: Shape) -> dict[Series, float]:
    """Return every series that such a switch gives, but those about requests and times."""
    found: dict[Series, float] = {}

    def add(name: str, value: float, /, **labels: str) -> None:
        found[f"softswitch_{name}", frozenset({"switch": "prime", **labels}.items())] = value

    def whole(figures: Mapping[tuple[str, str], int], tenant: str, *, stated: bool) -> int:
        return figures[tenant, ""] if stated else sum(figures[tenant, node] for node in NODES)

    totals, by_node = shape.states_totals, shape.channels_by_node
    for name, value in {"up": 1, "tenants": len(TENANTS), "series_limited": 0, "breaker_open": 0}.items():
        add(name, value)
    add("peers", whole(FIGURES.peers, "", stated=totals))
    add("channels", whole(FIGURES.channels, "", stated=totals or not by_node))
    add("calls", FIGURES.calls[""])
    add("license_remaining_seconds", FIGURES.license * _DAY)
    for node in NODES:
        add("node_present", 1, node=node)
        add("node_peers", FIGURES.peers["", node], node=node)
        add("node_channels", FIGURES.channels["", node], node=node)
    for tenant in TENANTS:
        add("tenant_info", 1, tenant=tenant, name="")
        add("tenant_peers", whole(FIGURES.peers, tenant, stated=totals), tenant=tenant)
        add("tenant_channels", whole(FIGURES.channels, tenant, stated=totals or not by_node), tenant=tenant)
        add("tenant_calls", FIGURES.calls[tenant], tenant=tenant)
        add("tenant_balance", FIGURES.balance[tenant], tenant=tenant)
        for node in NODES:
            if (tenant, node) not in IDLE_ON:
                add("tenant_node_peers", FIGURES.peers[tenant, node], tenant=tenant, node=node)
                if by_node:
                    add("tenant_node_channels", FIGURES.channels[tenant, node], tenant=tenant, node=node)
        for state, count in {"registered": 2, "unregistered": 1, "unknown": 1}.items():
            add("tenant_extensions", count, tenant=tenant, state=state)
        for extension, registered in STATES.items():
            add("extension_registered", registered, tenant=tenant, extension=extension)
        if shape.json:
            add("tenant_channels_limit", FIGURES.limits[tenant], tenant=tenant)
    for query, scope, tenants in [
        *((query, "switch", [""]) for query in WHOLE),
        *((query, "tenant", TENANTS) for query in OF_TENANTS),
    ]:
        add("query_interval_seconds", 1, query=query, scope=scope)
        for tenant in tenants:
            # The limits without their names, in an order nobody documented, are no answer.
            well = query != "limits" or shape.json
            add("query_success", well, query=query, scope=scope, tenant=tenant)
            if not well:
                add("query_failure", 1, query=query, scope=scope, tenant=tenant, reason="decode")
    add("series", 0)
    return found


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
        return ready(exporter) and scrape.keys() >= expected.keys()

    expected = _expected(shape)
    try:
        wait_until(told, 15, "all series")
    except AssertionError:
        missing = expected.keys() - samples(exporter.metrics()).keys()
        raise AssertionError(f"missing: {sorted(map(str, missing))}") from None


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_series_is_the_one_of_the_table(shape: Shape, run_exporter: StartExporter) -> None:
    """However the switch words its answers, each series has its own prime, and none is missing or more."""
    with replaying(Switch(shape).answer) as replay:
        exporter = run_exporter(_configuration(replay.url))
        _wait_until_all_was_told(exporter, shape)
        assert _comparable(samples(exporter.metrics())) == _expected(shape)
        assert not replay.unexpected


def test_prometheus_has_the_table(run_exporter: StartExporter, run_prometheus: StartPrometheus) -> None:
    """The same, as the real Prometheus has it after two scrapes."""
    shape = SHAPES[0]
    with replaying(Switch(shape).answer) as replay:
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
