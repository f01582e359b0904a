import platform
from functools import partial

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import __version__
from exporter.metrics import catalogue
from exporter.metrics.self_metrics import Count, Family, Histogram, Instruments
from exporter.model import Query, Reason, Scope, SkipReason
from tests.served import samples, value

_BOUNDS = catalogue.REQUEST_DURATION_BUCKETS


def _parsed(page: str) -> list[Sample]:
    families = text_string_to_metric_families(page)
    return [sample for family in families for sample in family.samples]


@given(st.lists(st.floats(0, 1e6) | st.sampled_from(_BOUNDS)))
def test_histograms_match_prometheus_client(values: list[float]) -> None:
    """The official client library serves the same samples for the same durations."""
    metric = catalogue.REQUEST_DURATION
    registry = CollectorRegistry()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
    theirs = prometheus_client.Histogram(
        metric.name, "", metric.labels, buckets=_BOUNDS, registry=registry
    ).labels("pbx", "calls")
    ours = Family(metric, partial(Histogram, bounds=_BOUNDS)).labels("pbx", "calls")
    for seconds in values:
        theirs.observe(seconds)
        ours.observe(seconds)

    assert _parsed(ours.text()) == _parsed(generate_latest(registry).decode())


def test_counts() -> None:
    """Each set of labels has its own count from zero, and whole numbers have no decimal point."""
    family = Family(catalogue.EMPTY_ANSWERS, Count)
    family.labels("pbx", "calls").inc()
    family.labels("pbx", "calls").inc()
    family.labels("pbx", "peers")

    assert family.block().decode() == (
        'softswitch_empty_answers_total{switch="pbx",query="calls"} 2\n'
        'softswitch_empty_answers_total{switch="pbx",query="peers"} 0\n'
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


def _samples(registry: CollectorRegistry, prefix: str = "softswitch_") -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if line.startswith(prefix)]


def test_every_counter_starts_at_zero(registry: CollectorRegistry) -> None:
    """Each reason exists before its first failure: a counter that starts at 1 shows no increase."""
    instruments = Instruments(registry)
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH, has_rows=True)

    labels = {"switch": "pbx", "query": "peers"}
    assert value(instruments, "softswitch_empty_answers_total", labels) == 0
    assert value(instruments, "softswitch_request_duration_seconds_count", labels) == 0
    for reason in Reason:
        assert value(instruments, "softswitch_request_failures_total", {**labels, "reason": reason}) == 0
    for skip in SkipReason:
        where = {**labels, "scope": "switch", "reason": skip}
        assert value(instruments, "softswitch_targets_skipped_total", where) == 0


def test_a_reload_keeps_counters(registry: CollectorRegistry) -> None:
    """A switch that stays in the configuration keeps its counters."""
    instruments = Instruments(registry)
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH, has_rows=True)
    instruments.empty_answers.labels("pbx", "peers").inc()
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH, has_rows=True)

    assert value(instruments, "softswitch_empty_answers_total", {"switch": "pbx", "query": "peers"}) == 1


def test_a_removed_switch_has_no_series(registry: CollectorRegistry) -> None:
    """Its counters are dropped, and those of other switches stay."""
    instruments = Instruments(registry)
    for switch in ("pbx", "other"):
        instruments.start_at_zero(switch, Query.PEERS, Scope.SWITCH, has_rows=True)
        instruments.breaker_open.labels(switch).set(1)

    instruments.remove("pbx")

    assert {sample.labels["switch"] for sample in samples(instruments)} == {"other"}


def test_build_info(registry: CollectorRegistry) -> None:
    """It has the versions of the exporter and of Python, and the revision."""
    Instruments(registry, revision="abc123")

    labels = {"version": __version__, "revision": "abc123", "python_version": platform.python_version()}
    assert registry.get_sample_value("softswitch_exporter_build_info", labels) == 1
    assert len(_samples(registry, "softswitch_exporter_build_info")) == 1


def test_the_external_url_is_served() -> None:
    """As the label of a series, which is absent without the flag."""
    registry = CollectorRegistry()
    Instruments(registry, external_url="https://exporter.example.com/pbx/")
    name, url = "softswitch_exporter_web_info", "https://exporter.example.com/pbx"
    assert registry.get_sample_value(name, {"external_url": url}) == 1

    without = CollectorRegistry()
    Instruments(without)
    assert not [family for family in without.collect() if family.name == name]


def test_process_and_python_are_served(registry: CollectorRegistry) -> None:
    """The standard metrics of a Python process are in the registry."""
    Instruments(registry)

    names = {
        line.partition("{")[0].partition(" ")[0] for line in generate_latest(registry).decode().splitlines()
    }
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_info"} <= names
