"""Prometheus 2 and 3 with the shipped rules scrape two exporters while one takes over from the other.

Durations of the rules are divided by 10, so the Lease of 5 s is 50 s for them. By default, it is 15 s.
"""

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.lease_pair import BUSY, LEASE, PERIOD, LeasePair, lease_pair
from tests.e2e.programs import Start, running_programs, start_simulator, wait_until
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.scaled_rules import scaled, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

_FACTOR = 10
_WATCHDOG = ("SoftswitchWatchdog", "none")
_DOWN = ("SoftswitchExporterDown", "warning")
_QUERIES = {
    "peers": {"interval": "2s"},
    "channels": {"interval": "2s", "tenant_interval": "off"},
    "calls": {"interval": "2s", "tenant_interval": "2s"},
    "license": {"interval": "5s"},
    "balance": {"tenant_interval": "2s"},
    "registrations": {"tenant_interval": "off"},
}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[LeasePair]:
    """Return two exporters of one simulated switch; one of them polls."""
    with lease_pair(tmp_path) as started:
        simulator = start_simulator(started.run, "--tenants=3", "--extensions=20")
        simulator.change_world(freeze=True)
        started.urls = dict.fromkeys("ab", simulator.url)
        started.settings = {"queries": _QUERIES, "tenants": [{"code": "ACME"}], "nodes": ["pbx1"]}
        started.start_both()
        wait_until(lambda: started.holder, LEASE + BUSY, started.told)
        yield started
        simulator.assert_no_forbidden_requests()


@pytest.fixture
def scrapers(
    pair: LeasePair,
    memory_directory: Path,
    require_installed: Callable[[str, str], str],
    require_newest: Callable[[str, str], str],
) -> Iterator[list[Prometheus]]:
    """Return both versions of Prometheus with the shipped rules."""
    with running_programs(memory_directory) as run:
        yield [
            _prometheus(run, require("prometheus", "prometheus"), memory_directory / name, pair)
            for name, require in (("installed", require_installed), ("newest", require_newest))
        ]


def _prometheus(run: Start, executable: str, directory: Path, pair: LeasePair) -> Prometheus:
    directory.mkdir()
    rules = [write_scaled_rules(file, directory, _FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
    targets = [exporter.base_url.partition("://")[2] for exporter in pair.exporters.values()]
    return start_prometheus(
        run,
        executable,
        directory,
        pair.exporters["a"],
        f"--query.lookback-delta={scaled('5m', _FACTOR)}",
        interval=scaled("30s", _FACTOR),
        rules=rules,
        scrape={"static_configs": [{"targets": targets}]},
    )


def _fired(prometheus: Prometheus) -> set[tuple[str, str]]:
    """Return name and severity of everything that has fired since the start."""
    fired = prometheus.series('max_over_time(ALERTS{alertstate="firing"}[1h])')
    return {(dict(labels)["alertname"], dict(labels)["severity"]) for _, labels in fired}


def _has_fired(prometheus: Prometheus, alert: tuple[str, str]) -> bool:
    return alert in _fired(prometheus)


def _is_polled(prometheus: Prometheus) -> bool:
    return [*prometheus.series("max by (switch) (softswitch_up)").values()] == [1]


def test_takeovers_raise_no_alert(pair: LeasePair, scrapers: list[Prometheus]) -> None:
    """Neither a clean stop nor a crash does, except for the one about the exporter that is down."""
    for prometheus in scrapers:
        wait_until(partial(_is_polled, prometheus), 30, pair.told)

    stopped = pair.holder
    pair.exporters[stopped].program.stop()
    other = "b" if stopped == "a" else "a"
    wait_until(lambda: pair.holder == other, PERIOD + BUSY, pair.told)
    pair.start(stopped, address=pair.exporters[stopped].base_url.partition("://")[2])
    for prometheus in scrapers:
        wait_until(partial(_is_polled, prometheus), BUSY, pair.told)
        assert _fired(prometheus) <= {_WATCHDOG}

    pair.signal(other, signal.SIGKILL)
    wait_until(lambda: pair.holder == stopped, LEASE + 2 * PERIOD + BUSY, pair.told)
    for prometheus in scrapers:
        wait_until(partial(_has_fired, prometheus, _DOWN), 60, pair.told)
        assert _is_polled(prometheus)
        assert _fired(prometheus) == {_WATCHDOG, _DOWN}
