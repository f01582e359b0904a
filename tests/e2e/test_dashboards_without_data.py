"""No panel says that all is well when rules or data are missing, on real Prometheus servers."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from exporter.metrics import catalogue
from grafana.preview.prometheus import Source, everything
from tests.dashboard_claims import reassures, shown
from tests.dashboard_files import DASHBOARDS, Panel, panels
from tests.dashboard_mistakes import CARELESS, made
from tests.e2e.full_configuration import configuration, queries, switch, wait_until_healthy
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    free_port,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.scaled_rules import scaled_expression, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

_FACTOR = 120
_SECONDS = 60
_OF_RULES = re.compile(r"\b\w+:\w+:\w+|\bALERTS")

_CLEAR = {
    ("softswitch-overview", "Firing alerts"),
    ("softswitch-overview", "Alerts"),
    ("softswitch-overview", "Switches"),
    ("softswitch-overview", "Trunks"),
    ("softswitch-overview", "State of each trunk"),
    ("softswitch-overview", "Balance runs out first"),
    ("softswitch-overview", "Balance below its threshold"),
    ("softswitch-overview", "Registrations lost"),
    ("softswitch-tenants", "Tenants"),
    ("softswitch-tenants", "All tenants"),
    ("softswitch-tenant", "Balance"),
    ("softswitch-tenant", "Firing alerts"),
    ("softswitch-tenant", "Query status"),
    ("softswitch-nodes", "Missing nodes"),
    ("softswitch-nodes", "Nodes"),
    ("softswitch-nodes", "Presence"),
    ("softswitch-exporter", "Exporters"),
    ("softswitch-exporter", "Polled switches"),
    ("softswitch-exporter", "Current failures by reason"),
    ("softswitch-exporter", "Circuit breaker"),
}
"""Panels that say that all is well while it is."""


@dataclass(frozen=True)
class _Stack:
    """Two exporters with one switch each, and Prometheus servers that scrape both, none, or one of a pair."""

    simulators: dict[str, Simulator]
    exporters: dict[str, Exporter]
    with_rules: Prometheus
    without_rules: Prometheus
    without_exporter: Prometheus
    without_both: Prometheus
    of_a_pair: Prometheus


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[_Stack]:
    """Start everything and wait until no switch has a problem."""
    executable = require_program("prometheus", "prometheus")
    directory = tmp_path_factory.mktemp("without-data")
    with running_programs(directory) as run:
        simulators = {name: _simulator(run, seed) for name, seed in (("north", 7), ("south", 11))}
        exporters = {
            name: start_exporter(run, directory / f"{name}.yaml", _configuration(name, simulator))
            for name, simulator in simulators.items()
        }
        rules = [write_scaled_rules(file, directory, _FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
        both = [exporter.base_url.removeprefix("http://") for exporter in exporters.values()]
        nobody = f"127.0.0.1:{free_port()}"

        def prometheus(name: str, targets: list[str], rules: list[Path]) -> Prometheus:
            (directory / name).mkdir()
            scrape = {"static_configs": [{"targets": targets}]}
            of_north = exporters["north"]
            return start_prometheus(run, executable, directory / name, of_north, rules=rules, scrape=scrape)

        started = _Stack(
            simulators,
            exporters,
            prometheus("with-rules", both, rules),
            prometheus("without-rules", both, []),
            prometheus("without-exporter", [nobody], rules),
            prometheus("without-both", [], []),
            prometheus("of-a-pair", [both[0], nobody], rules),
        )
        for exporter in exporters.values():
            wait_until_healthy(exporter)
        wait_until(
            lambda: _reassuring(started.with_rules) >= _CLEAR, 60, lambda: _lacking(started.with_rules)
        )
        yield started


def _simulator(run: Start, seed: int) -> Simulator:
    return start_simulator(run, "--tenants=5", "--nodes=3", f"--seed={seed}", "--option=trunks_as_peers=yes")


def _configuration(name: str, simulator: Simulator) -> str:
    tenant = {
        "code": "ACME",
        "labels": {"team": "noc"},
        "extensions": ["100", "101"],
        "thresholds": {
            "balance": {"warning": -1000, "critical": -2000},
            "registered_ratio": {"warning": 0.02, "critical": 0.01},
        },
    }
    often = queries() | {"trunks": {"interval": "1s"}}
    return configuration(switch(name, simulator.url, queries=often, stale_after=5, tenants=[tenant]))


def _source(prometheus: Prometheus, uid: str, switch: str = "south") -> Source:
    """Return the source of a dashboard of everything, or of the tenant of a switch."""
    chosen = everything(DASHBOARDS[uid])
    if uid == "softswitch-tenant":
        chosen |= {"switch": switch, "tenant": "ACME"}
    scaled = partial(scaled_expression, factor=_FACTOR)
    return Source(prometheus.base_url, chosen, time.time(), _SECONDS, "5s", scaled)


def _every_panel() -> Iterator[tuple[str, Panel]]:
    for uid, dashboard in DASHBOARDS.items():
        yield from ((uid, panel) for panel in panels(dashboard))


def _reassuring(prometheus: Prometheus, switch: str = "south") -> set[tuple[str, str]]:
    """Return the panels that say that all is well."""
    return {
        (uid, panel["title"])
        for uid, panel in _every_panel()
        if reassures(panel, _source(prometheus, uid, switch))
    }


def _lacking(prometheus: Prometheus) -> str:
    """Return what the panels show that should say that all is well and do not."""
    lacking = _CLEAR - _reassuring(prometheus)
    found = {
        (uid, panel["title"]): [
            f"{one.text} ({one.colour})" for one in shown(panel, _source(prometheus, uid))
        ]
        for uid, panel in _every_panel()
        if (uid, panel["title"]) in lacking
    }
    return f"the panels to say that all is well: {found}"


def _texts(prometheus: Prometheus, uid: str, title: str) -> set[str]:
    (panel,) = (panel for panel in panels(DASHBOARDS[uid]) if panel["title"] == title)
    return {one.text for one in shown(panel, _source(prometheus, uid))}


def test_panels_say_when_all_is_well(stack: _Stack) -> None:
    """The tests below can fail: with rules and data, these panels do say so."""
    wait_until(lambda: _reassuring(stack.with_rules) >= _CLEAR, 60, lambda: _lacking(stack.with_rules))


def test_without_rules(stack: _Stack) -> None:
    """No panel that needs the rules says that all is well. The first row says that there are none."""
    needing = {
        (uid, panel["title"])
        for uid, panel in _every_panel()
        if any(_OF_RULES.search(target["expr"]) for target in panel["targets"])
    }
    assert _reassuring(stack.without_rules) & needing == set()

    def said() -> bool:
        # Not at once: on a busy machine, scrapes fail.
        first = [
            _texts(stack.without_rules, "softswitch-overview", title) for title in ("Firing alerts", "Alerts")
        ]
        tenants = _texts(stack.without_rules, "softswitch-tenants", "All tenants")
        return first == [{"NO RULES"}, {"NO RULES"}] and "NO RULES" in tenants

    wait_until(said, 60, "the panels to say that there are no rules")


@pytest.mark.parametrize("name", ["without_exporter", "without_both"])
def test_without_an_exporter(stack: _Stack, name: str) -> None:
    """No panel of any dashboard says that all is well. The first row says that there is no data."""
    prometheus: Prometheus = getattr(stack, name)
    if name == "without_exporter":
        fires = 'ALERTS{alertname="SoftswitchExporterDown",alertstate="firing"}'
        wait_until(lambda: prometheus.series(fires, time.time()), 60, "the alert on the exporter")
        assert "1" in _texts(prometheus, "softswitch-overview", "Firing alerts")
    else:
        assert _texts(prometheus, "softswitch-overview", "Firing alerts") == {"NO DATA"}
        assert _texts(prometheus, "softswitch-overview", "Alerts") == {"NO DATA"}
    assert _reassuring(prometheus) == set()
    assert _texts(prometheus, "softswitch-overview", "Switches") == {"NO DATA"}


def test_a_careless_panel_is_found(stack: _Stack) -> None:
    """The tests above can fail: a panel that counts nothing as zero says that all is well."""
    (panel,) = (panel for panel in panels(made(CARELESS)) if panel["title"] == "Firing alerts")
    assert reassures(panel, _source(stack.without_both, CARELESS.uid))


def test_one_exporter_of_a_pair_is_down(stack: _Stack) -> None:
    """The values are known, but the first row of the overview does not say that all is well."""
    reassuring = _reassuring(stack.of_a_pair, "north")
    first = {("softswitch-overview", title) for title in ("Firing alerts", "Alerts")}
    assert reassuring & {*first, ("softswitch-exporter", "Exporters")} == set()
    assert "DOWN" in _texts(stack.of_a_pair, "softswitch-exporter", "Exporters")


def test_one_exporter_of_two_is_down(stack: _Stack) -> None:
    """While its API is down, and then without its exporter, a switch is not covered up by the other one."""
    stack.simulators["south"].inject_fault(kind="reset")
    down = f'{catalogue.UP.name}{{switch="south"}} == 0 unless on () {catalogue.CALLS.name}{{switch="south"}}'
    wait_until(lambda: stack.with_rules.series(down, time.time()), 60, "the API to be down")
    _wait_until_reassuring(stack.with_rules, {("softswitch-exporter", "Exporters")})
    stack.exporters["south"].program.stop()
    lost = 'count(up == 0) unless on () softswitch_up{switch="south"}'
    for prometheus in (stack.with_rules, stack.without_rules):
        wait_until(lambda: prometheus.series(lost, time.time()), 60, "a scrape to fail")  # noqa: B023 (called here)
        _wait_until_reassuring(prometheus, set())
        assert "NO DATA" in _texts(prometheus, "softswitch-overview", "Switches")
    fires = 'ALERTS{alertname="SoftswitchMonitoringLost",switch="south",alertstate="firing"}'
    wait_until(lambda: stack.with_rules.series(fires, time.time()), 60, "the alert on the lost switch")
    assert _reassuring(stack.with_rules) == set()


def _wait_until_reassuring(prometheus: Prometheus, allowed: set[tuple[str, str]]) -> None:
    """Wait until no other panel says that all is well: a busy machine evaluates rules later."""
    wait_until(lambda: _reassuring(prometheus) <= allowed, 60, lambda: str(_reassuring(prometheus) - allowed))
