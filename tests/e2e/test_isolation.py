"""Hanging tenants and a switch that is down do not affect healthy targets."""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.config import SwitchConfiguration
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.world import Size, World
from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import EPOCH, Scrape, fast_exporter
from tests.e2e.full_configuration import configuration
from tests.e2e.programs import Series, print_result, samples, wait_until

Configured = Callable[..., SwitchConfiguration]

TENANTS = 50
DURATION = 20 * 60.0
"""Seconds: ten intervals of most tenant queries."""

HANGING = frozenset({"BOREAL", "FJORD", "JUNIPER9", "NIMBUS", "T0010", "T0030"})

LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
INTERVAL = "softswitch_query_interval_seconds"

# Absent at times in normal operation: a failure ends, and a tenant's calls leave a node.
_TRANSIENT = {"softswitch_query_failure", "softswitch_tenant_node_channels", "softswitch_tenant_node_peers"}


def _enabled() -> list[str]:
    return [
        tenant.code for tenant in World(Size(tenants=TENANTS, extensions=4)).tenants() if not tenant.disabled
    ]


@dataclass
class _Observations:
    """What scrapes showed about healthy targets. Ages are in intervals of the query."""

    lost: set[Series] = field(default_factory=set)
    oldest: dict[tuple[str, str], float] = field(default_factory=dict)
    succeeded: set[tuple[str, str]] = field(default_factory=set)
    _known: set[Series] = field(default_factory=set)

    def add(self, scrape: Scrape) -> None:
        """Add a scrape."""
        found = scrape.series
        healthy = {series for series in found if _is_healthy(series)}
        self.lost |= self._known - healthy
        self._known |= healthy
        for (name, labels), value in found.items():
            of = dict(labels)
            if name == LAST_SUCCESS and of["tenant"] not in HANGING:
                age = (EPOCH + scrape.at - value) / found[INTERVAL, labels - {("tenant", of["tenant"])}]
                query = of["query"], of["scope"]
                self.oldest[query] = max(self.oldest.get(query, 0.0), age)
                self.succeeded.add((of["query"], of["tenant"]))


def _is_healthy(series: Series) -> bool:
    name, labels = series
    if not name.startswith("softswitch_") or name in _TRANSIENT:
        return False
    return dict(labels).get("tenant") not in HANGING


def test_hanging_tenants_do_not_delay_others(configured: Configured) -> None:
    """With 25 s for COUNTPEERS and 6 of 50 tenants hanging, healthy values are at most 2 intervals old."""

    def configure(url: str) -> SwitchConfiguration:
        tenants = [{"code": code} for code in _enabled()]
        defaults = {"extensions": ["100", "101"]}
        return configured(url=url, key="demo-admin", tenant_defaults=defaults, tenants=tenants)

    async def scenario() -> list[Scrape]:
        async with fast_exporter(configure, tenants=TENANTS, options=Options(peers_delay=25.0)) as exporter:
            start = exporter.now
            with exporter.fault(*(Fault(FaultKind.HANG, tenant=code) for code in HANGING)):
                while exporter.now < start + DURATION:
                    await exporter.advance(11)  # divides no interval, so that all ages are seen
                    exporter.scrape()
            return exporter.scrapes

    seen = _Observations()
    scrapes = run(scenario())
    for scrape in scrapes:
        seen.add(scrape)

    for (query, scope), age in sorted(seen.oldest.items()):
        print_result(f"{query} ({scope}): at most {age:.2f} intervals old")
    assert len(scrapes) >= DURATION // 11
    assert not seen.lost
    assert max(seen.oldest.values()) <= 2
    healthy = set(_enabled()) - HANGING
    assert len(healthy) == TENANTS - len(HANGING)
    assert seen.succeeded == {
        *((query, "") for query in ("peers", "channels", "calls", "license")),
        *((query, code) for query in ("channels", "calls", "balance", "registrations") for code in healthy),
    }


def test_simultaneous_queries_of_a_tenant_are_all_sent(configured: Configured) -> None:
    """Each waits for the previous one and for the rate limit; none is skipped."""

    async def scenario() -> tuple[set[str], float | None]:
        async with fast_exporter(
            lambda url: configured(url=url, key="demo-admin", timeout="1s", tenants=[{"code": "ACME"}]),
            tenants=3,
        ) as exporter:
            await exporter.advance(5)
            sent = {
                entry.parameters["reqtype"]
                for entry in exporter.requests()
                if entry.parameters.get("tenant") == "ACME"
            }
            labels = {"query": "balance", "scope": "tenant", "reason": "in_flight"}
            return sent, exporter.value("softswitch_targets_skipped_total", **labels)

    sent, skipped = run(scenario())

    assert sent == {"COUNTCHANNELS", "COUNTCALLS", "INFO"}
    assert skipped == 0


def _switch(name: str, url: str) -> dict[str, object]:
    return {
        "name": name,
        "url": url,
        "key": "demo-admin",
        "timeout": "600ms",
        "max_requests_per_second": 50,
        "queries": {
            "peers": {"interval": "1s"},
            "channels": {"interval": "500ms", "tenant_interval": "1s"},
            "calls": {"interval": "500ms", "tenant_interval": "1s"},
            "license": {"interval": "2s"},
            "balance": {"tenant_interval": "500ms"},
        },
        "tenants": [{"code": "ACME"}, {"code": "FJORD"}],
    }


def test_a_hanging_switch_does_not_affect_another_and_recovers(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """Its values become stale and softswitch_up is 0 until it responds again; the other is still polled."""
    healthy, broken = run_simulator("--speed=3600"), run_simulator("--speed=3600")
    exporter = run_exporter(configuration(_switch("healthy", healthy.url), _switch("broken", broken.url)))

    def up(switch: str) -> float | None:
        return exporter.value("softswitch_up", switch=switch)

    def calls(switch: str) -> float | None:
        return exporter.value("softswitch_calls", switch=switch)

    def balance(switch: str) -> float | None:
        return exporter.value("softswitch_tenant_balance", switch=switch, tenant="ACME")

    def wait_for_change(switch: str) -> None:
        before = balance(switch)
        assert before is not None
        wait_until(lambda: balance(switch) != before, 5, "a new value")

    wait_until(lambda: balance("healthy") and balance("broken") and calls("broken"), 15, "both switches")
    assert up("healthy") == up("broken") == 1

    broken.inject_fault(kind="hang")

    wait_until(lambda: up("broken") == 0, 10, "the switch to be down")
    wait_until(lambda: calls("broken") is None, 10, "its values to be stale")
    for _ in range(3):
        wait_for_change("healthy")
    assert (up("healthy"), up("broken")) == (1, 0)
    failures = [
        dict(labels) for name, labels in samples(exporter.metrics()) if name.endswith("_query_failure")
    ]
    assert "timeout" in {labels["reason"] for labels in failures}
    assert {labels["switch"] for labels in failures} == {"broken"}

    broken.clear_faults()

    wait_until(lambda: up("broken") == 1, 20, "the switch to be up")
    wait_until(lambda: calls("broken"), 20, "its values")
