"""One scrape per switch with Prometheus 2 and 3 and vmagent: one switch of eight is over its limit.

The dashboards get their data from VictoriaMetrics, too.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from grafana.preview.prometheus import Source, everything
from grafana.words import UNKNOWN
from tests.dashboard_files import DASHBOARDS, panels, variables
from tests.documents import ROOT, blocks
from tests.e2e.accelerated_rules import PHONES
from tests.e2e.full_configuration import all_queries_tried, configuration, switch
from tests.e2e.programs import (
    Exporter,
    Series,
    Start,
    free_port,
    get,
    running_programs,
    samples,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.scaled_rules import scaled, scaled_expression, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 30
"""The alert fires after 5 minutes of the rules: 10 s, more than the delay of VictoriaMetrics."""

PATIENCE = 60.0
NAMES = [f"pbx-{number:02}" for number in range(1, 9)]
USUAL, LARGE = "pbx-01", "pbx-07"
SHIPPED = ROOT / "deploy/prometheus/scrape-per-switch.yaml"

_LOST = {("SoftswitchMonitoringLost", LARGE)}
_WATCHDOG = {("SoftswitchWatchdog", "")}

_WITH_DATA = {
    "softswitch-overview": ("Firing alerts, A", "Switches, A", "Switches, I", "Calls, A", "Channels, A"),
    "softswitch-tenants": ("Tenants, A", "All tenants, A", "All tenants, D", "All tenants, F"),
    "softswitch-tenant": ("Balance, A", "Phones registered, A", "Tenant details, A", "Phones by state, A"),
    "softswitch-nodes": ("Nodes, A", "Peers, A", "Presence, A", "Imbalance, A"),
    "softswitch-exporter": ("Exporters, A", "Queries, C", "Request duration, A", "Series, A"),
}
"""Queries that have data once everything was polled."""


@dataclass(frozen=True)
class _Site:
    """The exporter, and what scrapes it, by name. ``since``: Unix time."""

    exporter: Exporter
    scrapers: Mapping[str, Prometheus]
    since: float

    def page(self, query: str) -> dict[Series, float]:
        """Return a scrape with this query string, without empty labels, which Prometheus drops."""
        found = samples(get(f"{self.exporter.base_url}/metrics{query}").decode())
        return {
            (name, frozenset((label, text) for label, text in labels if text)): value
            for (name, labels), value in found.items()
        }


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Start an exporter that polls eight switches; one of them has many more series."""
    directory = tmp_path_factory.mktemp("exporter")
    with running_programs(directory) as run:
        simulator = start_simulator(run, "--tenants=3", "--extensions=20")
        simulator.change_world(freeze=True)
        exporter = start_exporter(
            run, directory / "config.yaml", configuration(*(_switch(name, simulator.url) for name in NAMES))
        )
        wait_until(lambda: all_queries_tried(exporter), 60, "every query to be tried")
        yield exporter
        simulator.assert_no_forbidden_requests()


def _switch(name: str, url: str) -> dict[str, Any]:
    interval = "2s" if name in {USUAL, LARGE} else "off"
    queries = {
        "peers": {"interval": "2s"},
        "channels": {"interval": "2s", "tenant_interval": interval},
        "calls": {"interval": "2s", "tenant_interval": "off"},
        "license": {"interval": "5s"},
        "balance": {"tenant_interval": interval},
        "registrations": {"tenant_interval": interval, "source": "extensions"},
    }
    tenant = {"extensions": PHONES, "watch": PHONES[:1], "channels_limit": 30}
    tenants = [{"code": code, **tenant} for code in ("ACME", "BOREAL", "CINDER")]
    return switch(name, url, queries=queries, tenants=tenants if name == LARGE else tenants[:1])


