"""Which phones are registered at a moment, and on which node.

Some never are, others lose their registration for a while, and ``Overrides`` holds what was changed.
"""

from typing import NamedTuple, TypeVar

from exporter.simulator.tenants import DROPPED, OUTAGES, SPARES, Tenant, draw, fraction

_SLOT = 3600
_SHORTEST = 300
_LONGEST = 3600
_OUTAGES_PER_PHONE_AND_SLOT = 0.06
_SPARE_SHARE = 0.03
_Value = TypeVar("_Value")


class Setting(NamedTuple):
    """A value and the moment at which it was set; from there on it changes as it would by itself."""

    value: float
    moment: float


class Overrides:
    """Every change that is in force. ``generation`` grows with each, so that sums can be kept until then."""

    def __init__(self) -> None:
        self.generation = 0
        self._clear()

    def _clear(self) -> None:
        self.absent_nodes: dict[str, bool] = {}
        self.absent_tenants: dict[str, bool] = {}
        self.disabled: dict[str, bool] = {}
        self.dropped: dict[str, float] = {}  # "": of every tenant
        self.calls: dict[str, int] = {}
        self.balances: dict[str, Setting] = {}
        self.max_channels: dict[str, int] = {}
        self.license_days: Setting | None = None

    def restore(self) -> None:
        """Take every change back."""
        self._clear()
        self.generation += 1

    def _set(self, values: dict[str, _Value], name: str, value: _Value | None) -> None:
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
        self.generation += 1

    def set_node_present(self, node: str, *, present: bool) -> None:
        """Let a node vanish, with the phones and calls on it, or come back."""
        self._set(self.absent_nodes, node, None if present else True)

    def set_tenant_present(self, code: str, *, present: bool) -> None:
        """Let a tenant vanish from the list and become unknown, or come back."""
        self._set(self.absent_tenants, code, None if present else True)

    def set_disabled(self, code: str, *, disabled: bool) -> None:
        """Disable or enable a tenant; a disabled one has no phone registered and no call."""
        self._set(self.disabled, code, disabled)

    def drop_registrations(self, share: float, code: str = "") -> None:
        """Hold off a share (0 to 1) of the phones of one tenant, or of every tenant; 0 lets them back."""
        self._set(self.dropped, code, share)

    def set_calls(self, code: str, calls: int | None) -> None:
        """Hold a tenant's calls at a number, whatever its phones and limits; None lets them go."""
        self._set(self.calls, code, calls)

    def set_balance(self, code: str, balance: float | None, moment: float) -> None:
        """Set a tenant's credit; calls go on spending it and nobody pays in. None: as it would be."""
        self._set(self.balances, code, None if balance is None else Setting(balance, moment))

    def set_max_channels(self, code: str, max_channels: int | None) -> None:
        """Set how many channels a tenant may use, -1 for any number; None: as it was set up."""
        self._set(self.max_channels, code, max_channels)

    def set_license_days(self, days: int | None, moment: float) -> None:
        """Set the days of license that are left; they go on counting down. None: as at first."""
        self.license_days = None if days is None else Setting(days, moment)
        self.generation += 1


class Outage(NamedTuple):
    """One phone that is out of reach from ``start`` up to ``end``, in seconds of the simulated world."""

    start: float
    end: float
    position: int


class _Held(NamedTuple):
    """The phones that are off for good, or until somebody takes a fault back, and by node the others."""

    generation: int
    positions: frozenset[int]
    peers: dict[str, int]


class Phones:
    """The phones of all tenants. What was computed is kept until the hour is over, or a change is made."""

    def __init__(self, seed: int, nodes: tuple[str, ...], overrides: Overrides) -> None:
        self._seed = seed
        self._nodes = nodes
        self._overrides = overrides
        self._outages: dict[str, tuple[int, tuple[Outage, ...]]] = {}
        self._held: dict[str, _Held] = {}

    def home(self, tenant: Tenant, position: int) -> str:
        """Return the node that a phone registers with."""
        return self._nodes[(tenant.first_node + position % tenant.spread) % len(self._nodes)]

    def registered(self, tenant: Tenant, position: int, moment: float) -> bool:
        """Return whether the phone of one extension is registered."""
        if self._disabled(tenant) or self.home(tenant, position) in self._overrides.absent_nodes:
            return False
        return position not in self._hold(tenant).positions and position not in self._out(tenant, moment)

    def registrations(self, tenant: Tenant, moment: float) -> list[bool]:
        """Return of each extension, in order, whether its phone is registered."""
        if self._disabled(tenant):
            return [False] * tenant.extensions
        off = self._out(tenant, moment).union(self._hold(tenant).positions)
        absent = self._overrides.absent_nodes
        return [
            position not in off and self.home(tenant, position) not in absent
            for position in range(tenant.extensions)
        ]

    def peers(self, tenant: Tenant, moment: float) -> dict[str, int]:
        """Return how many phones are registered on each node that the tenant uses and that is present."""
        if self._disabled(tenant):
            return {}
        held = self._hold(tenant)
        peers = dict(held.peers)
        for position in self._out(tenant, moment) - held.positions:
            if (node := self.home(tenant, position)) in peers:
                peers[node] -= 1
        return peers

    def _disabled(self, tenant: Tenant) -> bool:
        return self._overrides.disabled.get(tenant.code, tenant.disabled)

    def _out(self, tenant: Tenant, moment: float) -> set[int]:
        """Return the phones that have lost their registration for a while."""
        slot = slot_of(moment)
        kept = self._outages.get(tenant.code)
        if kept is None or kept[0] != slot:
            kept = self._outages[tenant.code] = (slot, outages(self._seed, tenant, slot))
        return {position for start, end, position in kept[1] if start <= moment < end}

    def _hold(self, tenant: Tenant) -> _Held:
        generation = self._overrides.generation
        held = self._held.get(tenant.code)
        if held is None or held.generation != generation:
            held = self._held[tenant.code] = self._held_now(tenant, generation)
        return held

    def _held_now(self, tenant: Tenant, generation: int) -> _Held:
        share = max(self._overrides.dropped.get(name, 0.0) for name in (tenant.code, ""))
        positions = spares(self._seed, tenant)
        if share > 0:
            positions |= dropped(self._seed, tenant, share)
        extensions, spread = tenant.extensions, tenant.spread
        peers = {
            self.home(tenant, which): (extensions - which + spread - 1) // spread for which in range(spread)
        }
        for position in positions:
            peers[self.home(tenant, position)] -= 1
        absent = self._overrides.absent_nodes
        return _Held(
            generation, positions, {node: count for node, count in peers.items() if node not in absent}
        )


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
