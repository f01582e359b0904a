"""The series of one switch: values, and beside them the sample lines that serve them."""

import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

from exporter.metrics import catalogue, text_format
from exporter.metrics.catalogue import METRICS, DropRank, Metric
from exporter.metrics.text_format import Values, count

Place = tuple[Metric, str, str]
"""A family, a tenant code ("" for the switch), and the part, where an answer comes part by part."""

BYTES_A_SERIES = 256
"""A line with usual labels has 80 to 130. Very long labels must not take the memory of many more series."""

_ROOM_TO_SPARE = 0.9
"""Of the most series: so that detail does not come and go with every phone."""

_RANKS = tuple(frozenset(metric for metric in METRICS if metric.drop is rank) for rank in DropRank)


class SeriesLimit:
    """At most ``most`` series, which ranks are dropped for that, and what each place lacks."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._ranks_dropped = 0
        self._dropped: dict[Place, int] = {}
        self._dropped_of_rank = [0] * len(_RANKS)

    @property
    def is_strained(self) -> bool:
        """Whether anything is dropped, or was and has not come back yet."""
        return bool(self._ranks_dropped or self._dropped)

    @property
    def is_limited(self) -> bool:
        """Whether any rank is dropped."""
        return self._ranks_dropped > 0

    @property
    def drops_tenants(self) -> bool:
        """Whether even the figures of the tenants are dropped."""
        return self._ranks_dropped > DropRank.TENANT

    def drops(self, metric: Metric, tenant: str) -> bool:
        """Tell whether a family is dropped for a tenant, or for the switch, which is tenant ""."""
        if metric.drop is None or (metric.drop is DropRank.TENANT_STATUS and not tenant):
            return False
        return metric.drop < self._ranks_dropped

    def note_dropped(self, place: Place, load: int) -> None:
        """Note the load of the series that are dropped in this place, 0 where all are there."""
        before = self._dropped.pop(place, 0)
        if load:
            self._dropped[place] = load
        rank = place[0].drop
        if rank is not None:
            self._dropped_of_rank[rank] += load - before

    def forget(self, tenants: Collection[str]) -> None:
        """Forget what is dropped of tenants that left."""
        for place in [place for place in self._dropped if place[1] in tenants]:
            self.note_dropped(place, 0)

    def has_dropped(self, place: Place) -> bool:
        """Tell whether any series is dropped in this place."""
        return place in self._dropped

    def tighten(self, load: int) -> frozenset[Metric]:
        """Return the families to drop from now on, so that this load becomes less."""
        if load <= self.most or self._ranks_dropped == len(_RANKS):
            return frozenset()
        self._ranks_dropped += 1
        return _RANKS[self._ranks_dropped - 1]

    def relax(self, load: int) -> bool:
        """Let ranks come back with their next answers, where they would fit with room to spare.

        Returns whether one came back that no answer brings: what is configured for each tenant.
        """
        is_configured = False
        while self._ranks_dropped:
            rank = self._ranks_dropped - 1
            load += self._dropped_of_rank[rank]
            if load > self.most * _ROOM_TO_SPARE:
                break
            self._ranks_dropped = rank
            is_configured = is_configured or rank == DropRank.TENANT_CONFIG
        return is_configured


def load_of(series: int, size: int) -> int:
    """Return what series count for: how many they are, or more where their lines are very long."""
    return max(series, size // BYTES_A_SERIES)


T = TypeVar("T")

_COUNTS = {float(number): float(number) for number in range(256)}
"""The usual values: one object for all series, as for labels, saves 70 of 255 bytes a series."""


class CopyOnWrite(Generic[T]):
    """A mapping by tenant whose snapshots cost nothing.

    A scrape must show one moment, and copying the references to a million series blocked the event loop for
    15 ms. So a snapshot is the mapping itself, and the first change after it is made to a copy. A value that
    equals the one before does not replace it, so readers can compare by identity.
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

    def put(self, tenant: str, value: T) -> None:
        """Set the value of a tenant."""
        if self._items.get(tenant) != value:
            self._own()
            self._items[tenant] = value

    def remove(self, tenant: str) -> None:
        """Remove the value of a tenant, where there is one."""
        if tenant in self._items:
            self._own()
            del self._items[tenant]

    def snapshot(self) -> Mapping[str, T]:
        """Return all values as they are now: the same mapping as before if nothing has changed."""
        self._is_shared = True
        return self._items

    def _own(self) -> None:
        if self._is_shared:
            self._items = self._items.copy()
            self._is_shared = False


class _Family:
    """One family, or one part of it: the values of each tenant, and the lines that serve them."""

    __slots__ = ("lines", "values")

    def __init__(self) -> None:
        self.values: CopyOnWrite[Values] = CopyOnWrite()
        self.lines: CopyOnWrite[bytes] = CopyOnWrite()


