"""Registrations of a whole installation, from lists: right, in time, within the budget of series."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import (
    Exporter,
    Series,
    Simulator,
    get,
    get_json,
    print_result,
    samples,
    send,
    wait_until,
)

OFF = {"interval": "off", "tenant_interval": "off"}
MANY = 1000
REGISTERED = "softswitch_extension_registered"
WATCHED = {"ACME": ["100", "101"], "FJORD": ["107"]}


def _switch(simulator: Simulator, source: str, interval: str, **more: Any) -> dict[str, Any]:
    """Return a switch whose tenants, and all of their extensions, are discovered."""
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
        "url": simulator.url,
        "key": "demo-admin",
        "discover_tenants": {"enabled": True},
        "tenant_defaults": {"extensions": "all"},
        "queries": queries,
        **more,
    }


def _of(found: dict[Series, float], name: str) -> dict[tuple[str, ...], float]:
    """Return the series of one family by the values of their labels, without the switch."""
    return {
        tuple(text for label, text in sorted(labels) if label != "switch"): value
        for (family, labels), value in found.items()
        if family == name
    }


def _assert_right(found: dict[Series, float], simulator: Simulator, codes: list[str]) -> None:
    """Compare the registrations of these tenants with those of the simulated phones."""
    truth = simulator.truth()["tenants"]
    expected = {
        (number, code): float(there) for code in codes for number, there in truth[code]["extensions"].items()
    }
    chosen = set(codes)
    assert {key: value for key, value in _of(found, REGISTERED).items() if key[1] in chosen} == expected
    counts = _of(found, "softswitch_tenant_extensions")
    for code in codes:
        there = sum(truth[code]["extensions"].values())
        assert counts["registered", code] == there
        assert counts["unregistered", code] == len(truth[code]["extensions"]) - there
        assert counts["unknown", code] == 0


@dataclass
class _Pings:
    """How long `/-/healthy` took, in seconds, one answer after the other."""

    took: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def of(self, exporter: Exporter) -> Iterator[None]:
        """Ask every 50 ms for as long as the context is open."""
        end = threading.Event()

        def ask() -> None:
            while not end.wait(0.05):
                started = time.monotonic()
                get(f"{exporter.base_url}/-/healthy")
                self.took.append(time.monotonic() - started)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def _cpu_seconds(exporter: Exporter) -> float:
    return exporter.value("process_cpu_seconds_total") or 0.0


def _requests(simulator: Simulator, operation: str) -> int:
    log = get_json(f"{simulator.base_url}/simulator/requests?limit=1")
    count: int = log["counts"]["by_operation"].get(operation, 0)
    return count


def _times(simulator: Simulator, **parameters: str) -> dict[str, list[float]]:
    """Return when each tenant was asked, in the requests that have these parameters."""
    times: dict[str, list[float]] = {}
    for request in simulator.requests()["requests"]:
        if parameters.items() <= request["parameters"].items():
            times.setdefault(request["parameters"].get("tenant", ""), []).append(request["time"])
    return times


def _gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.timeout(180)
def test_one_list_of_all_peers(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """50,000 phones from one request of 10 MB an interval: all right, while the pages stay quick."""
    simulator = run_simulator(f"--tenants={MANY}", "--extensions=50", "--nodes=50")
    simulator.change_world(freeze=True)
    # At the default rate the lists of extensions, which tell whom to look for, would take two minutes.
    switch = _switch(simulator, "peers", "10s", max_requests_per_second=1000)
    exporter = run_exporter(configuration(switch))
    joined, reading = _Pings(), _Pings()

    def all_known() -> bool:
        return exporter.metrics().count(f"\n{REGISTERED}{{") == MANY * 50

    with joined.of(exporter):
        wait_until(lambda: _requests(simulator, "INFO extensions") >= MANY, 60, "the lists of extensions")
    started = time.monotonic()
    wait_until(all_known, 30, "the registrations of all")
    known_after = time.monotonic() - started
    cpu = _cpu_seconds(exporter)
    with reading.of(exporter):
        time.sleep(12)  # one interval and more
    cpu = _cpu_seconds(exporter) - cpu

    found = samples(exporter.metrics())
    codes = sorted({code for _, code in _of(found, REGISTERED)})
    _assert_right(found, simulator, codes[::3])
    print_result(f"all known {known_after:.1f} s after the lists of extensions; a list of peers cost")
    print_result(f"{cpu:.1f} s of CPU at most; resident: {found[_RESIDENT] / 1e6:.0f} MB")
    print_result(f"worst /-/healthy: {max(joined.took):.3f} s at first, then {max(reading.took):.3f} s")
    gaps = _gaps(_times(simulator, reqtype="CHANSIPPEERS")[""])
    # One is out of turn: as soon as it is known whom to look for.
    assert sum(not 8 < gap < 12 for gap in gaps) <= 2, gaps
    assert max(gaps) < 12
    assert max(joined.took) < 3
    assert max(reading.took) < 1


_RESIDENT: Series = ("process_resident_memory_bytes", frozenset())


def test_a_list_of_each_tenant(run_simulator: StartSimulator, run_exporter: StartExporter) -> None:
    """At the rate that 5,000 tenants need for five minutes, 200 are in time for twelve seconds."""
    simulator = run_simulator("--tenants=200", "--extensions=50", "--nodes=50")
    simulator.change_world(freeze=True)
    interval = 12.0
    switch = _switch(simulator, "extensions", "12s", max_requests_per_second=17.7)
    started = time.monotonic()
    exporter = run_exporter(configuration(switch))

    wait_until(lambda: _requests(simulator, "INFO extensions") >= 440, 60, "two sweeps")
    seconds = time.monotonic() - started
    found = samples(exporter.metrics())
    codes = sorted({code for _, code in _of(found, REGISTERED)})

    times = _times(simulator, info="extensions")
    gaps = [gap for of_tenant in times.values() for gap in _gaps(of_tenant)]
    print_result(f"{440 / seconds:.1f} lists a second; longest gap {max(gaps):.1f} s of {interval:g} s")
    print_result(f"CPU {_cpu_seconds(exporter) / seconds:.0%}, resident {found[_RESIDENT] / 1e6:.0f} MB")
    assert len(codes) == 200
    _assert_right(found, simulator, codes)
    assert max(gaps) < interval * 1.25


def _held(found: dict[Series, float]) -> int:
    """Count the series of the switch, without those that the exporter counts and measures itself."""
    own = ("_total", "_bucket", "_sum", "_count")
    return sum(
        1
        for name, labels in found
        if ("switch", "pbx") in labels and not name.endswith(own) and name != "softswitch_breaker_open"
    )


def _text(simulator: Simulator, most: int) -> str:
    return configuration(
        _switch(
            simulator,
            "extensions",
            "3s",
            max_requests_per_second=1000,
            max_series=most,
            tenants=[{"code": code, "watch": watch} for code, watch in WATCHED.items()],
            queries={"channels": {"interval": "off", "tenant_interval": "3s"}},
        )
    )


@dataclass
class _Budget:
    """An exporter whose ``max_series`` is changed by reload."""

    simulator: Simulator
    exporter: Exporter
    file: Path
    most: int

    def allow(self, most: int) -> None:
        """Reload with another budget."""
        self.most = most
        self.file.write_text(_text(self.simulator, most))
        send(f"{self.exporter.base_url}/-/reload", None)

    def look(self) -> dict[Series, float]:
        """Scrape, and hold what every scrape must keep to."""
        found = samples(self.exporter.metrics())
        series = found["softswitch_series", frozenset({("switch", "pbx")})]
        assert series == _held(found)
        assert series <= self.most
        watched = {(number, code) for code, numbers in WATCHED.items() for number in numbers}
        assert watched <= _of(found, REGISTERED).keys()
        return found

    def shown(self) -> tuple[bool, bool, bool, float]:
        """Tell what is there: phones nobody watches, tenant by node, tenants' figures; and the flag."""
        found = self.look()
        return (
            len(_of(found, REGISTERED)) > 3,
            bool(_of(found, "softswitch_tenant_node_channels")),
            bool(_of(found, "softswitch_tenant_channels")),
            found["softswitch_series_limited", frozenset({("switch", "pbx")})],
        )