@pytest.fixture(scope="module")
def site(
    exporter: Exporter,
    tmp_path_factory: pytest.TempPathFactory,
    require_installed: Callable[[str, str], str],
    require_newest: Callable[[str, str], str],
) -> Iterator[_Site]:
    """Start all scrapers with a limit between the two sizes of switches, and the rules."""
    newest = {
        name: require_newest(name, package)
        for name, package in {
            "prometheus": "prometheus",
            **dict.fromkeys(("victoria-metrics", "vmagent", "vmalert"), "victoria-metrics"),
        }.items()
    }
    installed = require_installed("prometheus", "prometheus")
    directory = tmp_path_factory.mktemp("scrapers")
    rules = [write_scaled_rules(file, directory, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
    pages = _Site(exporter, {}, time.time())
    small, large = (len(pages.page(f"?switch={name}")) for name in (USUAL, LARGE))
    job = _shipped(exporter, sample_limit=(small + large) // 2, scrape_interval=scaled("30s", FACTOR))
    with running_programs(directory) as run:
        scrapers = {
            name: _prometheus(run, executable, directory / name, exporter, job, rules)
            for name, executable in (("installed", installed), ("newest", newest["prometheus"]))
        }
        scrapers["vmagent"] = _vmagent(run, newest, directory, job, rules)
        yield _Site(exporter, scrapers, pages.since)


def _shipped(exporter: Exporter, **settings: Any) -> dict[str, Any]:
    """Return the shipped job, for this exporter and with further settings."""
    [job] = yaml.safe_load(_text_for(exporter))["scrape_configs"]
    return {**job, **settings}


def _text_for(exporter: Exporter) -> str:
    text = SHIPPED.read_text()
    assert "url: http://127.0.0.1:10390/sd" in text
    return text.replace("http://127.0.0.1:10390", exporter.base_url)


def _prometheus(
    run: Start, executable: str, directory: Path, exporter: Exporter, job: dict[str, Any], rules: list[Path]
) -> Prometheus:
    directory.mkdir()
    return start_prometheus(
        run,
        executable,
        directory,
        exporter,
        f"--query.lookback-delta={scaled('5m', FACTOR)}",
        interval=job["scrape_interval"],
        rules=rules,
        scrape={"static_configs": [], **job},
    )


def _vmagent(
    run: Start, programs: Mapping[str, str], directory: Path, job: dict[str, Any], rules: list[Path]
) -> Prometheus:
    """Start two vmagents that share the targets, and what they write to, with the rules."""
    base_url = f"http://127.0.0.1:{(port := free_port())}"
    storage = run(
        programs["victoria-metrics"],
        f"-storageDataPath={directory / 'victoriametrics'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s",
        "-search.disableCache",
    )
    wait_until(lambda: get(f"{base_url}/health"), 60, "VictoriaMetrics to be ready")
    file = directory / "vmagent.yaml"
    file.write_text(json.dumps({"scrape_configs": [job]}))
    for number in range(2):
        run(
            programs["vmagent"],
            f"-promscrape.config={file}",
            "-promscrape.cluster.membersCount=2",
            f"-promscrape.cluster.memberNum={number}",
            f"-remoteWrite.url={base_url}/api/v1/write",
            f"-remoteWrite.tmpDataPath={directory / f'vmagent-{number}'}",
            "-remoteWrite.flushInterval=100ms",
            f"-httpListenAddr=127.0.0.1:{free_port()}",
        )
    run(
        programs["vmalert"],
        *(f"-rule={file}" for file in rules),
        *(f"-{what}.url={base_url}" for what in ("datasource", "remoteWrite", "remoteRead")),
        "-notifier.blackhole",
        "-remoteWrite.flushInterval=100ms",
        "-rule.evalDelay=0s",
        f"-httpListenAddr=127.0.0.1:{free_port()}",
    )
    return Prometheus(storage, base_url)


def test_the_parts_of_the_page(site: _Site) -> None:
    """Each series of `/metrics` is in the part of its switch, or in that of the exporter; none is in two."""

    def are_complete() -> bool:  # not while the first sweeps add series between two scrapes
        own, *of_switches = [site.page(f"?switch={name}") for name in ("", *NAMES)]
        parts, everything = [own, *of_switches], site.page("")
        return set().union(*parts) == everything.keys() and sum(map(len, parts)) == len(everything)

    wait_until(are_complete, 60, "the parts to be the page")
    assert site.page("?only=exporter").keys() == site.page("?switch=").keys()


@pytest.mark.parametrize("scraper", ["installed", "newest", "vmagent"])
def test_one_switch_over_its_limit(scraper: str, site: _Site) -> None:
    """The others are complete. The alert about that switch fires, and no other one."""
    server = site.scrapers[scraper]

    def fired() -> set[tuple[str, str]]:
        found = server.series('group by (alertname, switch) (max_over_time(ALERTS{alertstate="firing"}[1h]))')
        return {(dict(labels)["alertname"], dict(labels).get("switch", "")) for _, labels in found}

    wait_until(lambda: fired() >= _LOST | _WATCHDOG, PATIENCE, lambda: f"the alert; fired: {fired()}")
    others = [name for name in NAMES if name != LARGE]

    def up() -> dict[str, float]:
        return {dict(labels).get("switch", ""): value for (_, labels), value in server.series("up").items()}

    def differing() -> set[Series]:
        scraped = server.series('{__name__=~"softswitch_.+|process_.+|python_.+",__name__!~".+:.+"}').keys()
        pages = [site.page(query) for query in ("?switch=", *(f"?switch={name}" for name in others))]
        return scraped ^ {series for page in pages for series in page}

    # Again and again: on a busy machine, a scrape or a request may fail.
    expected = {"": 1, **dict.fromkeys(others, 1), LARGE: 0}
    wait_until(lambda: up() == expected, PATIENCE, lambda: f"only one failing scrape: {up()}")
    wait_until(lambda: not differing(), PATIENCE, lambda: f"the series of the others: {differing()}")
    assert fired() == _LOST | _WATCHDOG


def test_the_documented_relabeling(
    exporter: Exporter,
    tmp_path: Path,
    require_installed: Callable[[str, str], str],
    require_newest: Callable[[str, str], str],
) -> None:
    """Each switch is on one of two servers, the exporter itself on both, and one switch has an interval."""
    of_interval, of_server = (_documented(word) for word in ("__scrape_interval__", "hashmod"))
    of_server = of_server.removeprefix("    relabel_configs:\n")
    lines = [
        of_interval.replace("pbx-eu", LARGE) + of_server.replace(";0", f";{number}") for number in (0, 1)
    ]
    promtools = [require("promtool", "prometheus") for require in (require_installed, require_newest)]
    with ThreadPoolExecutor() as pool:  # promtool always takes as long as it may
        found = {
            (promtool, number): pool.submit(_discovered, promtool, file, 2)
            for promtool in promtools
            for number, text in enumerate(lines)
            for file in [tmp_path / f"{number}.yaml"]
            if file.write_text(_text_for(exporter) + text)
        }
    for promtool in promtools:
        servers = [found[promtool, number].result() for number in (0, 1)]
        names = [[labels.get("switch") for labels in server] for server in servers]
        assert [server.count(None) for server in names] == [1, 1]
        assert all(len(server) > 1 for server in names)
        assert sorted(name for server in names for name in server if name) == NAMES
        intervals = {
            labels.get("switch"): labels["__scrape_interval__"] for server in servers for labels in server
        }
        assert intervals == {**dict.fromkeys([None, *NAMES], "30s"), LARGE: "2m"}


def _discovered(promtool: str, file: Path, seconds: int) -> list[dict[str, str]]:
    """Return the labels of the targets that promtool discovers, and allow it more time if it needs more."""
    command = [promtool, "check", "service-discovery", f"--timeout={seconds}s", str(file), "softswitch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = [target["labels"] for target in json.loads(done.stdout) if target.get("labels")]
    return found if found or seconds > 20 else _discovered(promtool, file, 2 * seconds)


def _documented(word: str) -> str:
    [lines] = [text for text in blocks(ROOT / "docs/operating.md", "yaml") if word in text]
    return indent(lines, "    ")


def test_the_queries_of_the_dashboards(site: _Site) -> None:
    """VictoriaMetrics rejects none, and those that need no history have data."""
    lacking: dict[str, list[str]] = {}

    def without_data() -> dict[str, list[str]]:
        lacking.clear()
        lacking.update((uid, missing) for uid in DASHBOARDS if (missing := _without_data(uid, site)))
        return lacking

    wait_until(lambda: not without_data(), PATIENCE, lambda: f"data: {lacking}")


def _without_data(uid: str, site: _Site) -> list[str]:
    """Return the queries of a dashboard that should have data and have none."""
    tenant = {"switch": USUAL, "tenant": "ACME"} if "tenant" in variables(DASHBOARDS[uid]) else {}
    now = time.time()
    source = Source(
        site.scrapers["vmagent"].base_url,
        everything(DASHBOARDS[uid]) | tenant,
        now,
        now - site.since,
        "5s",
        partial(scaled_expression, factor=FACTOR),
    )
    found: set[str] = set()
    for panel in panels(DASHBOARDS[uid]):
        query = source.over_time if panel["type"] in {"timeseries", "state-timeline"} else source.now
        for target in panel["targets"]:
            if any(one.newest not in UNKNOWN for one in query(target["expr"])):
                found.add(f"{panel['title']}, {target['refId']}")
    return [place for place in _WITH_DATA[uid] if place not in found]