class SeriesTable:
    """The values of one switch by family, tenant and part, and the sample lines that serve them.

    The lines are a cache: nothing reads them back. They are made when values are set, not when a scrape needs
    them: making those of 330,000 series at once takes a second, joining them 40 ms (docs/performance.md).
    ``series``: how many there are. Beyond ``limit``, detail is dropped.
    """

    def __init__(self, switch: str, limit: SeriesLimit) -> None:
        self.series = 0
        self._switch = switch
        self._limit = limit
        self._bytes = 0
        self._families: defaultdict[Metric, dict[str, _Family]] = defaultdict(dict)

    @property
    def load(self) -> int:
        """What the series count for against the limit."""
        return load_of(self.series, self._bytes)

    def get(self, place: Place) -> Values | None:
        """Return the values of a place, None where nothing is known."""
        metric, tenant, part = place
        family = self._families[metric].get(part)
        return family.values.get(tenant) if family else None

    def snapshot(self, metric: Metric) -> Mapping[str, Mapping[str, Values]]:
        """Return the values of a family by part and tenant. What has not changed is the same object."""
        return {part: family.values.snapshot() for part, family in self._families[metric].items()}

    def lines(self, metric: Metric) -> Mapping[str, Mapping[str, bytes]]:
        """Return the sample lines of a family by part and tenant."""
        return {part: family.lines.snapshot() for part, family in self._families[metric].items()}

    def set(
        self,
        place: Place,
        values: Values,
        *,
        common: tuple[str, ...] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Set the values of a place.

        ``common``: the values of ``metric.common``; by default they are the switch and the tenant, where the
        family has that label. ``more``: labels from the configuration. Raises TypeError where the catalogue
        declares a single value and there is a mapping, or the reverse.
        """
        metric, tenant, _ = place
        if isinstance(values, float | int) is bool(metric.per):
            expected = f"a value for each {metric.per}" if metric.per else "a single value"
            raise TypeError(f"{metric.name}: expected {expected}, got {type(values).__name__}")
        if values == self.get(place) and more is None and not self._limit.is_strained:
            return
        values = _as_floats(values)
        if common is None:
            common = self._common(metric, tenant)
        self._put_within_limit(place, values, text_format.block(metric, common, values, more or {}))
        self.tighten()

    def remove(self, place: Place) -> None:
        """Remove the values of a place, and forget which of them were dropped."""
        self._replace(place, {}, b"")
        if self._limit.is_strained:
            self._limit.note_dropped(place, 0)

    def remove_tenants(self, tenants: Collection[str]) -> None:
        """Remove everything about tenants."""
        places = [(metric, part) for metric, by_part in self._families.items() for part in by_part]
        for metric, part in places:
            for tenant in tenants:
                self._replace((metric, tenant, part), {}, b"")
        self._limit.forget(tenants)

    def tighten(self) -> None:
        """Drop detail until the rest is within the limit."""
        while metrics := self._limit.tighten(self.load):
            for metric in metrics:
                lines = self.lines(metric)
                for part, by_tenant in self.snapshot(metric).items():
                    for tenant, values in by_tenant.items():
                        self._put_within_limit((metric, tenant, part), values, lines[part][tenant])

    def is_dropped(self, places: Collection[Place]) -> bool:
        """Tell whether all that was set in these places is dropped."""
        has_dropped = any(self._limit.has_dropped(place) for place in places)
        return has_dropped and all(self.get(place) is None for place in places)

    def _put_within_limit(self, place: Place, values: Values, lines: bytes) -> None:
        if self._limit.is_strained:
            all_values, all_lines = values, lines
            if self._limit.drops(*place[:2]):
                values = self._watched(place, values)
                lines = text_format.block(place[0], self._common(*place[:2]), values) if values else b""
            dropped = load_of(count(all_values) - count(values), len(all_lines) - len(lines))
            self._limit.note_dropped(place, dropped)
        self._replace(place, values, lines)

    def _watched(self, place: Place, values: Values) -> Mapping[str, float]:
        """Return the values that stay when a family is dropped: those of watched extensions."""
        metric, tenant, _ = place
        watched = self.get((catalogue.EXTENSION_WATCHED, tenant, ""))
        if metric.drop is DropRank.EXTENSION and isinstance(watched, Mapping) and isinstance(values, Mapping):
            return {extension: value for extension, value in values.items() if extension in watched}
        return {}

    def _replace(self, place: Place, values: Values, lines: bytes) -> None:
        """Put values and their lines in the place of those before; without any, the place is empty."""
        metric, tenant, part = place
        by_part = self._families[metric]
        family = by_part.get(part)
        if family is None:
            family = by_part[part] = _Family()
        before = family.values.get(tenant)
        self.series += count(values) - (0 if before is None else count(before))
        self._bytes += len(lines) - len(family.lines.get(tenant) or b"")
        if lines:
            family.values.put(tenant, values)
            family.lines.put(tenant, lines)
            return
        family.values.remove(tenant)
        family.lines.remove(tenant)
        if not family.lines:  # nodes may have new names every day
            del by_part[part]

    def _common(self, metric: Metric, tenant: str) -> tuple[str, ...]:
        return (self._switch, tenant) if "tenant" in metric.labels else (self._switch,)


def _as_floats(values: Values) -> Values:
    """Return a copy, which the caller cannot change."""
    if isinstance(values, float | int):
        return float(_COUNTS.get(values, values))
    return {sys.intern(str(label)): float(_COUNTS.get(value, value)) for label, value in values.items()}
