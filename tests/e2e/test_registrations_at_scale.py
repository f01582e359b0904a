"""Registrations of thousands of extensions from lists: correct, on schedule, and within ``max_series``."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from exporter.config import SwitchConfiguration
from exporter.simulator.truth import truth
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import FastExporter, fast_exporter
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Exporter, Series, Simulator, get, get_json, print_result, samples, wait_until

Configured = Callable[..., SwitchConfiguration]

OFF = {"interval": "off", "tenant_interval": "off"}
TENANTS = 500
REGISTERED = "softswitch_extension_registered"
WATCHED = {"ACME": ["100", "101"], "FJORD": ["107"]}


def _switch(url: str, source: str, interval: str, **more: Any) -> dict[str, Any]:
    """Return a switch whose tenants and extensions are all discovered."""
    queries = {
        "peers": {"interval": "off"},
        "channels": OFF,
        "calls": OFF,
        "license": {"interval": "1h"},
        "balance": {"tenant_interval": "off"},
        "registrations": {"tenant_interval": interval, "source": source},
        **more.pop("queries", {}),
    }
    return {
        "name": "pbx",
        "url": url,
        "key": "demo-admin",
        "discover_tenants": {"enabled": True},
        "tenant_defaults": {"extensions": "all"},
        "queries": queries,
        **more,
    }


def _family(series: Mapping[Series, float], name: str) -> dict[tuple[str, ...], float]:
    """Return the series of one family by their label values, without the switch."""
    return {
        tuple(text for label, text in sorted(labels) if label != "switch"): value
        for (family, labels), value in series.items()
        if family == name
    }


def _assert_registrations(series: Mapping[Series, float], tenants: Any, codes: Iterable[str]) -> None:
    """Compare the registrations of some tenants with those of the simulated phones."""
    chosen = set(codes)
    expected = {
        (number, code): float(registered)
        for code in chosen
        for number, registered in tenants[code]["extensions"].items()
    }
    assert {key: value for key, value in _family(series, REGISTERED).items() if key[1] in chosen} == expected
    counts = _family(series, "softswitch_tenant_extensions")
    for code in chosen:
        registered = sum(tenants[code]["extensions"].values())
        assert counts["registered", code] == registered
        assert counts["unregistered", code] == len(tenants[code]["extensions"]) - registered
        assert counts["unknown", code] == 0


@contextlib.contextmanager
def _response_times(exporter: Exporter) -> Iterator[list[float]]:
    """Request `/-/healthy` every 50 ms while the context is open; yield the durations in seconds."""
    durations: list[float] = []
    end = threading.Event()

    def measure() -> None:
        while not end.wait(0.05):
            started = time.monotonic()
            get(f"{exporter.base_url}/-/healthy")
            durations.append(time.monotonic() - started)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield durations
    finally:
        end.set()
        thread.join()


def _requests(simulator: Simulator, operation: str) -> int:
    log = get_json(f"{simulator.base_url}/simulator/requests?limit=1")
    count: int = log["counts"]["by_operation"].get(operation, 0)
    return count


def _gaps(times: Iterable[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.timeout(180)
def test_a_list_of_all_peers_does_not_block_the_web_server(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """25,000 extensions from one request per interval are correct, and `/-/healthy` responds within 1 s."""
    simulator = run_simulator(f"--tenants={TENANTS}", "--extensions=50", "--nodes=50")
    simulator.change_world(freeze=True)
    # At the default rate, the lists of extensions that are needed first would take a minute.
    exporter = run_exporter(
        configuration(_switch(simulator.url, "peers", "10s", max_requests_per_second=1000))
    )

    def all_known() -> bool:
        return exporter.metrics().count(f"\n{REGISTERED}{{") == TENANTS * 50

    with _response_times(exporter) as discovering:
        wait_until(lambda: _requests(simulator, "INFO extensions") >= TENANTS, 60, "the lists of extensions")
    started = time.monotonic()
    wait_until(all_known, 30, "all registrations")
    known_after = time.monotonic() - started
    listed = _requests(simulator, "CHANSIPPEERS")
    with _response_times(exporter) as polling:
        wait_until(lambda: _requests(simulator, "CHANSIPPEERS") > listed, 15, "the next list of peers")
        time.sleep(1)  # it is decoded

    series = samples(exporter.metrics())
    codes = sorted({code for _, code in _family(series, REGISTERED)})
    _assert_registrations(series, simulator.truth()["tenants"], codes[::3])
    print_result(f"all known {known_after:.1f} s after the lists of extensions")
    print_result(f"slowest /-/healthy: {max(discovering):.3f} s at first, then {max(polling):.3f} s")
    times = [
        request["time"]
        for request in simulator.requests()["requests"]
        if request["parameters"]["reqtype"] == "CHANSIPPEERS"
    ]
    # One list is early, when the extensions are known.
    assert sum(not 8 < gap < 12 for gap in _gaps(times)) <= 2, times
    assert max(_gaps(times)) < 12
    assert max(discovering) < 3
    assert max(polling) < 1


def test_lists_of_each_tenant_are_polled_on_schedule(configured: Configured) -> None:
    """At the rate that 5,000 tenants need for five minutes, 200 tenants are polled every 12 seconds."""
    interval = 12.0

    def configure(url: str) -> SwitchConfiguration:
        return configured(**_switch(url, "extensions", "12s", max_requests_per_second=17.7))

    async def scenario() -> list[float]:
        async with fast_exporter(configure, tenants=200, extensions=50, nodes=50) as exporter:
            world = exporter.switch.parts.world
            world.time.freeze()
            await exporter.advance(2.2 * interval)
            series = exporter.scrape().series
            codes = {code for _, code in _family(series, REGISTERED)}
            assert len(codes) == 200
            _assert_registrations(series, truth(world)["tenants"], codes)
            times: dict[str, list[float]] = {}
            for entry in exporter.requests():
                if entry.parameters.get("info") == "extensions":
                    times.setdefault(entry.parameters["tenant"], []).append(entry.time)
            return [gap for of_tenant in times.values() for gap in _gaps(of_tenant)]

    gaps = run(scenario())

    print_result(f"longest gap between two lists of a tenant: {max(gaps):.2f} s")
    assert len(gaps) >= 200
    assert max(gaps) < interval * 1.25


def _count_limited(series: Mapping[Series, float]) -> int:
    """Count the series of the switch that count towards ``max_series``."""
    own = ("_total", "_bucket", "_sum", "_count")
    return sum(
        1
        for name, labels in series
        if ("switch", "pbx") in labels and not name.endswith(own) and name != "softswitch_breaker_open"
    )


def _configure(configured: Configured, url: str, limit: int) -> SwitchConfiguration:
    return configured(
        **_switch(
            url,
            "extensions",
            "3s",
            max_requests_per_second=1000,
            max_series=limit,
            tenants=[{"code": code, "watch": watch} for code, watch in WATCHED.items()],
            queries={"channels": {"interval": "off", "tenant_interval": "3s"}},
        )
    )


def _scrape(exporter: FastExporter, limit: int) -> dict[Series, float]:
    """Scrape, and assert what holds for every scrape."""
    series = exporter.scrape().series
    count = series["softswitch_series", frozenset({("switch", "pbx")})]
    assert count == _count_limited(series) <= limit
    watched = {(number, code) for code, numbers in WATCHED.items() for number in numbers}
    assert watched <= _family(series, REGISTERED).keys()
    return series


def _served(series: Mapping[Series, float]) -> tuple[bool, bool, bool, float]:
    """Return whether unwatched extensions, series per node and per tenant are served, and the flag."""
    return (
        len(_family(series, REGISTERED)) > 3,
        bool(_family(series, "softswitch_tenant_node_channels")),
        bool(_family(series, "softswitch_tenant_channels")),
        series["softswitch_series_limited", frozenset({("switch", "pbx")})],
    )


def test_max_series_drops_the_most_detailed_series_first(configured: Configured) -> None:
    """Unwatched extensions are dropped first, then series per node, then per tenant; watched ones never."""

    async def scenario() -> None:
        async with fast_exporter(
            lambda url: _configure(configured, url, 500_000), tenants=100, extensions=20, nodes=8
        ) as exporter:
            world = exporter.switch.parts.world
            world.time.freeze()
            await exporter.advance(15)
            all_series = _scrape(exporter, 500_000)
            count = _count_limited(all_series)
            per_node = len(_family(all_series, "softswitch_tenant_node_channels"))
            assert len(_family(all_series, REGISTERED)) == 2000
            assert len(_family(all_series, "softswitch_tenant_channels")) == 100
            assert per_node > 50
            assert _served(all_series) == (True, True, True, 0)

            for limit, served in (
                (count - 1, (False, True, True, 1)),
                (count - 1997 - 1, (False, False, True, 1)),
                (count - 1997 - per_node - 1, (False, False, False, 1)),
            ):
                await exporter.reload(_configure(configured, exporter.switch.url, limit))
                assert _served(_scrape(exporter, limit)) == served
            for _ in range(24):  # longer than values stay without a response
                await exporter.advance(0.5)
                assert _served(_scrape(exporter, limit)) == (False, False, False, 1)
            world.overrides.drop_registrations(1, "ACME")
            await exporter.advance(4)
            assert _family(_scrape(exporter, limit), REGISTERED)["100", "ACME"] == 0

            await exporter.reload(_configure(configured, exporter.switch.url, 2 * count))
            world.overrides.drop_registrations(0, "ACME")
            _scrape(exporter, 2 * count)  # a scrape applies the new limit
            await exporter.advance(10)
            series = _scrape(exporter, 2 * count)
            assert _served(series) == (True, True, True, 0)
            assert series.keys() >= {key for key in all_series if ("switch", "pbx") in key[1]}

    run(scenario())
