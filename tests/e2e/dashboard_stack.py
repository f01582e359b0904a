"""Three simulated switches, an exporter, and a Prometheus with the shipped rules. One switch never responds.

Time is accelerated by the same factor for the switches, the rules and the queries of dashboards, so an hour
takes half a minute. Data of the previous week is computed from the same simulated switches.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from exporter.metrics import catalogue
from exporter.simulator.tenants import Tenant, spent
from exporter.simulator.world import Size, World, WorldClock
from grafana.preview.prometheus import Source, everything
from tests.dashboard_files import DASHBOARDS
from tests.e2e.alertmanager import start_alertmanager
from tests.e2e.full_configuration import SWITCH_QUERIES, TENANT_QUERIES, configuration, queries, switch
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    free_port,
    running_programs,
    samples,
    start_exporter,
    start_simulator,
    wait_until,
)
from tests.e2e.prometheus import Prometheus, start_prometheus
from tests.e2e.scaled_rules import scaled_expression, write_scaled_rules
from tests.rule_files import ALERTS_FILE, RECORDS_FILE

FACTOR = 120
"""Simulated seconds per second."""

JOB = "softswitch"
EXTERNAL_URL = "https://exporter.example.com/softswitch"
_RECEIVER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
_BUSIEST = "switch_tenant:softswitch_tenant_spending:busy"
_WEEK = 604_800
_HOUR = 3600
_SIZES = {
    "north": {"tenants": 40, "nodes": 5, "extensions": 8, "seed": 7},
    "south": {"tenants": 10, "nodes": 3, "extensions": 6, "seed": 11},
}
WATCHED_PEERS = ("northwind", "backup-line")
"""Trunks of the switch ``north`` that are watched in its list of peers; the second one fails."""

_EVERY_SWITCH = (*SWITCH_QUERIES, "trunks", "call_records")
_ONLY_NORTH = ("watched_peers",)
_ONLY_ACME = ("queues", "queue", "watched_peers")  # of either switch
_TARGETS = len(_ONLY_NORTH) + sum(
    size["tenants"] * len(TENANT_QUERIES) + len(_EVERY_SWITCH) + len(_ONLY_ACME) for size in _SIZES.values()
)

CALL_SECONDS = 90
"""Duration of each call that is added to the history of ACME with the faults."""

_CHANGES: dict[str, Any] = {
    "license_days": 20,
    "nodes": {"pbx4": False},
    "trunks": {"backup-line": False},
    "tenants": {
        "ACME": {
            "balance": 70,
            "dropped": 0.3,
            "add_calls": {"number": 480, "seconds": 120, "direction": "IN", "duration": CALL_SECONDS},
        },
        "BOREAL": {"dropped": 1},
        "CINDER": {"dropped": 0.5},
        "DELTA9": {"balance": 4.5},
        "FJORD": {"balance": 31},
    },
}
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "sentence", "info": "config", "tenant": "ACME", "text": "No config for you"},
    {"kind": "refuse_key", "tenant": "GLADE"},
    {"kind": "reset", "reqtype": "COUNTCHANNELS", "tenant": "HAVEN"},
    {"kind": "empty", "info": "balance", "tenant": "INDIGO"},
    {"kind": "slow", "reqtype": "CHANSIPPEERS", "seconds": 0.7},
)
"""Faults of the switch ``north``."""

_FAILING = len(TENANT_QUERIES) + 4
"""Targets that fail because of these, and the license of the switch ``south``."""


@dataclass(frozen=True)
class DashboardStack:
    """The running programs."""

    north: Simulator
    south: Simulator
    exporter: Exporter
    prometheus: Prometheus

    def source(self, uid: str, end: float, seconds: float, **chosen: str) -> Source:
        """Return the source of a dashboard's data. ``chosen``: values of variables; the default is all."""
        prepared = partial(scaled_expression, factor=FACTOR)
        return Source(
            self.prometheus.base_url, everything(DASHBOARDS[uid]) | chosen, end, seconds, "5s", prepared
        )

    def inject_faults(self) -> None:
        """Change the switches and add faults, so that alerts fire."""
        self.north.change_world(**_CHANGES)
        for fault in _FAULTS:
            self.north.inject_fault(**fault)
        self.south.inject_fault(kind="status", reqtype="LICENSEDAYS", status=503)

    def end(self) -> None:
        """Stop all programs except Prometheus, which is faster alone."""
        for program in (self.exporter.program, self.north.program, self.south.program):
            program.stop()

    def wait_for_alerts(self, expected: Collection[tuple[str, ...]]) -> None:
        """Wait until an alert fires for each of these sets of label values."""

        def firing() -> bool:
            found = self.prometheus.series('ALERTS{alertstate="firing"}', time.time())
            fired = [{value for _, value in labels} for _, labels in found]
            return all(any(values.issuperset(one) for values in fired) for one in expected)

        wait_until(firing, 60, f"{expected} to fire")

    def wait_for_busiest_hours(self) -> None:
        """Wait until the busiest hours of last week are recorded, which happens every 15 s."""
        wait_until(lambda: self.prometheus.series(_BUSIEST, time.time()), 60, "the record")

    def freeze(self) -> float:
        """Stop the time of the switches; return a time at which Prometheus has all values."""
        for simulator in (self.north, self.south):
            simulator.change_world(freeze=True)
        since = time.time() + 1  # requests may be in flight

        def known() -> bool:
            scrape = samples(self.exporter.metrics())
            newest = {
                labels: at
                for (name, labels), at in scrape.items()
                if name == catalogue.QUERY_LAST_SUCCESS.name
            }
            well = [
                labels for (name, labels), up in scrape.items() if name == catalogue.QUERY_SUCCESS.name and up
            ]
            return len(well) == _TARGETS - _FAILING and all(newest[labels] > since for labels in well)

        wait_until(known, 60, "a poll of every target")
        return self.prometheus.after_two_scrapes(time.time())


