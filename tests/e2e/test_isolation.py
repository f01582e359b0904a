"""Tenants that hang do not affect others. Switches that do are in test_connection_faults.py."""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.config import SwitchConfiguration
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.options import Options
from exporter.simulator.world import Size, World
from tests.e2e.fast_clock import run
from tests.e2e.fast_fleet import EPOCH, Scrape, fast_exporter
from tests.e2e.programs import Series, print_result

Configured = Callable[..., SwitchConfiguration]

TENANTS = 50
DURATION = 10 * 60.0
"""Seconds: five intervals of most tenant queries."""

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
