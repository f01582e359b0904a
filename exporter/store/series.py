"""The series of one switch: values with their sample lines, and what is dropped above ``max_series``."""

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

from exporter.metrics import catalogue, text_format
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import DropRank, Metric
from exporter.metrics.text_format import Values, count

Place = tuple[Metric, str, str]
"""A metric, a tenant code ("" for the switch), and a part ("" for the whole)."""

_BYTES_PER_SERIES = 256
"""A line with typical labels has 80 to 130 bytes. Longer ones count as several, to bound the memory."""

_RESTORE_BELOW = 0.9
"""Share of the limit below which detail is restored, so that it does not come and go with every phone."""

_RANKS = tuple(frozenset(metric for metric in METRICS if metric.drop is rank) for rank in DropRank)


class SeriesLimit:
    """The limit of ``most`` series: which ranks are dropped to stay below it, and how much at each place."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._ranks_dropped = 0
        self._dropped: dict[Place, int] = {}
        self._dropped_of_rank = [0] * len(_RANKS)

    @property
    def is_strained(self) -> bool:
        """Whether anything is dropped, or was dropped and is not back yet."""
        return bool(self._ranks_dropped or self._dropped)

    @property
    def is_limited(self) -> bool:
        """Whether any rank is dropped."""
        return self._ranks_dropped > 0

    @property
    def drops_tenants(self) -> bool:
        """Whether even the values of tenants are dropped."""
        return self._ranks_dropped > DropRank.TENANT

    def drops(self, metric: Metric, tenant: str) -> bool:
        """Return whether a metric is dropped for a tenant; the switch is tenant ""."""
        if metric.drop is None or (metric.drop is DropRank.TENANT_STATUS and not tenant):
            return False
        return metric.drop < self._ranks_dropped

    def note_dropped(self, place: Place, load: int) -> None:
        """Record the load of the series that are dropped at a place, 0 if none is dropped."""
        before = self._dropped.pop(place, 0)
        if load:
            self._dropped[place] = load
        rank = place[0].drop
        if rank is not None:
            self._dropped_of_rank[rank] += load - before

    def remove(self, tenants: Collection[str]) -> None:
        """Drop the records about tenants that left."""
        for place in [place for place in self._dropped if place[1] in tenants]:
            self.note_dropped(place, 0)

    def has_dropped(self, place: Place) -> bool:
        """Return whether any series is dropped at a place."""
        return place in self._dropped

    def tighten(self, load: int) -> frozenset[Metric]:
        """Return the metrics of the next rank to drop if the load is above the limit."""
        if load <= self.most or self._ranks_dropped == len(_RANKS):
            return frozenset()
        self._ranks_dropped += 1
        return _RANKS[self._ranks_dropped - 1]

    def relax(self, load: int) -> bool:
        """Stop dropping the ranks that fit again; the next responses restore their values.

        Returns whether one of these ranks comes from the configuration: the caller must set its values again.
        """
        is_configured = False
        while self._ranks_dropped:
            rank = self._ranks_dropped - 1
            load += self._dropped_of_rank[rank]
            if load > self.most * _RESTORE_BELOW:
                break
            self._ranks_dropped = rank
            is_configured = is_configured or rank == DropRank.TENANT_CONFIG
        return is_configured


def load_of(series: int, size: int) -> int:
    """Return how many series count against the limit: more than there are if their lines are very long."""
    return max(series, size // _BYTES_PER_SERIES)


T = TypeVar("T")

_COUNTS = {float(number): float(number) for number in range(256)}
"""Common values. Sharing one object for all series, as for labels, saves 70 of 255 bytes per series."""


class CopyOnWrite(Generic[T]):
    """A mapping by tenant whose snapshots cost nothing.

    Copying the references to a million series for a scrape blocked the event loop for 15 ms. So a snapshot is
    the mapping itself, and the next change is made to a copy. An equal value does not replace the previous
    one, so readers can compare by identity.
    """

    __slots__ = ("_is_shared", "_items")

    def __init__(self) -> None:
        self._items: dict[str, T] = {}
        self._is_shared = False

    def __len__(self) -> int:
        return len(self._items)

    def get(self, tenant: str) -> T | None:
        """Return the value of a tenant."""
        return self._items.get(tenant)

    def put(self, tenant: str, value: T) -> T | None:
        """Set the value of a tenant; return the previous one."""
        before = self._items.get(tenant)
        if before != value:
            self._own()
            self._items[tenant] = value
        return before

    def remove(self, tenant: str) -> T | None:
        """Remove the value of a tenant, if there is one, and return it."""
        if tenant not in self._items:
            return None
        self._own()
        return self._items.pop(tenant)

    def snapshot(self) -> Mapping[str, T]:
        """Return all current values: the same mapping as before if nothing has changed."""
        self._is_shared = True
        return self._items

    def _own(self) -> None:
        if self._is_shared:
            self._items = self._items.copy()
            self._is_shared = False


class _Family:
    """One metric, or one part of it: the values of each tenant and their sample lines."""

    __slots__ = ("lines", "values")

    def __init__(self) -> None:
        self.values: CopyOnWrite[Values] = CopyOnWrite()
        self.lines: CopyOnWrite[bytes] = CopyOnWrite()


class SeriesTable:
    """The values of one switch by metric, tenant and part, and their sample lines.

    The lines are a cache that is never parsed. They are rendered when values are set, not for a scrape:
    rendering 330,000 series at once takes a second, joining their lines 40 ms (docs/performance.md).
    ``series``: the number of series. Beyond ``limit``, detail is dropped.
    """

    def __init__(self, switch: str, limit: SeriesLimit) -> None:
        self.series = 0
        self._switch = switch
        self._limit = limit
        self._bytes = 0
        self._families: defaultdict[Metric, dict[str, _Family]] = defaultdict(dict)

    @property
    def load(self) -> int:
        """How many series count against the limit."""
        return load_of(self.series, self._bytes)

    def get(self, place: Place) -> Values | None:
        """Return the values at a place; None if there are none."""
        metric, tenant, part = place
        family = self._families[metric].get(part)
        return family.values.get(tenant) if family else None

    def snapshot(self, metric: Metric) -> Mapping[str, Mapping[str, Values]]:
        """Return the values of a metric by part and tenant. Unchanged values are the same objects."""
        return {part: family.values.snapshot() for part, family in self._families[metric].items()}

    def lines(self, metric: Metric) -> Mapping[str, Mapping[str, bytes]]:
        """Return the sample lines of a metric by part and tenant."""
        return {part: family.lines.snapshot() for part, family in self._families[metric].items()}

    def set(
        self,
        place: Place,
        values: Values,
        *,
        common: tuple[str, ...] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Set the values at a place.

        ``common``: the values of the labels that all lines share; by default the switch, and the tenant and
        the part if the metric has these labels. ``more``: labels from the configuration. Raises TypeError for
        a mapping if the catalogue declares a single value, or the reverse.
        """
        metric = place[0]
        if isinstance(values, (float, int)) is bool(metric.per):
            expected = f"a value for each {metric.per}" if metric.per else "a single value"
            raise TypeError(f"{metric.name}: expected {expected}, got {type(values).__name__}")
        if values == self.get(place) and more is None and not self._limit.is_strained:
            return
        values = _as_floats(values)
        if common is None:
            common = self._common(place)
        self._put_within_limit(place, values, text_format.block(metric, common, values, more or {}))
        self.tighten()

    def remove(self, place: Place) -> None:
        """Remove the values at a place, and the record of what is dropped there."""
        self._replace(place, {}, b"")
        if self._limit.is_strained:
            self._limit.note_dropped(place, 0)

    def remove_tenants(self, tenants: Collection[str]) -> None:
        """Remove all values of tenants."""
        places = [(metric, part) for metric, by_part in self._families.items() for part in by_part]
        for metric, part in places:
            for tenant in tenants:
                self._replace((metric, tenant, part), {}, b"")
        self._limit.remove(tenants)

    def tighten(self) -> None:
        """Drop detail until the rest is within the limit."""
        while metrics := self._limit.tighten(self.load):
            for metric in metrics:
                lines = self.lines(metric)
                for part, by_tenant in self.snapshot(metric).items():
                    for tenant, values in by_tenant.items():
                        self._put_within_limit((metric, tenant, part), values, lines[part][tenant])

    def is_dropped(self, places: Collection[Place]) -> bool:
        """Return whether everything that was set at these places is dropped."""
        has_dropped = any(self._limit.has_dropped(place) for place in places)
        return has_dropped and all(self.get(place) is None for place in places)

    def _put_within_limit(self, place: Place, values: Values, lines: bytes) -> None:
        if self._limit.is_strained:
            all_values, all_lines = values, lines
            if self._limit.drops(*place[:2]):
                values = self._watched(place, values)
                lines = text_format.block(place[0], self._common(place), values) if values else b""
            dropped = load_of(count(all_values) - count(values), len(all_lines) - len(lines))
            self._limit.note_dropped(place, dropped)
        self._replace(place, values, lines)

    def _watched(self, place: Place, values: Values) -> Mapping[str, float]:
        """Return the values that stay when a metric is dropped: those of watched extensions."""
        metric, tenant, _ = place
        watched = self.get((catalogue.EXTENSION_WATCHED, tenant, ""))
        if metric.drop is DropRank.EXTENSION and isinstance(watched, Mapping) and isinstance(values, Mapping):
            return {extension: value for extension, value in values.items() if extension in watched}
        return {}

    def _replace(self, place: Place, values: Values, lines: bytes) -> None:
        """Replace the values and lines at a place; without any, clear it."""
        metric, tenant, part = place
        by_part = self._families[metric]
        family = by_part.get(part)
        if family is None:
            family = by_part[part] = _Family()
        if lines:
            before = family.values.put(tenant, values)
            lines_before = family.lines.put(tenant, lines)
        else:
            before = family.values.remove(tenant)
            lines_before = family.lines.remove(tenant)
            if not family.lines:  # nodes may get new names every day
                del by_part[part]
        self.series += count(values) - (0 if before is None else count(before))
        self._bytes += len(lines) - len(lines_before or b"")

    def _common(self, place: Place) -> tuple[str, ...]:
        metric, tenant, part = place
        if metric.part:
            return self._switch, tenant, part
        return (self._switch, tenant) if "tenant" in metric.labels else (self._switch,)


def _as_floats(values: Values) -> Values:
    """Return a copy that the caller cannot change."""
    if isinstance(values, (float, int)):
        return float(_COUNTS.get(values, values))
    return {sys.intern(str(label)): float(_COUNTS.get(value, value)) for label, value in values.items()}
