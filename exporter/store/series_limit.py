"""Which families are dropped above ``max_series``: rank by rank, and whole ranks alone."""

from collections.abc import Collection

from exporter.metrics.catalogue import METRICS, DropRank, Metric

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
