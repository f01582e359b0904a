"""Which detail is left out where there are too many series: rank by rank, and whole ranks alone.

The catalogue says of each family when it is dropped.
"""

from collections.abc import Collection

from exporter.metrics.catalogue import METRICS, DropRank, Metric

Place = tuple[Metric, str, str]
"""A family, whose it is (a tenant code, or "" for the switch), and the part, where it comes part by part."""

_RANKS = tuple(frozenset(metric for metric in METRICS if metric.drop is rank) for rank in DropRank)

BYTES_A_SERIES = 256
"""A line with usual labels has 80 to 130. Very long labels must not take the memory of many more series."""

_ROOM_TO_SPARE = 0.9
"""Of the most series: so that detail does not come and go with every phone."""


class Budget:
    """How many series there may be, which families are withheld for it, and what that leaves out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._withheld = 0
        self._left_out: dict[Place, int] = {}
        self._left_out_of_rank = [0] * len(_RANKS)

    @property
    def is_strained(self) -> bool:
        """Whether anything is withheld, or was and has not come back yet."""
        return bool(self._withheld or self._left_out)

    @property
    def is_limited(self) -> bool:
        """Whether anything is withheld."""
        return self._withheld > 0

    @property
    def withholds_tenants(self) -> bool:
        """Whether even the figures of the tenants are withheld."""
        return self._withheld > DropRank.TENANT

    def withholds(self, metric: Metric, tenant: str) -> bool:
        """Tell whether a family is withheld from a tenant, or from the switch, which is tenant ""."""
        if metric.drop is None or (metric.drop is DropRank.TENANT_STATUS and not tenant):
            return False
        return metric.drop < self._withheld

    def leave_out(self, place: Place, lines: bytes) -> None:
        """Note which lines of a family are left out in this place; none where all are there."""
        before = self._left_out.pop(place, 0)
        load = load_of(lines.count(b"\n"), len(lines))
        if load:
            self._left_out[place] = load
        rank = place[0].drop
        if rank is not None:
            self._left_out_of_rank[rank] += load - before

    def forget(self, tenants: Collection[str]) -> None:
        """Forget what is left out of tenants that left."""
        for place in [place for place in self._left_out if place[1] in tenants]:
            self.leave_out(place, b"")

    def leaves_out(self, place: Place) -> bool:
        """Tell whether anything is left out in this place."""
        return place in self._left_out

    def tighten(self, load: int) -> frozenset[Metric]:
        """Return the families to withhold from now on, so that this load becomes less."""
        if load <= self.most or self._withheld == len(_RANKS):
            return frozenset()
        self._withheld += 1
        return _RANKS[self._withheld - 1]

    def relax(self, load: int) -> bool:
        """Let ranks come back with their next answers, where they would fit with room to spare.

        Returns whether one came back that no answer brings: what is declared of each tenant.
        """
        is_declared = False
        while self._withheld:
            rank = self._withheld - 1
            load += self._left_out_of_rank[rank]
            if load > self.most * _ROOM_TO_SPARE:
                break
            self._withheld = rank
            is_declared = is_declared or rank == DropRank.TENANT_CONFIG
        return is_declared


def load_of(series: int, size: int) -> int:
    """Return what lines count for: how many they are, or more where they are very long."""
    return max(series, size // BYTES_A_SERIES)
