import platform

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter import __version__, catalogue
from exporter.instruments import Instruments
from exporter.model import Query, Reason, Scope, SkipReason


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


def _samples(registry: CollectorRegistry, prefix: str = "softswitch_") -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if line.startswith(prefix)]


def test_every_counter_starts_at_zero(registry: CollectorRegistry) -> None:
    """Each reason exists before it happens: a counter that is born at 1 has no increase."""
    Instruments(registry).start_at_zero("pbx", Query.PEERS, Scope.SWITCH)

    labels = {"switch": "pbx", "query": "peers"}
    value = registry.get_sample_value
    assert value("softswitch_empty_answers_total", labels) == 0
    assert value("softswitch_request_duration_seconds_count", labels) == 0
    for reason in Reason:
        assert value("softswitch_request_failures_total", {**labels, "reason": reason}) == 0
    for skip in SkipReason:
        where = {**labels, "scope": "switch", "reason": skip}
        assert value("softswitch_targets_skipped_total", where) == 0


def test_starting_again_resets_nothing(registry: CollectorRegistry) -> None:
    """A reload that keeps a switch keeps its counters."""
    instruments = Instruments(registry)
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH)
    instruments.empty_answers.labels("pbx", "peers").inc()
    instruments.start_at_zero("pbx", Query.PEERS, Scope.SWITCH)

    assert (
        registry.get_sample_value("softswitch_empty_answers_total", {"switch": "pbx", "query": "peers"}) == 1
    )


def test_build_info(registry: CollectorRegistry) -> None:
    """Version, revision and the version of Python, once."""
    Instruments(registry, revision="abc123")

    labels = {"version": __version__, "revision": "abc123", "python_version": platform.python_version()}
    assert registry.get_sample_value("softswitch_exporter_build_info", labels) == 1
    assert len(_samples(registry, "softswitch_exporter_build_info")) == 1


def test_no_created_series_in_either_format(registry: CollectorRegistry) -> None:
    """`_created` doubles the series of every counter and helps nobody."""
    Instruments(registry).start_at_zero("pbx", Query.PEERS, Scope.SWITCH)

    assert b"_created" not in generate_latest(registry)
    page = generate_openmetrics(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    assert b"_created" not in page


def test_buckets_are_those_of_the_catalogue(registry: CollectorRegistry) -> None:
    """The histogram has the pinned bounds and +Inf."""
    Instruments(registry).request_duration.labels("pbx", "peers").observe(23)

    buckets = [line for line in _samples(registry) if "_bucket" in line]
    bounds = [line.partition('le="')[2].partition('"')[0] for line in buckets]
    assert bounds == [str(bound) for bound in catalogue.REQUEST_DURATION_BUCKETS] + ["+Inf"]
    counted = [bound for bound, line in zip(bounds, buckets, strict=True) if line.endswith(" 1.0")]
    assert counted == ["30.0", "45.0", "60.0", "120.0", "+Inf"]


def test_process_and_python_are_served(registry: CollectorRegistry) -> None:
    """The usual figures of a Python process are there, from the registry that was passed in."""
    Instruments(registry)

    names = {
        line.partition("{")[0].partition(" ")[0] for line in generate_latest(registry).decode().splitlines()
    }
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_info"} <= names


def test_two_registries_are_independent() -> None:
    """Nothing is kept in a registry of the whole process."""
    first, second = CollectorRegistry(), CollectorRegistry()
    Instruments(first).empty_answers.labels("pbx", "peers").inc()
    Instruments(second)

    assert not _samples(second, "softswitch_empty_answers_total")
