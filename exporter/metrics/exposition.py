"""``/metrics``, as slices of bytes: lines that are kept, then what prometheus_client holds.

Slices matter: one body of 76 MB was four times slower than the same bytes in slices of 256 KiB, and blocked
the event loop for 170 ms instead of 2 (docs/performance.md).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum
from itertools import chain
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.metrics.catalogue import METRICS, Kind, Metric

SLICE_BYTES = 256 * 1024


class Format(Enum):
    """The two formats; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_OWN: dict[Format, Callable[[CollectorRegistry], bytes]] = {
    Format.TEXT: generate_latest,
    Format.OPENMETRICS: generate_openmetrics,  # closes with `# EOF`, so it comes last
}


class Source(Protocol):
    """What has lines to serve: a store, and the instruments."""

    def sample_lines(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the sample lines of a family, as they are now and will stay."""
        ...


class Exposition:
    """Serves what the sources hold and what the registry holds.

    ``refresh`` is called before each scrape, for the few values that follow the clock and not an answer.
    """

    def __init__(
        self,
        sources: Callable[[], Iterable[Source]],
        registry: CollectorRegistry,
        refresh: Callable[[], None],
    ) -> None:
        self._sources = sources
        self._registry = registry
        self._refresh = refresh
        self._headers = {form: {metric: _header(metric, form) for metric in METRICS} for form in Format}

    def render(self, form: Format) -> Iterator[bytes]:
        """Return the slices of one scrape.

        What is served is fixed before this returns: an answer that comes while the slices are being sent
        is in the next scrape, whole.
        """
        self._refresh()
        sources = list(self._sources())
        families: list[tuple[bytes, list[Collection[bytes]]]] = []
        for metric, header in self._headers[form].items():
            blocks = [lines for source in sources for lines in source.sample_lines(metric) if lines]
            if blocks:
                families.append((header, blocks))
        return _slices(families, _OWN[form](self._registry))


def _header(metric: Metric, form: Format) -> bytes:
    # In OpenMetrics a counter is called without the `_total` of its samples.
    is_bare = form is Format.OPENMETRICS and metric.kind is Kind.COUNTER
    name = metric.name.removesuffix("_total") if is_bare else metric.name
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n".encode()


def _slices(families: list[tuple[bytes, list[Collection[bytes]]]], own: bytes) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = 0
    for header, blocks in families:
        pending.append(header)
        for block in chain.from_iterable(blocks):
            pending.append(block)
            size += len(block)
            if size >= SLICE_BYTES:
                yield b"".join(pending)
                pending.clear()
                size = 0
    pending.append(own)
    yield b"".join(pending)
