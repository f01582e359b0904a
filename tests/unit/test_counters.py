from functools import partial

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import catalogue
from exporter.counters import Count, Family, Histogram

_BOUNDS = catalogue.REQUEST_DURATION_BUCKETS
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def _samples(page: bytes, name: str) -> list[Sample]:
    families = text_string_to_metric_families(f"# TYPE {name} histogram\n{page.decode()}")
    return [sample for family in families for sample in family.samples]


@given(_TEXT, _TEXT, st.lists(st.floats(0, 1e6) | st.sampled_from(_BOUNDS)))
def test_histograms_are_those_of_prometheus_client(switch: str, query: str, values: list[float]) -> None:
    """The official client library, given the same durations, serves the same samples."""
    metric = catalogue.REQUEST_DURATION
    registry = CollectorRegistry()
    theirs = prometheus_client.Histogram(
        metric.name, "", metric.labels, buckets=_BOUNDS, registry=registry
    ).labels(switch, query)
    ours = Family(metric, partial(Histogram, bounds=_BOUNDS))
    for value in values:
        theirs.observe(value)
        ours.labels(switch, query).observe(value)
    ours.labels(switch, query)

    page = generate_latest(registry).decode().split("\n")
    expected = "".join(f"{line}\n" for line in page if line and not line.startswith("#"))
    expected = "".join(line for line in expected.splitlines(keepends=True) if "_created" not in line)
    assert _samples(ours.block(), metric.name) == _samples(expected.encode(), metric.name)


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
    with pytest.raises(ValueError, match="zip"):
        Family(catalogue.EMPTY_ANSWERS, Count).labels(*labels)