def test_detail_goes_first_and_comes_back(
    run_simulator: StartSimulator, run_exporter: StartExporter, tmp_path: Path
) -> None:
    """Phones nobody watches go first, then tenant by node, then tenants' figures; watched ones never."""
    simulator = run_simulator("--tenants=100", "--extensions=20", "--nodes=8")
    simulator.change_world(freeze=True)
    exporter = run_exporter(_text(simulator, 500_000), "--web.enable-lifecycle")
    budget = _Budget(simulator, exporter, tmp_path / "config-1.yaml", 500_000)

    def whole() -> bool:
        found = samples(budget.exporter.metrics())
        return len(_of(found, REGISTERED)) == 2000 and len(_of(found, "softswitch_tenant_channels")) == 100

    wait_until(whole, 30, "everything to be known")
    wanted = _held(budget.look())
    nodes = len(_of(budget.look(), "softswitch_tenant_node_channels"))
    assert budget.shown() == (True, True, True, 0)
    assert nodes > 50

    budget.allow(wanted - 1)
    assert budget.shown() == (False, True, True, 1)
    budget.allow(wanted - 1997 - 1)
    assert budget.shown() == (False, False, True, 1)
    budget.allow(wanted - 1997 - nodes - 1)
    assert budget.shown() == (False, False, False, 1)
    _assert_stays(budget, (False, False, False, 1.0), seconds=12)
    simulator.change_world(tenants={"ACME": {"dropped": 1}})
    wait_until(lambda: _of(budget.look(), REGISTERED)["100", "ACME"] == 0, 10, "the watched phone to be seen")

    budget.allow(wanted * 2)
    wait_until(lambda: budget.shown() == (True, True, True, 0), 15, "everything to come back")
    wait_until(whole, 15, "all of it")


def _assert_stays(budget: _Budget, shown: tuple[bool, bool, bool, float], seconds: float) -> None:
    """Look again and again, for longer than a value is kept without an answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert budget.shown() == shown
        time.sleep(0.2)
