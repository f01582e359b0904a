"""``/metrics`` of an exporter that uses everything, in both formats."""

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS, TENANT_INFO
from tests.e2e.full_configuration import ALERTING, configuration, switch
from tests.e2e.lease_server import LeaseServer
from tests.e2e.programs import (
    Exporter,
    Simulator,
    Start,
    free_port,
    get,
    get_json,
    running_programs,
    start_exporter,
    start_simulator,
    wait_until,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT = "text/plain"

_OF_THE_PROCESS = re.compile(r"(process|python)_")

_ALL_REASONS = 4


def _page(exporter: Exporter, accept: str) -> bytes:
    return get(f"{exporter.base_url}/metrics", Accept=accept)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Run an exporter with every query enabled; some fail for different reasons."""
    directory = tmp_path_factory.mktemp("formats")
    with running_programs(directory) as run:
        simulator = start_simulator(run, "--tenants=6", "--nodes=3", "--extensions=3")
        simulator.change_world(
            freeze=True, nodes={"pbx3": False}, tenants={"ACME": {"calls": 0}, "EIDER": {"calls": 2}}
        )
        simulator.inject_fault(kind="refuse_key", tenant="BOREAL", info="balance")
        simulator.inject_fault(kind="garbage", tenant="CINDER", reqtype="COUNTPEERS")
        simulator.inject_fault(kind="status", tenant="EIDER", reqtype="COUNTCALLS")
        simulator.inject_fault(kind="sentence", tenant="DELTA9", text='No "such" tenant\\,\nor so')
        settings = switch(
            'pbx "one", with \\ and ü',
            simulator.url,
            nodes=[{"name": "pbx1", "channels_limit": 100}, "pbx9"],
            tenant_defaults={
                "extensions": ["100", "101", "102"],
                "watch": ["100"],
                "channels_limit": 9,
                "business_hours": {
                    "timezone": "UTC",
                    "days": ["mon", "thu"],
                    "from": "08:00",
                    "to": "07:00",
                },
                "labels": {"team": "a\nb"},
            },
            tenants=[{"code": code} for code in ("ACME", "BOREAL", "CINDER", "DELTA9", "EIDER")],
        )
        lists = _switch_with_lists(run)
        lease = {"lease": {"name": "softswitch-exporter", "namespace": "telephony", "duration": "5s"}}
        both = settings, _polling_lists(lists.url)
        text = configuration(*both, alerting=ALERTING, high_availability=lease)
        # Nothing listens there: the exporter polls after 5 s.
        unreachable = LeaseServer(free_port()).kubeconfig(directory / "kubeconfig", "formats")
        exporter = start_exporter(
            run,
            directory / "config.yaml",
            text,
            "--web.external-url=https://exporter.example.com",
            KUBECONFIG=str(unreachable),
        )
        wait_until(lambda: _has_everything(exporter), 60, "every family and every failure")
        yield exporter
        for each in (simulator, lists):
            each.assert_no_forbidden_requests()


def _switch_with_lists(run: Start) -> Simulator:
    """Start a switch with trunks that are peers, and with calls in every window of the call history."""
    options = ("--option=trunks_as_peers=yes", "--option=call_recorded=start")
    simulator = start_simulator(run, "--tenants=1", "--extensions=3", *options)
    calls = {"number": 1200, "seconds": 1200, "ago": 300}
    simulator.change_world(tenants={"ACME": {"add_calls": calls}})
    return simulator


def _polling_lists(url: str) -> dict[str, Any]:
    """Return a switch with the queries that the first one does not have."""
    on, of_tenant = {"interval": "1s"}, {"tenant_interval": "1s"}
    off = {"interval": "off", "tenant_interval": "off"}
    return switch(
        "lists",
        url,
        watch_peers=["northwind"],
        queries={
            **dict.fromkeys(("peers", "channels", "calls"), off),
            "trunks": on,
            "watched_peers": on,
            "call_records": {"interval": "1s", "delay": "1s", "timezone": "UTC"},
            "registrations": {"source": "blf", **of_tenant},
            **dict.fromkeys(("queues", "queue", "limits"), of_tenant),
        },
        tenants=[{"code": "ACME", "extensions": "all", "queues": "all"}],
    )


def _has_everything(exporter: Exporter) -> bool:
    scrape = exporter.metrics()
    reasons = set(re.findall(r'^softswitch_query_failure\{.*reason="(\w+)"', scrape, re.MULTILINE))
    named = set(re.findall(r"^# TYPE (\w+)", scrape, re.MULTILINE))
    return len(reasons) == _ALL_REASONS and named >= {metric.name for metric in METRICS}


def test_promtool_finds_no_problem(busy: Exporter, require_program: Callable[[str, str], str]) -> None:
    """``promtool check metrics`` accepts a scrape with failures."""
    promtool = require_program("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=_page(busy, TEXT), capture_output=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_scrape_has_every_family_of_the_catalogue(busy: Exporter) -> None:
    """With its type, help and labels, in both formats; the only other families are those of the process."""
    text = {family.name: family for family in text_families(_page(busy, TEXT).decode())}
    page = _page(busy, OPENMETRICS).decode()
    openmetrics = {family.name: family for family in openmetrics_families(page)}  # type: ignore[no-untyped-call]  # the parser is untyped
    assert openmetrics.keys() - {"python_info"} == text.keys() - {"python_info"}
    for found in (text, openmetrics):
        own = {name for name in found if not _OF_THE_PROCESS.match(name)}
        # The family of a counter has no `_total`.
        declared = {metric.name.removesuffix("_total"): metric for metric in METRICS}
        assert own == declared.keys()
        for name, metric in declared.items():
            assert (found[name].documentation, found[name].type) == (metric.help, metric.kind)
            # Without an Alertmanager, its clock skew is unknown, and absent.
            assert bool(found[name].samples) is (metric is not catalogue.ALERTING_CLOCK_SKEW), name
            more = {"team"} if metric is TENANT_INFO else set()
            for sample in found[name].samples:
                bucket = {"le"} if sample.name.endswith("_bucket") else set()
                assert sample.labels.keys() == {*metric.labels, *more, *bucket}, sample
                assert sample.timestamp is None


def test_alerts_link_to_the_external_url(busy: Exporter) -> None:
    """To a runbook that the exporter serves."""
    [watchdog] = [
        alert["annotations"]["runbook_url"]
        for alert in get_json(f"{busy.base_url}/api/v1/status")["alerts"]
        if alert["labels"]["alertname"] == "SoftswitchWatchdog"
    ]
    assert watchdog == "https://exporter.example.com/runbooks/SoftswitchWatchdog"
    page = get(watchdog.replace("https://exporter.example.com", busy.base_url))
    assert b"The alert is firing, as it should" in page
