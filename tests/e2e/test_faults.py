"""Tenants that hang for ever, and a switch that is down: what is healthy goes on as if nothing were."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.e2e.conftest import StartExporter, StartSimulator
from tests.e2e.programs import Exporter, Series, Simulator, samples, tell, wait_until

FACTOR = 30
"""All durations of the scenario with 50 tenants are this much shorter, and its rates this much higher."""

TENANTS = 50
TENANT_INTERVAL = 120 / FACTOR
INTERVALS_WATCHED = 10
HANGING = frozenset({"BOREAL", "FJORD", "JUNIPER9", "NIMBUS", "T0010", "T0030"})

LAST_SUCCESS = "softswitch_query_last_success_timestamp_seconds"
INTERVAL = "softswitch_query_interval_seconds"

_BALANCE = {"switch": "pbx", "query": "balance", "scope": "tenant"}

# Not there all the time by their meaning: a failure ends, and a tenant's calls leave a node.
_PASSING = {"softswitch_query_failure", "softswitch_tenant_node_channels", "softswitch_tenant_node_peers"}


def _scaled(seconds: int) -> str:
    return f"{seconds * 1000 // FACTOR}ms"


def _fifty_tenants(simulator: Simulator) -> str:
    tenants = "\n".join(f"      - code: {code}" for code in _enabled(simulator))
    return f"""\
switches:
  - name: pbx
    url: {simulator.url}
    key: demo-admin
    timeout: {_scaled(60)}
    max_requests_per_second: {10 * FACTOR}
    queries:
      peers: {{interval: {_scaled(60)}}}
      channels: {{interval: {_scaled(30)}, tenant_interval: {_scaled(120)}}}
      calls: {{interval: {_scaled(30)}, tenant_interval: {_scaled(120)}}}
      license: {{interval: {_scaled(3600)}}}
      balance: {{tenant_interval: {_scaled(300)}}}
      registrations: {{tenant_interval: {_scaled(300)}}}
    tenant_defaults: {{extensions: ["100", "101"]}}
    tenants:
{tenants}
"""


def _enabled(simulator: Simulator) -> list[str]:
    return [code for code, tenant in simulator.truth()["tenants"].items() if not tenant["disabled"]]


@dataclass
class _Watch:
    """What scrapes showed of all that is healthy. Ages are in intervals of the query."""

    slowest: float = 0.0
    scrapes: int = 0
    lost: set[Series] = field(default_factory=set)
    oldest: dict[tuple[str, str], float] = field(default_factory=dict)
    succeeded: set[tuple[str, str]] = field(default_factory=set)
    _known: set[Series] = field(default_factory=set)

    def look(self, exporter: Exporter) -> None:
        """Scrape once. Raises where the page cannot be parsed."""
        started = time.monotonic()
        page = exporter.metrics()
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.scrapes += 1
        wall = time.time()
        found = samples(page)
        healthy = {series for series in found if _is_healthy(series)}
        self.lost |= self._known - healthy
        self._known |= healthy
        for (name, labels), value in found.items():
            of = dict(labels)
            if name == LAST_SUCCESS and of["tenant"] not in HANGING:
                age = (wall - value) / found[INTERVAL, labels - {("tenant", of["tenant"])}]
                query = of["query"], of["scope"]
                self.oldest[query] = max(self.oldest.get(query, 0.0), age)
                self.succeeded.add((of["query"], of["tenant"]))


def _is_healthy(series: Series) -> bool:
    name, labels = series
    if not name.startswith("softswitch_") or name in _PASSING:
        return False
    return dict(labels).get("tenant") not in HANGING


def test_tenants_that_hang_for_ever_cost_the_others_nothing(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """COUNTPEERS takes 25 s and six of 50 tenants hang: nothing healthy goes, or ages above 2 intervals."""
    simulator = run_simulator(f"--tenants={TENANTS}", f"--peers-delay={25 / FACTOR}", "--extensions=4")
    for code in HANGING:
        simulator.fault(kind="hang", tenant=code)
    exporter = run_exporter(_fifty_tenants(simulator))
    watch = _Watch()

    end = time.monotonic() + INTERVALS_WATCHED * TENANT_INTERVAL
    while time.monotonic() < end:
        watch.look(exporter)
        time.sleep(0.3)

    tell(f"{watch.scrapes} scrapes, of which the slowest took {watch.slowest:.3f} s")
    for (query, scope), age in sorted(watch.oldest.items()):
        tell(f"{query} of a {scope} was never older than {age:.2f} intervals")
    assert watch.slowest < 1
    assert not watch.lost
    assert max(watch.oldest.values()) <= 2
    healthy = set(_enabled(simulator)) - HANGING
    assert len(healthy) == TENANTS - len(HANGING)
    assert watch.succeeded == {
        *((query, "") for query in ("peers", "channels", "calls", "license")),
        *((query, code) for query in ("channels", "calls", "balance", "registrations") for code in healthy),
    }


def _quick(urls: dict[str, str]) -> str:
    return "switches:\n" + "".join(
        f"""\
  - name: {name}
    url: {url}
    key: demo-admin
    timeout: 600ms
    max_requests_per_second: 50
    queries:
      peers: {{interval: 1s}}
      channels: {{interval: 500ms, tenant_interval: 1s}}
      calls: {{interval: 500ms, tenant_interval: 1s}}
      license: {{interval: 2s}}
      balance: {{tenant_interval: 500ms}}
    tenants:
      - code: ACME
      - code: FJORD
