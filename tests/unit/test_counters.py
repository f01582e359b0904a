from functools import partial

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import catalogue
from exporter.counters import Count, Family, Histogram

_BOUNDS = catalogue.REQUEST_DURATION_BUCKETS


def _samples(page: str) -> list[Sample]:
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
    for value in values:
        theirs.observe(value)
        ours.observe(value)

    assert _samples(ours.text()) == _samples(generate_latest(registry).decode())


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
    with pytest.raises(ValueError, match="labels"):
        Family(catalogue.EMPTY_ANSWERS, Count).labels(*labels)
