"""VictoriaMetrics instead of Prometheus: it scrapes, vmalert evaluates the rules, dashboards query it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from grafana.preview.prometheus import Series, Source, everything
from grafana.words import UNKNOWN
from tests.dashboard_files import DASHBOARDS, panels, variables
from tests.e2e.accelerated_rules import PHONES, accelerated_switch
from tests.e2e.full_configuration import configuration, wait_until_healthy
from tests.e2e.programs import (
    Program,
    free_port,
    get,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.scaled_rules import scaled_expression, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 60
"""Less than with Prometheus: 5 minutes of the rules must take longer than the delay of VictoriaMetrics."""

PATIENCE = 60
"""Seconds. The alert fires after 3 minutes, which take 3 s; samples are visible after a second."""

_WITH_DATA = {
    "softswitch-overview": ("Firing alerts, A", "Switches, A", "Switches, I", "Calls, A", "Channels, A"),
    "softswitch-tenants": ("Tenants, A", "All tenants, A", "All tenants, D", "All tenants, F"),
    "softswitch-tenant": ("Balance, A", "Phones registered, A", "Tenant details, A", "Phones by state, A"),
    "softswitch-nodes": ("Missing nodes, A", "Nodes, A", "Peers, A", "Presence, A", "Imbalance, A"),
    "softswitch-exporter": ("Exporters, A", "Queries, C", "Request duration, A", "Series, A"),
}
"""Queries that have data once everything was polled."""


@dataclass(frozen=True)
class _Stack:
    """The URL of VictoriaMetrics, when it started to scrape, and the vmalert that evaluates the rules."""

    base_url: str
    since: float
    vmalert: Program


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, require_newest: Callable[[str, str], str]
) -> Iterator[_Stack]:
    """Start everything, then make a node go missing."""
    storage, vmalert = (require_newest(name, "victoria-metrics") for name in ("victoria-metrics", "vmalert"))
    directory = tmp_path_factory.mktemp("victoriametrics")
    since = time.time()
    with running_programs(directory) as run:
        simulator = start_simulator(run, "--tenants=2", "--extensions=20", f"--speed={FACTOR}")
        tenants = [{"code": "ACME", "extensions": PHONES, "watch": PHONES[:1], "channels_limit": 30}]
        queries = {"registrations": {"tenant_interval": "1s", "source": "extensions"}}
        north = accelerated_switch("north", simulator.url, tenants=tenants, queries=queries)
        exporter = start_exporter(run, directory / "config.yaml", configuration(north))
        scrape = directory / "scrape.yaml"
        job = {"job_name": "softswitch", "scrape_interval": "1s", "honor_labels": True}
        targets = [{"targets": [exporter.base_url.partition("://")[2]]}]
        scrape.write_text(json.dumps({"scrape_configs": [{**job, "static_configs": targets}]}))
        base_url = f"http://127.0.0.1:{(port := free_port())}"
        run(
            storage,
            f"-promscrape.config={scrape}",
            f"-storageDataPath={directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-search.latencyOffset=0s",
            "-search.disableCache",
        )
        wait_until(lambda: get(f"{base_url}/health"), 20, "VictoriaMetrics to be ready")
        files = [write_scaled_rules(file, directory, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
        evaluating = run(
            vmalert,
            *(f"-rule={file}" for file in files),
            *(f"-{what}.url={base_url}" for what in ("datasource", "remoteWrite", "remoteRead")),
            "-notifier.blackhole",
            "-evaluationInterval=1s",
            "-remoteWrite.flushInterval=100ms",
            "-rule.evalDelay=0s",  # by default it evaluates the values of 30 s ago
            f"-httpListenAddr=127.0.0.1:{free_port()}",
        )
        wait_until_healthy(exporter)
        simulator.change_world(nodes={"pbx1": False})
        yield _Stack(base_url, since, evaluating)


def test_an_alert_fires(stack: _Stack) -> None:
    """The shipped rules fire on data scraped by VictoriaMetrics. vmalert adds the label ``alertgroup``."""

    def fires() -> bool:
        source = Source(stack.base_url, end=time.time())
        found = source.now('ALERTS{alertname="SoftswitchNodeMissing",alertstate="firing"}')
        return [(one.labels["node"], one.labels["alertgroup"]) for one in found] == [
            ("pbx1", "softswitch.node")
        ]

    wait_until(fires, PATIENCE, stack.vmalert.text)


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_the_queries_of_the_dashboards(uid: str, stack: _Stack) -> None:
    """VictoriaMetrics rejects none, and those that need no history have data."""
    tenant = {"switch": "north", "tenant": "ACME"} if "tenant" in variables(DASHBOARDS[uid]) else {}
    chosen = everything(DASHBOARDS[uid]) | tenant
    now = time.time()
    prepared = partial(scaled_expression, factor=FACTOR)
    source = Source(stack.base_url, chosen, now, now - stack.since, "5s", prepared)
    found: dict[str, list[Series]] = {}
    for panel in panels(DASHBOARDS[uid]):
        query = source.over_time if panel["type"] in {"timeseries", "state-timeline"} else source.now
        for target in panel["targets"]:
            known = [one for one in query(target["expr"]) if one.newest not in UNKNOWN]
            found[f"{panel['title']}, {target['refId']}"] = known
    assert [place for place in _WITH_DATA[uid] if not found[place]] == []