"""
        for name, url in urls.items()
    )


def test_one_tenant_that_hangs_is_told_apart_and_comes_back(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """It fails with reason timeout, alone, and when it answers again its values return."""
    simulator = run_simulator("--tenants=6")
    simulator.fault(kind="hang", tenant="FJORD")
    exporter = run_exporter(_quick({"pbx": simulator.url}))
    failure = {**_BALANCE, "tenant": "FJORD", "reason": "timeout"}

    def balance(tenant: str) -> float | None:
        return exporter.value("softswitch_tenant_balance", switch="pbx", tenant=tenant)

    wait_until(lambda: exporter.value("softswitch_query_failure", **failure), 10, "the timeout")
    wait_until(lambda: balance("ACME") is not None, 5, "the healthy tenant")
    assert balance("FJORD") is None

    simulator.no_faults()

    wait_until(lambda: balance("FJORD") is not None, 20, "the values of the tenant that hung")
    assert exporter.value("softswitch_query_failure", **failure) is None


def test_queries_of_one_tenant_that_come_together_are_all_asked(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """Each waits for the one before it and for the rate, and none of them is given up for that."""
    simulator = run_simulator("--tenants=3")
    access = f"name: pbx, url: '{simulator.url}', key: demo-admin"
    exporter = run_exporter(f"switches: [{{{access}, timeout: 1s, tenants: [{{code: ACME}}]}}]")

    wait_until(
        lambda: exporter.value("softswitch_query_success", **_BALANCE, tenant="ACME"), 5, "its balance"
    )
    skipped = exporter.value("softswitch_targets_skipped_total", **_BALANCE, reason="in_flight")
    assert skipped == 0


def _refuse_connections(simulator: Simulator) -> None:
    assert simulator.program.stop(signal.SIGTERM) == 0


def _hang(simulator: Simulator) -> None:
    simulator.fault(kind="hang")


@pytest.mark.parametrize(
    ("take_down", "reason"), [(_refuse_connections, "connect"), (_hang, "timeout")], ids=["refuses", "hangs"]
)
def test_a_switch_that_is_down_leaves_the_other_one_alone(
    take_down: Callable[[Simulator], None],
    reason: str,
    run_simulator: StartSimulator,
    run_exporter: StartExporter,
) -> None:
    """Its values go and softswitch_up is 0, while those of the other switch go on changing."""
    sound, broken = run_simulator("--speed=3600"), run_simulator("--speed=3600")
    exporter = run_exporter(_quick({"sound": sound.url, "broken": broken.url}))

    def up(switch: str) -> float | None:
        return exporter.value("softswitch_up", switch=switch)

    def calls(switch: str) -> float | None:
        return exporter.value("softswitch_calls", switch=switch)

    def balance(switch: str) -> float | None:
        return exporter.value("softswitch_tenant_balance", switch=switch, tenant="ACME")

    def wait_for_change(switch: str) -> None:
        held = balance(switch)
        assert held is not None
        wait_until(lambda: balance(switch) != held, 5, "another value")

    wait_until(lambda: balance("sound") and balance("broken") and calls("broken"), 15, "both switches")
    assert up("sound") == up("broken") == 1

    take_down(broken)

    wait_until(lambda: up("broken") == 0, 10, "the switch to be down")
    wait_until(lambda: calls("broken") is None, 10, "its values to be stale")
    for _ in range(3):
        wait_for_change("sound")
    assert (up("sound"), up("broken")) == (1, 0)
    page = samples(exporter.metrics())
    reasons = {
        (dict(labels)["switch"], dict(labels)["reason"])
        for name, labels in page
        if name == "softswitch_query_failure"
    }
    assert ("broken", reason) in reasons
    assert "sound" not in {switch for switch, _ in reasons}


def test_a_switch_that_was_down_comes_back(
    run_simulator: StartSimulator, run_exporter: StartExporter
) -> None:
    """Once it answers again it is up and its values are served, without anybody doing anything."""
    simulator = run_simulator("--speed=3600")
    simulator.fault(kind="hang")
    exporter = run_exporter(_quick({"pbx": simulator.url}))
    wait_until(lambda: exporter.value("softswitch_up", switch="pbx") == 0, 10, "the switch to be down")

    simulator.no_faults()

    wait_until(lambda: exporter.value("softswitch_up", switch="pbx") == 1, 20, "the switch to be up")
    wait_until(lambda: exporter.value("softswitch_calls", switch="pbx"), 20, "its values")
