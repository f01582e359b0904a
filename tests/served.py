"""Parses served metrics as a scraper does."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter.metrics.exposition import Exposition, Format, Source


def samples(*sources: Source) -> Iterable[Sample]:
    """Return all samples of some sources."""
    exposition = Exposition(lambda _: sources, CollectorRegistry())
    page = b"".join(exposition.render(Format.TEXT)).decode()
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def value(source: Source, name: str, labels: dict[str, str]) -> float | None:
    """Return the value of a series, or None if it is absent."""
    found = [sample.value for sample in samples(source) if (sample.name, sample.labels) == (name, labels)]
    return found[0] if found else None