@contextlib.contextmanager
def dashboard_stack(directory: Path, require_program: Callable[[str, str], str]) -> Iterator[DashboardStack]:
    """Start all programs and wait until every query succeeds."""
    executable, promtool = (require_program(name, "prometheus") for name in ("prometheus", "promtool"))
    with running_programs(directory) as run:
        north, south = (_simulator(run, name) for name in _SIZES)
        manager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
        address = start_alertmanager(run, manager, directory, _RECEIVER).address
        text = _configuration(north, south, f"http://{address}")
        external = f"--web.external-url={EXTERNAL_URL}"
        exporter = start_exporter(run, directory / "config.yaml", text, external)
        _backfill_last_week(directory, promtool, {"north": north, "south": south})
        rules = [write_scaled_rules(file, directory, FACTOR) for file in (RECORDS_FILE, ALERTS_FILE)]
        pair = _redundant_targets(exporter)
        prometheus = start_prometheus(run, executable, directory, exporter, rules=rules, scrape=pair)
        stack = DashboardStack(north, south, exporter, prometheus)
        _wait_until_healthy(stack)
        yield stack
        for simulator in (north, south):
            simulator.assert_no_forbidden_requests()


def _redundant_targets(exporter: Exporter) -> dict[str, Any]:
    """Return a scrape configuration with the exporter twice, like a redundant pair."""
    target = exporter.base_url.removeprefix("http://")
    return {"static_configs": [{"targets": [target, target.replace("127.0.0.1", "localhost")]}]}


def _simulator(run: Start, name: str) -> Simulator:
    flags = [f"--{flag}={value}" for flag, value in _SIZES[name].items()]
    options = ("--option=trunks_as_peers=yes", "--option=call_recorded=start")
    simulator = start_simulator(run, f"--speed={FACTOR}", *flags, *options)
    # In each window of the call history, so that none is empty: an empty one is a failure.
    calls = {"number": 2400, "seconds": 600, "direction": "LOCAL"}
    simulator.change_world(advance=_WEEK, tenants={"BOREAL": {"add_calls": calls}})
    return simulator


def _configuration(north: Simulator, south: Simulator, alertmanager: str) -> str:
    often = queries(
        "3s",
        license={"interval": "1s"},
        balance={"tenant_interval": "2s"},
        registrations={"source": "blf"},
    )
    often |= {
        "trunks": {"interval": "2s"},
        "watched_peers": {"interval": "2s", "tenant_interval": "2s"},
        "call_records": {"interval": "2s", "timezone": "UTC", "delay": "2s"},
    }
    return configuration(
        switch(
            "north",
            north.url,
            timeout="3s",
            queries=often,
            nodes=[
                "pbx1",
                {"name": "pbx2", "channels_limit": 31},
                {"name": "pbx3", "channels_limit": 60},
                "pbx9",
            ],
            watch_peers=list(WATCHED_PEERS),
            tenants=[_tenant(index, tenant) for index, tenant in enumerate(_tenants("north"))],
        ),
        switch(
            "south",
            south.url,
            queries=often,
            tenants=[_tenant(index, tenant) for index, tenant in enumerate(_tenants("south"))],
        ),
        switch("west", f"http://127.0.0.1:{free_port()}/", queries=often, tenants=[]),
        alerting={"alertmanagers": [{"url": alertmanager}]},
    )


