"""Which phones are registered at a moment, and on which node.

Some never register, others lose their registration for a while, and ``Overrides`` has the requested changes.
"""

from functools import lru_cache
from typing import NamedTuple

from exporter.simulator.overrides import Overrides
from exporter.simulator.tenants import DROPPED, OUTAGES, SPARES, Tenant, draw, fraction

_SLOT = 3600
_SHORTEST = 300
_LONGEST = 3600
_OUTAGES_PER_PHONE_AND_SLOT = 0.06
_SPARE_SHARE = 0.03


class Outage(NamedTuple):
    """One phone without registration from ``start`` until ``end``, in simulated seconds."""

    start: float
    end: float
    position: int


class Phones:
    """The phones of all tenants."""

    def __init__(self, seed: int, nodes: tuple[str, ...], overrides: Overrides) -> None:
        self._seed = seed
        self._nodes = nodes
        self._overrides = overrides

    def home_node(self, tenant: Tenant, position: int) -> str:
        """Return the node that a phone registers with."""
        return self._nodes[(tenant.first_node + position % tenant.spread) % len(self._nodes)]

    def registered(self, tenant: Tenant, position: int, moment: float) -> bool:
        """Return whether the phone of one extension is registered."""
        if self._disabled(tenant) or self.home_node(tenant, position) in self._overrides.absent_nodes:
            return False
        return position not in self._off(tenant, moment)

    def registrations(self, tenant: Tenant, moment: float) -> list[bool]:
        """Return whether each phone of a tenant is registered, in the order of its extensions."""
        if self._disabled(tenant):
            return [False] * tenant.extensions
        off = self._off(tenant, moment)
        absent = self._overrides.absent_nodes
        return [
            position not in off and self.home_node(tenant, position) not in absent
            for position in range(tenant.extensions)
        ]

    def peers(self, tenant: Tenant, moment: float) -> dict[str, int]:
        """Return the registered phones per present node of a tenant."""
        if self._disabled(tenant):
            return {}
        extensions, spread = tenant.extensions, tenant.spread
        peers = {
            self.home_node(tenant, which): (extensions - which + spread - 1) // spread
            for which in range(spread)
        }
        for position in self._off(tenant, moment):
            peers[self.home_node(tenant, position)] -= 1
        return {node: count for node, count in peers.items() if node not in self._overrides.absent_nodes}

    def _disabled(self, tenant: Tenant) -> bool:
        return self._overrides.disabled.get(tenant.code, tenant.disabled)

    def _off(self, tenant: Tenant, moment: float) -> set[int]:
        """Return the phones that cannot register, are spares, dropped or in an outage."""
        listed = outages(self._seed, tenant, slot_of(moment))
        off = {position for start, end, position in listed if start <= moment < end}
        share = max(self._overrides.dropped.get(name, 0.0) for name in (tenant.code, ""))
        if share > 0:
            off |= dropped(self._seed, tenant, share)
        return off | spares(self._seed, tenant) | tenant.never_register


def slot_of(moment: float) -> int:
    """Return the hour that ``outages`` lists."""
    return int(moment // _SLOT)


@lru_cache(maxsize=16_384)
def outages(seed: int, tenant: Tenant, slot: int) -> tuple[Outage, ...]:
    """Return every outage that overlaps an hour; none is longer than an hour."""
    return tuple(
        _outage(draw(seed, OUTAGES, tenant.index, begun, which), begun, tenant.extensions)
        for begun in (slot - 1, slot)
        for which in range(_outage_count(seed, tenant, begun))
    )


def _outage_count(seed: int, tenant: Tenant, slot: int) -> int:
    expected = tenant.extensions * _OUTAGES_PER_PHONE_AND_SLOT
    return int(expected + fraction(seed, OUTAGES, tenant.index, slot)) if tenant.extensions else 0


def _outage(chance: int, slot: int, extensions: int) -> Outage:
    start = slot * _SLOT + chance % _SLOT
    duration = _SHORTEST + (chance >> 16) % (_LONGEST - _SHORTEST)
    return Outage(start, start + duration, (chance >> 32) % extensions)


@lru_cache(maxsize=16_384)
def spares(seed: int, tenant: Tenant) -> frozenset[int]:
    """Return the phones that never register."""
    if not tenant.extensions:
        return frozenset()
    count = int(tenant.extensions * _SPARE_SHARE + fraction(seed, SPARES, tenant.index))
    return frozenset(draw(seed, SPARES, tenant.index, which) % tenant.extensions for which in range(count))


def dropped(seed: int, tenant: Tenant, share: float) -> frozenset[int]:
    """Return a share (0 to 1) of the phones, rounded at random so that the average over tenants is exact."""
    count = int(tenant.extensions * share + fraction(seed, DROPPED, tenant.index))
    first = draw(seed, DROPPED, tenant.index, 1)
    return frozenset((first + which) % tenant.extensions for which in range(min(count, tenant.extensions)))
