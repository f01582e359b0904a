"""The cost of storing a response, with few series and with many."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.stores import filled, store_responses
from benchmarks.table import Row
from exporter.metrics.catalogue import METRICS
from exporter.store import Store

_FEW, _MANY = 1_000, 100_000
_RESPONSES = 10
"""Responses per step; the two stores alternate between steps."""


def rows(rounds: int) -> Iterator[Row]:
    """Store the same responses alternately in a small and a large store."""
    stores = {size: filled(size)[0] for size in (_FEW, _MANY)}
    for is_scraped in (False, True):
        taken: dict[int, list[float]] = {size: [] for size in stores}
        for step in range(rounds * 20):
            for size, store in stores.items():
                taken[size].append(_apply(store, step, is_scraped=is_scraped))
        what = "all responses of a tenant, 66 series" + (", a scrape every 10" if is_scraped else "")
        yield Row(
            f"apply {what}",
            f"{statistics.median(taken[_MANY]) * 1e6:.0f} us at {_MANY:,} series",
            f"{_FEW:,} series",
            f"{statistics.median(taken[_FEW]) * 1e6:.0f} us",
            ratio := statistics.median(taken[_MANY]) / statistics.median(taken[_FEW]),
            "" if is_scraped else "0.8 to 1.2",
            None if is_scraped else 1 / 1.2 <= ratio <= 1.2,  # noqa: PLR2004 -- the target
        )


def _apply(store: Store, step: int, *, is_scraped: bool) -> float:
    """Return the CPU time of one tenant's responses."""
    if is_scraped:
        for metric in METRICS:
            store.sample_lines(metric)
    started = time.thread_time()
    for number in range(_RESPONSES):
        store_responses(store, f"T{number:05}", number + step)
    return (time.thread_time() - started) / _RESPONSES
