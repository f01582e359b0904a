"""``/metrics`` over HTTP: both formats, gzip, and every name and help text of the catalogue."""

import gzip
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS, TENANT_INFO, Kind, Metric
from tests.e2e.full_configuration import ALERTING, configuration, queries, switch
from tests.e2e.lease_server import LeaseServer
from tests.e2e.programs import (
    Exporter,
    Series,
    Simulator,
    Start,
    free_port,
    get,
    get_json,
    running_programs,
    samples,
    start_exporter,
    start_simulator,
    wait_until,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

_ALWAYS_CHANGING = re.compile(r"(process|python)_")
"""Metrics of the process, which differ in each scrape."""

_ALL_REASONS = 4
_DECLARED = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class _Page:
    """A response of ``/metrics``."""

    headers: Message
    body: bytes


def _page(exporter: Exporter, accept: str = "", encoding: str = "identity") -> _Page:
    headers = {"Accept": accept or TEXT, "Accept-Encoding": encoding}
    request = urllib.request.Request(f"{exporter.base_url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return _Page(response.headers, response.read())


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
            # Long enough for two scrapes without a change in between.
            queries=queries("4s"),
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
    on, of_tenant = {"interval": "4s"}, {"tenant_interval": "4s"}
    off = {"interval": "off", "tenant_interval": "off"}
    return switch(
        "lists",
        url,
        watch_peers=["northwind"],
        queries={
            **dict.fromkeys(("peers", "channels", "calls"), off),
            "trunks": on,
            "watched_peers": on,
            "call_records": {"interval": "4s", "delay": "1s", "timezone": "UTC"},
            "registrations": {"source": "blf", **of_tenant},
            **dict.fromkeys(("queues", "queue", "limits"), of_tenant),
        },
        tenants=[{"code": "ACME", "extensions": "all", "queues": "all"}],
    )


def _has_everything(exporter: Exporter) -> bool:
    scrape = exporter.metrics()
    reasons = set(re.findall(r'^softswitch_query_failure\{.*reason="(\w+)"', scrape, re.MULTILINE))
    named = set(re.findall(r"^# TYPE (\w+)", scrape, re.MULTILINE))
    return len(reasons) == _ALL_REASONS and named >= _DECLARED.keys()


def _without_change_between(exporter: Exporter, other: Callable[[], _Page]) -> tuple[_Page, _Page]:
    """Return a plain page and another one with no change between them."""

    def undisturbed() -> tuple[_Page, _Page] | None:
        before, page, after = _page(exporter), other(), _page(exporter)
        return (before, page) if _steady(before.body) == _steady(after.body) else None

    return wait_until(undisturbed, 20, "three scrapes without a change")


def _steady(body: bytes) -> list[str]:
    return [line for line in body.decode().splitlines() if not _ALWAYS_CHANGING.match(line)]


def test_promtool_finds_no_problem(busy: Exporter, require_program: Callable[[str, str], str]) -> None:
    """``promtool check metrics`` accepts a scrape with failures."""
    promtool = require_program("promtool", "prometheus")
    page = _page(busy)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page.body, capture_output=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_finds_problems(require_program: Callable[[str, str], str]) -> None:
    """The check above can fail: a metric in days is rejected."""
    promtool = require_program("promtool", "prometheus")
    name = "softswitch_license_days"
    page = f"# HELP {name} Time.\n# TYPE {name} gauge\n{name} 3\n".encode()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, timeout=30, check=False
    )
    assert checked.returncode != 0


def test_both_formats_have_the_same_samples(busy: Exporter) -> None:
    """Every series has the same value in the text format and in OpenMetrics."""
    text, openmetrics = _without_change_between(busy, lambda: _page(busy, OPENMETRICS))
    in_text = _samples_of(text_families(text.body.decode()))
    in_openmetrics = _samples_of(openmetrics_families(openmetrics.body.decode()))  # type: ignore[no-untyped-call]  # the parser is untyped
    assert in_text.keys() == in_openmetrics.keys()
    assert {series: value for series, value in in_text.items() if not _ALWAYS_CHANGING.match(series[0])} == {
        series: value for series, value in in_openmetrics.items() if not _ALWAYS_CHANGING.match(series[0])
    }
    assert openmetrics.body.endswith(b"# EOF\n")
    assert text.body.endswith(b"\n")
    assert b"# EOF" not in text.body


def _samples_of(families: Iterable[prometheus_client.Metric]) -> dict[Series, float]:
    found: dict[Series, float] = {}
    for family in families:
        for sample in family.samples:
            assert sample.timestamp is None, sample
            assert sample.exemplar is None, sample
            series = sample.name, frozenset(sample.labels.items())
            assert series not in found, series
            found[series] = sample.value
    return found


def test_gzip(busy: Exporter) -> None:
    """A scraper that accepts gzip gets the same page compressed."""
    plain, packed = _without_change_between(busy, lambda: _page(busy, encoding="gzip"))
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 4
    assert _steady(gzip.decompress(packed.body)) == _steady(plain.body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("text/html", TEXT),
        (OPENMETRICS, OPENMETRICS),
        # Sent by Prometheus 2.42.
        (
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            OPENMETRICS,
        ),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", TEXT),
    ],
)
def test_content_negotiation(accept: str, content_type: str, busy: Exporter) -> None:
    """The Accept header selects the format, and the content type states it."""
    page = _page(busy, accept)
    assert page.headers["Content-Type"] == content_type
    assert page.body.endswith(b"# EOF\n") is (content_type == OPENMETRICS)
    assert "accept" in page.headers["Vary"].lower()