def _tenant(index: int, tenant: Tenant) -> dict[str, Any]:
    described: dict[str, Any] = {
        "code": tenant.code,
        "labels": {"team": "noc" if index % 3 else "voice"},
        "extensions": tenant.numbers(),
        "watch": ["100", "101", "104"] if tenant.code == "ACME" else [],
        # Some simulated phones are always off; only injected faults must cause alerts.
        "thresholds": {"registered_ratio": {"warning": 0.45, "critical": 0.1}},
    }
    if tenant.code == "ACME":
        hours = {"timezone": "Etc/UTC", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
        described |= {"channels_limit": 6, "business_hours": {**hours, "from": "00:00", "to": "23:59"}}
        described |= {"queues": "all", "watch_peers": ["acme-trunk"]}
    if tenant.postpaid:
        described["thresholds"]["balance"] = "off"
    return described


def _world(name: str) -> World:
    size = dict(_SIZES[name])
    seed = size.pop("seed")
    return World(Size(**size), seed=seed, clock=WorldClock(lambda: 0.0))


def _tenants(name: str) -> list[Tenant]:
    return [tenant for tenant in _world(name).all_tenants if not tenant.disabled]


def _wait_until_healthy(stack: DashboardStack) -> None:
    def healthy() -> bool:
        scrape = samples(stack.exporter.metrics())
        tried = {
            labels: value for (name, labels), value in scrape.items() if name == catalogue.QUERY_SUCCESS.name
        }
        of_both = [value for labels, value in tried.items() if ("switch", "west") not in labels]
        return len(of_both) == _TARGETS and all(of_both)

    wait_until(healthy, 60, "every query of the two switches to succeed")
    stack.prometheus.after_two_scrapes(time.time())


def _backfill_last_week(directory: Path, promtool: str, simulators: dict[str, Simulator]) -> None:
    """Write the values of the previous week into the data of Prometheus, before it starts."""
    lines: dict[str, list[str]] = {}
    for name, simulator in simulators.items():
        moment, now = simulator.truth()["moment"], time.time()
        for metric, line in _samples_of_last_week(name, moment, now):
            lines.setdefault(metric, []).append(line)
    text = "".join(f"# TYPE {metric} gauge\n" + "".join(found) for metric, found in lines.items()) + "# EOF\n"
    file = directory / "last-week.txt"
    file.write_text(text)
    command = (promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(file))
    subprocess.run([*command, str(directory / "prometheus-data")], check=True, capture_output=True)


def _samples_of_last_week(name: str, moment: float, now: float) -> Iterator[tuple[str, str]]:
    """Yield metric and line of each sample, for ten simulated hours a week ago."""
    world, tenants = _world(name), _tenants(name)
    record = "switch_tenant:softswitch_tenant_spending:rate1h"

    def line(metric: str, seconds: float, value: float, **labels: str) -> tuple[str, str]:
        named = ",".join(f"{label}={json.dumps(text)}" for label, text in {"switch": name, **labels}.items())
        return metric, f"{metric}{{{named}}} {value} {now + (seconds - _WEEK) / FACTOR:.3f}\n"

    for seconds in range(-2 * _HOUR, 10 * _HOUR, 240):
        at = moment - _WEEK + seconds
        whole = world.whole(at)
        polled = {"job": JOB, "instance": "the one of last week"}
        yield line(catalogue.CALLS.name, seconds, whole.calls, **polled)
        yield line(catalogue.CHANNELS.name, seconds, sum(whole.channels.values()), **polled)
        for tenant in tenants:
            registered = world.phones.registrations(tenant, at)
            counts = {"registered": sum(registered), "unregistered": registered.count(False)}
            for state, count in counts.items():
                labels = {**polled, "tenant": tenant.code, "state": state}
                yield line(catalogue.TENANT_EXTENSIONS.name, seconds, count, **labels)
        calls = world.figures(tenants[0], at).calls
        yield line(catalogue.TENANT_CALLS.name, seconds, calls, **polled, tenant=tenants[0].code)
    for seconds in range(-12 * _HOUR, _WEEK, 300):  # the interval of the record
        at = moment - _WEEK + seconds
        hourly = (spent(tenants[0], at) - spent(tenants[0], at - _HOUR)) / _HOUR
        yield line(record, seconds, hourly, tenant=tenants[0].code)
