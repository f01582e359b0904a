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
def test_histograms_are_those_of_prometheus_client(values: list[float]) -> None:
    """The official client library, given the same durations, serves the same samples."""
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
    """Each set of labels counts on its own, from zero, and whole numbers have no decimal point."""
    family = Family(catalogue.EMPTY_ANSWERS, Count)
    family.labels("pbx", "calls").inc()
    family.labels("pbx", "calls").inc()
    family.labels("pbx", "peers")

    assert family.block().decode() == (
        'softswitch_empty_answers_total{switch="pbx",query="calls"} 2\n'
        'softswitch_empty_answers_total{switch="pbx",query="peers"} 0\n'
    )


@pytest.mark.parametrize("labels", [("pbx",), ("pbx", "calls", "more")])
def test_wrong_number_of_label_values_is_refused(labels: tuple[str, ...]) -> None:
    """A series with a label too few or too many is a defect of ours, and is never served."""
    with pytest.raises(ValueError, match="label values"):
        Family(catalogue.EMPTY_ANSWERS, Count).labels(*labels)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


def _samples(registry: CollectorRegistry, prefix: str = "softswitch_") -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if line.startswith(prefix)]


def test_every_counter_starts_at_zero(registry: CollectorRegistry) -> None:
    """Each reason exists before it happens: a counter that is born at 1 has no increase."""
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


def test_starting_again_resets_nothing(registry: CollectorRegistry) -> None:
    """A reload that keeps a switch keeps its counters."""
    instruments = Instruments(registry)
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH, has_rows=True)
    instruments.empty_answers.labels("pbx", "peers").inc()
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH, has_rows=True)

    assert value(instruments, "softswitch_empty_answers_total", {"switch": "pbx", "query": "peers"}) == 1


def test_a_switch_that_left_leaves_nothing(registry: CollectorRegistry) -> None:
    """Its counters go, those of the others stay."""
    instruments = Instruments(registry)
    for switch in ("pbx", "other"):
        instruments.start_at_zero(switch, Query.PEERS, Scope.SWITCH, has_rows=True)
        instruments.breaker_open.labels(switch).set(1)

    instruments.forget("pbx")

    assert {sample.labels["switch"] for sample in samples(instruments)} == {"other"}


def test_build_info(registry: CollectorRegistry) -> None:
    """Version, revision and the version of Python, once."""
    Instruments(registry, revision="abc123")

    labels = {"version": __version__, "revision": "abc123", "python_version": platform.python_version()}
    assert registry.get_sample_value("softswitch_exporter_build_info", labels) == 1
    assert len(_samples(registry, "softswitch_exporter_build_info")) == 1


def test_process_and_python_are_served(registry: CollectorRegistry) -> None:
    """The usual figures of a Python process are there, from the registry that was passed in."""
    Instruments(registry)

    names = {
        line.partition("{")[0].partition(" ")[0] for line in generate_latest(registry).decode().splitlines()
    }
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_info"} <= names
