"""Which phones are not registered: some never are, others lose their registration for a while."""

from typing import NamedTuple

from exporter.simulator.chance import DROPPED, OUTAGES, SPARES, draw, fraction
from exporter.simulator.installation import Tenant

_SLOT = 3600
_SHORTEST = 300
_LONGEST = 3600
_OUTAGES_PER_PHONE_AND_SLOT = 0.06
_SPARE_SHARE = 0.03


class Outage(NamedTuple):
    """One phone that is out of reach from ``start`` up to ``end``, in seconds of the simulated world."""

    start: float
    end: float
    position: int


def slot_of(moment: float) -> int:
    """Return the hour for which ``outages`` are listed."""
    return int(moment // _SLOT)


def outages(seed: int, tenant: Tenant, slot: int) -> tuple[Outage, ...]:
    """Return every outage that can touch a slot; none lasts into the slot after the next."""
    return tuple(
        _outage(draw(seed, OUTAGES, tenant.index, begun, which), begun, tenant.extensions)
        for begun in (slot - 1, slot)
        for which in range(_how_many(seed, tenant, begun))
    )


def _how_many(seed: int, tenant: Tenant, slot: int) -> int:
    expected = tenant.extensions * _OUTAGES_PER_PHONE_AND_SLOT
    return int(expected + fraction(seed, OUTAGES, tenant.index, slot)) if tenant.extensions else 0


def _outage(chance: int, slot: int, extensions: int) -> Outage:
    start = slot * _SLOT + chance % _SLOT
    lasts = _SHORTEST + (chance >> 16) % (_LONGEST - _SHORTEST)
    return Outage(start, start + lasts, (chance >> 32) % extensions)


def spares(seed: int, tenant: Tenant) -> frozenset[int]:
    """Return the phones that were set up and never connected."""
    if not tenant.extensions:
        return frozenset()
    count = int(tenant.extensions * _SPARE_SHARE + fraction(seed, SPARES, tenant.index))
    return frozenset(draw(seed, SPARES, tenant.index, which) % tenant.extensions for which in range(count))


def dropped(seed: int, tenant: Tenant, share: float) -> frozenset[int]:
    """Return the phones that a fault holds off: that share of them, 0 to 1.

    Where the share is not a whole number of phones, chance rounds, so that over many tenants it is met.
    """
    count = int(tenant.extensions * share + fraction(seed, DROPPED, tenant.index))
    first = draw(seed, DROPPED, tenant.index, 1)
    return frozenset((first + which) % tenant.extensions for which in range(min(count, tenant.extensions)))
