"""Writes docs/metrics.md from the catalogue: ``python -m tests.metrics_docs > docs/metrics.md``."""

import sys
from collections.abc import Iterator

from exporter.metrics.catalogue import METRICS, Kind, Metric

_BEGINNING = """\
# Metrics

Written by `make metrics-docs` from `exporter/metrics/catalogue.py`; do not edit.

Samples carry no timestamps. No value is invented: what is unknown or stale is absent, and what failed keeps
its last value until it is stale. `switch` is the name of the switch in the configuration, `tenant` the code
of the tenant. Beside these metrics there are the usual `process_*` and `python_*`.

| metric | type | labels |
|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    index = "".join(f"| [`{m.name}`](#{m.name}) | {m.kind} | {_labels(m)} |\n" for m in METRICS)
    return _BEGINNING + index + "".join(_section(metric) for metric in METRICS)


def _section(metric: Metric) -> str:
    facts = "".join(f"- {name}: {fact}\n" for name, fact in _facts(metric))
    return f"\n## {metric.name}\n\n{metric.meaning}\n\n{facts}"


def _facts(metric: Metric) -> Iterator[tuple[str, str]]:
    yield "Type", metric.kind
    yield "Labels", _labels(metric)
    yield "Unit", metric.unit
    yield "Source", metric.source
    if metric.kind is Kind.HISTOGRAM:
        yield "Buckets", ", ".join(f"{bound:g}" for bound in metric.buckets)


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels) or "none"


if __name__ == "__main__":
    sys.stdout.write(page())
