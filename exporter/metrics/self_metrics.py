"""What the exporter counts and measures itself.

The counters of switches are implemented here: for 1,700 lines of five switches, prometheus_client blocked the
event loop for 13 ms per scrape (OpenMetrics: 21 ms); this takes 0.5 ms (docs/performance.md). The rest is in
a registry of prometheus_client that is passed in.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as CollectedMetric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.metrics import catalogue, text_format
from exporter.metrics.metric import Metric
from exporter.model import Query, Reason, Scope, SkipReason


class _Series(Protocol):
    def text(self) -> str: ...


Series = TypeVar("Series", bound=_Series)


class Count:
    """One series of a counter or a gauge."""

    __slots__ = ("_opening", "value")

    def __init__(self, metric: Metric, label_values: Sequence[str]) -> None:
        self.value = 0.0
        self._opening = text_format.opening(metric, label_values)

    def inc(self, by: float = 1) -> None:
        """Add to the value."""
        self.value += by

    def set(self, value: float) -> None:
        """Set the value of a gauge."""
        self.value = value

    def text(self) -> str:
        """Return the sample line."""
        return f"{self._opening}{text_format.number(self.value)}\n"


class Histogram:
    """The series of one histogram. ``bounds``: upper bounds of its buckets, without infinity."""

    __slots__ = ("_bounds", "_counts", "_openings", "_sum")

    def __init__(self, metric: Metric, label_values: Sequence[str], *, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        labels = text_format.opening(metric, label_values).removeprefix(metric.name).removesuffix("} ")
        ends = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._openings = [f'{metric.name}_bucket{labels},le="{end}"}} ' for end in ends]
        self._openings += [f"{metric.name}_count{labels}}} ", f"{metric.name}_sum{labels}}} "]

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def text(self) -> str:
        """Return the sample lines."""
        upto = list(accumulate(self._counts))
        values = [*upto, upto[-1], self._sum]
        return "".join(
            [
                f"{start}{text_format.number(value)}\n"
                for start, value in zip(self._openings, values, strict=True)
            ]
        )


class Family(Generic[Series]):
    """All series of one metric, whose first label is the switch."""

    def __init__(self, metric: Metric, make: Callable[[Metric, Sequence[str]], Series]) -> None:
        self.metric = metric
        self._make = make
        self._series: dict[str, dict[tuple[str, ...], Series]] = {}

    def labels(self, *values: str) -> Series:
        """Return the series with these label values. A new one starts at zero."""
        of_switch = self._series.setdefault(values[0], {})
        series = of_switch.get(values)
        if series is None:
            series = of_switch[values] = self._make(self.metric, values)
        return series

    def remove(self, switch: str) -> None:
        """Drop every series of a switch."""
        self._series.pop(switch, None)

    def block(self, switches: Collection[str] | None = None) -> bytes:
        """Return the sample lines of these switches (None: of all)."""
        chosen = [
            of_switch for switch, of_switch in self._series.items() if switches is None or switch in switches
        ]
        return "".join([series.text() for of_switch in chosen for series in of_switch.values()]).encode()


class Instruments:
    """What polling counts and measures, by switch and query."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        revision: str = "",
        log_lines_dropped: Callable[[], int] = lambda: 0,
        external_url: str | None = None,
    ) -> None:
        # By default, both formats contain `_created` series (seen, prometheus_client 0.26).
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
        durations = partial(Histogram, bounds=catalogue.REQUEST_DURATION.buckets)
        self.request_duration = Family(catalogue.REQUEST_DURATION, durations)
        self.request_failures = Family(catalogue.REQUEST_FAILURES, Count)
        self.empty_answers = Family(catalogue.EMPTY_ANSWERS, Count)
        self.rows_skipped = Family(catalogue.ROWS_SKIPPED, Count)
        self.targets_skipped = Family(catalogue.TARGETS_SKIPPED, Count)
        self.breaker_open = Family(catalogue.BREAKER_OPEN, Count)
        self._families = [value for value in vars(self).values() if isinstance(value, Family)]
        self.reload_successful = Gauge(*_declaration(catalogue.CONFIG_RELOAD_SUCCESSFUL), registry=registry)
        self.reload_timestamp = Gauge(*_declaration(catalogue.CONFIG_RELOAD_TIMESTAMP), registry=registry)
        self.file_valid = Gauge(*_declaration(catalogue.CONFIG_FILE_VALID), registry=registry)
        registry.register(_Counted(catalogue.LOG_LINES_DROPPED, log_lines_dropped))
        self.active = _Optional(catalogue.ACTIVE)
        registry.register(self.active)
        self.lease_reachable = _Optional(catalogue.LEASE_REACHABLE)
        registry.register(self.lease_reachable)
        self.lease_failures = Counter(*_declaration(catalogue.LEASE_FAILURES), registry=registry)
        build = Gauge(*_declaration(catalogue.BUILD_INFO), registry=registry)
        build.labels(__version__, revision, platform.python_version()).set(1)
        if external_url is not None:
            web = Gauge(*_declaration(catalogue.WEB_INFO), registry=registry)
            web.labels(external_url.rstrip("/")).set(1)

    def start_at_zero(self, switch: str, query: Query, scope: Scope, *, has_rows: bool) -> None:
        """Create all counters of a query at zero: a counter that starts at 1 shows no increase.

        ``has_rows``: whether rows or nodes of its responses can be skipped.
        """
        self.request_duration.labels(switch, query)
        self.empty_answers.labels(switch, query)
        if has_rows:
            self.rows_skipped.labels(switch, query)
        for reason in Reason:
            self.request_failures.labels(switch, query, reason)
        for skip in SkipReason:
            self.targets_skipped.labels(switch, query, scope, skip)

    def start_lease(self, reasons: Iterable[str]) -> None:
        """Create the counters of failures at zero."""
        for reason in reasons:
            self.lease_failures.labels(reason)

    def remove(self, switch: str) -> None:
        """Drop every series of a switch that is not polled any more."""
        for family in self._families:
            family.remove(switch)

    def of(self, switches: Collection[str] | None) -> "InstrumentsOf":
        """Return the series of these switches (None: of all)."""
        return InstrumentsOf(self._families, switches)

    def sample_lines(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the current sample lines of a metric."""
        return self.of(None).sample_lines(metric)


class InstrumentsOf:
    """The series of some switches (None: of all) in the families of the instruments."""

    def __init__(
        self, families: Iterable[Family[Count] | Family[Histogram]], switches: Collection[str] | None
    ) -> None:
        self._families = families
        self._switches = switches

    def sample_lines(self, metric: Metric) -> Iterable[Collection[bytes]]:
        """Return the current sample lines of a metric."""
        blocks = [family.block(self._switches) for family in self._families if family.metric is metric]
        return [[block] for block in blocks if block]


class _Counted(Collector):
    """A counter whose value is kept elsewhere."""

    def __init__(self, metric: Metric, count: Callable[[], int]) -> None:
        self._metric = metric
        self._count = count

    def collect(self) -> Iterable[CollectedMetric]:
        yield CounterMetricFamily(self._metric.name, self._metric.help, value=self._count())


class _Optional(Collector):
    """A gauge that is absent while its value is None."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self.value: float | None = None

    def collect(self) -> Iterable[CollectedMetric]:
        if self.value is not None:
            yield GaugeMetricFamily(self._metric.name, self._metric.help, value=self.value)


def _declaration(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return metric.name, metric.help, metric.labels