def test_there_are_no_created_series_and_no_timestamps(busy: Exporter) -> None:
    """In either format: Prometheus sets the timestamps."""
    for accept in (TEXT, OPENMETRICS):
        for line in _page(busy, accept).body.decode().splitlines():
            if not line.startswith("#"):
                assert re.fullmatch(r"\w+(\{.*\})? [-+.\dInfe]+", line), line
                assert "_created" not in line.partition("{")[0], line


def test_a_scrape_has_every_family_of_the_catalogue(busy: Exporter) -> None:
    """With its type and help; the only other families are those of the process."""
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", _page(busy).body.decode(), re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", _page(busy).body.decode(), re.MULTILINE))
    own = {name for name in helps if not _ALWAYS_CHANGING.match(name)}
    assert own == _DECLARED.keys()
    assert {name: helps[name] for name in own} == {name: metric.help for name, metric in _DECLARED.items()}
    assert {name: types[name] for name in own} == {name: metric.kind for name, metric in _DECLARED.items()}


def test_openmetrics_has_the_types_and_help_of_the_catalogue(busy: Exporter) -> None:
    """The family of a counter has no ``_total`` there."""
    page = _page(busy, OPENMETRICS).body.decode()
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", page, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE))
    for name, metric in _DECLARED.items():
        family = name.removesuffix("_total") if metric.kind is Kind.COUNTER else name
        assert (helps[family], types[family]) == (metric.help, metric.kind)


def test_every_series_has_the_labels_of_the_catalogue(busy: Exporter) -> None:
    """``softswitch_tenant_info`` has the configured labels too."""
    seen = set()
    for name, labels in samples(_page(busy).body.decode()):
        if _ALWAYS_CHANGING.match(name):
            continue
        metric, more = _declaration(name)
        assert {label for label, _ in labels} == {*metric.labels, *more}, name
        seen.add(metric)
    # Without an Alertmanager, its clock skew is unknown, and absent.
    assert seen == set(METRICS) - {catalogue.ALERTING_CLOCK_SKEW}


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


def _declaration(sample: str) -> tuple[Metric, set[str]]:
    """Return the metric of a sample, and the labels that it has besides those of the catalogue."""
    family = re.sub(r"_(bucket|sum|count)$", "", sample)
    if family in _DECLARED and _DECLARED[family].kind is Kind.HISTOGRAM:
        return _DECLARED[family], {"le"} if sample.endswith("_bucket") else set()
    return _DECLARED[sample], {"team"} if sample == TENANT_INFO.name else set()
