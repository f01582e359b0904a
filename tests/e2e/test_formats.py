"""``/metrics`` as it goes over the wire: two formats, gzip, and every name and text of the catalogue."""

import gzip
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.message import Message

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.metrics import catalogue
from exporter.metrics.catalogue import METRICS, TENANT_INFO, Kind, Metric
from tests.e2e.full_configuration import ALERTING, configuration, queries, switch
from tests.e2e.programs import (
    Exporter,
    Series,
    running_programs,
    samples,
    start_exporter,
    start_simulator,
    wait_until,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

_MOVES_BY_ITSELF = re.compile(r"(process|python)_")
"""What is measured of the process at each scrape: no two scrapes agree on it."""

_ALL_REASONS = 4
_DECLARED = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class _Page:
    """One answer of ``/metrics``."""

    headers: Message
    body: bytes


def _page(exporter: Exporter, accept: str = "", encoding: str = "identity") -> _Page:
    headers = {"Accept": accept or TEXT, "Accept-Encoding": encoding}
    request = urllib.request.Request(f"{exporter.base_url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return _Page(response.headers, response.read())


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Run an exporter with everything on, some of it failing for different reasons."""
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
            # Seconds in between, in which two scrapes can be alike.
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
        exporter = start_exporter(run, directory / "config.yaml", configuration(settings, alerting=ALERTING))
        wait_until(lambda: _has_seen_everything(exporter), 30, "every family, and every failure")
        yield exporter
        simulator.assert_no_forbidden_requests()


def _has_seen_everything(exporter: Exporter) -> bool:
    scrape = exporter.metrics()
    reasons = set(re.findall(r'^softswitch_query_failure\{.*reason="(\w+)"', scrape, re.MULTILINE))
    named = set(re.findall(r"^# TYPE (\w+)", scrape, re.MULTILINE))
    return len(reasons) == _ALL_REASONS and named >= _DECLARED.keys()


def _at_one_moment(exporter: Exporter, other: Callable[[], _Page]) -> tuple[_Page, _Page]:
    """Return a plain page and another one between which nothing happened."""

    def undisturbed() -> tuple[_Page, _Page] | None:
        before, page, after = _page(exporter), other(), _page(exporter)
        return (before, page) if _steady(before.body) == _steady(after.body) else None

    return wait_until(undisturbed, 20, "three scrapes in which nothing changed")


def _steady(body: bytes) -> list[str]:
    return [line for line in body.decode().splitlines() if not _MOVES_BY_ITSELF.match(line)]


def test_promtool_has_no_remark(busy: Exporter, require_program: Callable[[str, str], str]) -> None:
    """``promtool check metrics`` says nothing about a scrape with failures in it, and exits 0."""
    promtool = require_program("promtool", "prometheus")
    page = _page(busy)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page.body, capture_output=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_would_remark(require_program: Callable[[str, str], str]) -> None:
    """The check above can fail: a metric in days is remarked upon."""
    promtool = require_program("promtool", "prometheus")
    name = "softswitch_license_days"
    page = f"# HELP {name} Time.\n# TYPE {name} gauge\n{name} 3\n".encode()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, timeout=30, check=False
    )
    assert checked.returncode != 0


def test_both_formats_carry_the_same_samples(busy: Exporter) -> None:
    """At one moment every series of the exporter has the same value in the text format and in OpenMetrics."""
    text, openmetrics = _at_one_moment(busy, lambda: _page(busy, OPENMETRICS))
    in_text = _samples_of(text_families(text.body.decode()))
    in_openmetrics = _samples_of(openmetrics_families(openmetrics.body.decode()))  # type: ignore[no-untyped-call]  # it has no annotations
    assert in_text.keys() == in_openmetrics.keys()
    assert {series: value for series, value in in_text.items() if not _MOVES_BY_ITSELF.match(series[0])} == {
        series: value for series, value in in_openmetrics.items() if not _MOVES_BY_ITSELF.match(series[0])
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


def test_gzip_is_the_plain_page(busy: Exporter) -> None:
    """A scraper that takes gzip is given it, and what it unpacks is what others are given."""
    plain, packed = _at_one_moment(busy, lambda: _page(busy, encoding="gzip"))
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
        # What Prometheus 2.42 sends.
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
def test_content_type_is_the_one_asked_for(accept: str, content_type: str, busy: Exporter) -> None:
    """The content type follows the Accept header, and says which format came."""
    page = _page(busy, accept)
    assert page.headers["Content-Type"] == content_type
    assert page.body.endswith(b"# EOF\n") is (content_type == OPENMETRICS)
    assert "accept" in page.headers["Vary"].lower()


def test_no_created_series_and_no_timestamps(busy: Exporter) -> None:
    """Neither format has ``_created`` series or a time beside a value: Prometheus sets the time."""
    for accept in (TEXT, OPENMETRICS):
        for line in _page(busy, accept).body.decode().splitlines():
            if not line.startswith("#"):
                assert re.fullmatch(r"\w+(\{.*\})? [-+.\dInfe]+", line), line
                assert "_created" not in line.partition("{")[0], line


def test_a_real_scrape_is_the_catalogue(busy: Exporter) -> None:
    """Every family of the catalogue is served with its type and help, and no other but the process's own."""
    told = dict(re.findall(r"^# HELP (\w+) (.*)$", _page(busy).body.decode(), re.MULTILINE))
    typed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", _page(busy).body.decode(), re.MULTILINE))
    own = {name for name in told if not _MOVES_BY_ITSELF.match(name)}
    assert own == _DECLARED.keys()
    assert {name: told[name] for name in own} == {name: metric.help for name, metric in _DECLARED.items()}
    assert {name: typed[name] for name in own} == {name: metric.kind for name, metric in _DECLARED.items()}


def test_openmetrics_tells_the_same_about_each_family(busy: Exporter) -> None:
    """In OpenMetrics type and help are the catalogue's as well; a counter's family has no ``_total``."""
    page = _page(busy, OPENMETRICS).body.decode()
    told = dict(re.findall(r"^# HELP (\w+) (.*)$", page, re.MULTILINE))
    typed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE))
    for name, metric in _DECLARED.items():
        family = name.removesuffix("_total") if metric.kind is Kind.COUNTER else name
        assert (told[family], typed[family]) == (metric.help, metric.kind)


def test_every_series_has_the_labels_of_the_catalogue(busy: Exporter) -> None:
    """No series lacks a label or has one more, but for the configured ones of ``softswitch_tenant_info``."""
    looked_at = set()
    for name, labels in samples(_page(busy).body.decode()):
        if _MOVES_BY_ITSELF.match(name):
            continue
        metric, more = _declaration(name)
        assert {label for label, _ in labels} == {*metric.labels, *more}, name
        looked_at.add(metric)
    # No Alertmanager answers here, so the skew of its clock is unknown, and absent.
    assert looked_at == set(METRICS) - {catalogue.ALERTING_CLOCK_SKEW}


def _declaration(sample: str) -> tuple[Metric, set[str]]:
    """Return what the catalogue says of a sample, and the labels that it has besides."""
    family = re.sub(r"_(bucket|sum|count)$", "", sample)
    if family in _DECLARED and _DECLARED[family].kind is Kind.HISTOGRAM:
        return _DECLARED[family], {"le"} if sample.endswith("_bucket") else set()
    return _DECLARED[sample], {"team"} if sample == TENANT_INFO.name else set()
