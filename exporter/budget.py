"""Which detail is left out where there are too many series: rank by rank, and whole ranks alone."""

from exporter import catalogue
from exporter.catalogue import Metric

Place = tuple[Metric, str, str]
"""A family, whose it is (a tenant code, or "" for the switch), and the part, where it comes part by part."""

_RANKS: tuple[frozenset[Metric], ...] = (
    frozenset({catalogue.EXTENSION_REGISTERED}),  # without the watched ones
    frozenset({catalogue.TENANT_NODE_PEERS, catalogue.TENANT_NODE_CHANNELS}),
    frozenset(
        {
            catalogue.TENANT_PEERS,
            catalogue.TENANT_CHANNELS,
            catalogue.TENANT_CALLS,
            catalogue.TENANT_BALANCE,
            catalogue.TENANT_EXTENSIONS,
        }
    ),
)
"""What is withheld, the first rank first (design, section 5)."""

_RANK_OF = {metric: rank for rank, metrics in enumerate(_RANKS) for metric in metrics}

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
        return self._withheld == len(_RANKS)

    def withholds(self, metric: Metric) -> bool:
        """Tell whether a family is withheld."""
        return _RANK_OF.get(metric, len(_RANKS)) < self._withheld

    def leave_out(self, place: Place, series: int) -> None:
        """Note how many series of a family are left out in this place; 0 where all are there."""
        before = self._left_out.pop(place, 0)
        if series:
            self._left_out[place] = series
        if series != before:
            self._left_out_of_rank[_RANK_OF[place[0]]] += series - before

    def leaves_out(self, place: Place) -> bool:
        """Tell whether anything is left out in this place."""
        return place in self._left_out

    def tighten(self, series: int) -> frozenset[Metric]:
        """Return the families to withhold from now on, so that this many series become fewer."""
        if series <= self.most or self.withholds_tenants:
            return frozenset()
        self._withheld += 1
        return _RANKS[self._withheld - 1]

    def relax(self, series: int) -> None:
        """Let ranks come back with their next answers, where they would fit with room to spare."""
        while self._withheld:
            rank = self._withheld - 1
            if series + self._left_out_of_rank[rank] > self.most * _ROOM_TO_SPARE:
                return
            self._withheld = rank
