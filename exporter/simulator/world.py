"""The state of the simulated installation at a moment: phones, calls, credit, license.

Everything is computed on request from the seed, the moment and the overrides.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from exporter.simulator.overrides import Overrides
from exporter.simulator.phones import Phones
from exporter.simulator.tenants import (
    ONLY_SIP,
    Technologies,
    Tenant,
    calls_wanted,
    channels_of,
    make_tenants,
    natural_balance,
    node_names,
    spent,
)

_DAY = 86400
_CHANGES_KEPT = 1000
_LICENSE_DAYS = 45
MOST_QUEUES = 1000
"""Of a tenant; their ids are consecutive."""

_MORNING = 9 * 3600.0
"""Simulated time starts at 9 a.m., when there is traffic."""


class WorldClock:
    """The clock of the simulated world.

    It advances once per second of ``clock``, by ``speed`` seconds, so that all responses within one second
    describe the same moment and agree with each other.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        speed: float = 1.0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._to_wall_time = wall_clock() - clock()
        self.speed = speed
        self._since = clock()
        self._moment = _MORNING
        self.frozen = False
        self._changes: deque[tuple[float, float, float]] = deque(maxlen=_CHANGES_KEPT)
        self._record_change()

    def wall_time(self) -> float:
        """Return the seconds since 1970. They pass at the speed of ``clock``, also while time is frozen."""
        return self._clock() + self._to_wall_time

    def set_wall_time(self, seconds: float) -> None:
        """Set the seconds since 1970."""
        self._to_wall_time = seconds - self._clock()

    def moment(self) -> float:
        """Return the seconds since the first simulated midnight."""
        return self._moment if self.frozen else self._moment + int(self._clock() - self._since) * self.speed

    def moment_at(self, wall_time: float) -> float:
        """Return the moment at a time in seconds since 1970, also before the start."""
        then = wall_time - self._to_wall_time
        changes = (change for change in reversed(self._changes) if change[0] <= then)
        since, moment, rate = next(changes, self._changes[0])
        return moment + (then - since) * rate

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop time, or resume it."""
        self._settle()
        self.frozen = frozen
        self._record_change()

    def set_speed(self, speed: float) -> None:
        """Change the speed, which is above 0."""
        self._settle()
        self.speed = speed
        self._record_change()

    def advance(self, seconds: float) -> None:
        """Skip simulated seconds, frozen or not."""
        self._settle()
        self._moment += seconds
        self._record_change()

    def _settle(self) -> None:
        now = self._clock()
        # The started second is kept, or frequent changes would stop time.
        begun = 0.0 if self.frozen else (now - self._since) % 1
        self._moment = self.moment()
        self._since = now - begun

    def _record_change(self) -> None:
        """Remember since when which moment advances at which speed."""
        self._changes.append((self._since, self._moment, 0.0 if self.frozen else self.speed))


class Figures(NamedTuple):
    """Counts at a point in time. ``peers`` and ``channels`` have an entry per present node."""

    peers: dict[str, int]
    channels: dict[str, int]
    calls: int


@dataclass(frozen=True, slots=True)
class Size:
    """How large an installation is. ``extensions`` and ``queues`` are those of each tenant.

    Raises ValueError for invalid sizes.
    """

    tenants: int = 20
    nodes: int = 4
    extensions: int = 10
    queues: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.queues <= MOST_QUEUES:
            raise ValueError(f"queues: expected at least 0 and at most {MOST_QUEUES}")


class World:
    """A simulated installation. ``time`` is its clock; ``overrides`` has the requested changes.

    Raises ValueError for invalid sizes.
    """

    def __init__(
        self,
        size: Size = Size(),
        *,
        seed: int = 1,
        technologies: Technologies = ONLY_SIP,
        clock: WorldClock | None = None,
    ) -> None:
        self.seed = seed
        self.queues = size.queues
        self.time = clock or WorldClock()
        self.overrides = Overrides()
        self.all_nodes = node_names(size.nodes)
        self.all_tenants = make_tenants(size.tenants, size.extensions, size.nodes, seed, technologies)
        self.phones = Phones(seed, self.all_nodes, self.overrides)
        self._begun = self.time.moment()
        self._by_name = {tenant.name: tenant for tenant in self.all_tenants}
        self._by_name |= {tenant.code: tenant for tenant in self.all_tenants}
        self._whole: tuple[float, int, Figures] | None = None

    def moment(self) -> float:
        """Return the seconds since the first simulated midnight."""
        return self.time.moment()

    def nodes(self) -> list[str]:
        """Return the present nodes, in order."""
        return [node for node in self.all_nodes if node not in self.overrides.absent_nodes]

    def tenants(self) -> Iterator[Tenant]:
        """Yield the present tenants, including disabled ones."""
        return (tenant for tenant in self.all_tenants if tenant.code not in self.overrides.absent_tenants)

    def tenant(self, name: str) -> Tenant | None:
        """Return the present tenant with this code or name (documented, wire notes 2026-10), or None."""
        tenant = self._by_name.get(name)
        return None if tenant is None or tenant.code in self.overrides.absent_tenants else tenant

    def disabled(self, tenant: Tenant) -> bool:
        """Return whether a tenant is disabled."""
        return self.overrides.disabled.get(tenant.code, tenant.disabled)

    def max_channels(self, tenant: Tenant) -> int:
        """Return a tenant's channel limit; -1 is unlimited."""
        return self.overrides.max_channels.get(tenant.code, tenant.max_channels)

    def license_days(self, moment: float) -> int:
        """Return the remaining days of the license; negative once it has expired."""
        days, since = self.overrides.license_days or (_LICENSE_DAYS, self._begun)
        return int(days) - int((moment - since) // _DAY)

    def balance(self, tenant: Tenant, moment: float) -> float:
        """Return a tenant's credit in currency, to four decimals."""
        setting = self.overrides.balances.get(tenant.code)
        if setting is None:
            return round(natural_balance(tenant, moment), 4)
        return round(setting.value - spent(tenant, moment) + spent(tenant, setting.moment), 4)

    def figures(self, tenant: Tenant, moment: float) -> Figures:
        """Return the counts of one tenant."""
        nodes = self.nodes()
        peers, channels, calls = self._own_figures(tenant, moment)
        return Figures(
            {node: peers.get(node, 0) for node in nodes},
            {node: channels.get(node, 0) for node in nodes},
            calls,
        )

    def whole(self, moment: float) -> Figures:
        """Return the counts of the installation: the sums over its tenants."""
        generation = self.overrides.generation
        if self._whole is not None and self._whole[:2] == (moment, generation):
            return self._whole[2]
        peers = dict.fromkeys(self.nodes(), 0)
        channels = dict(peers)
        calls = 0
        for tenant in self.tenants():
            of_tenant = self._own_figures(tenant, moment)
            _add(peers, of_tenant.peers)
            _add(channels, of_tenant.channels)
            calls += of_tenant.calls
        whole = Figures(peers, channels, calls)
        self._whole = (moment, generation, whole)
        return whole

    def _own_figures(self, tenant: Tenant, moment: float) -> Figures:
        """Return a tenant's counts, only with the nodes that it uses."""
        peers = self.phones.peers(tenant, moment)
        calls = self._calls(tenant, moment, sum(peers.values())) if peers else 0
        each, more = divmod(channels_of(self.seed, tenant, calls, moment), len(peers)) if calls else (0, 0)
        return Figures(peers, {node: each + (rank < more) for rank, node in enumerate(peers)}, calls)

    def _calls(self, tenant: Tenant, moment: float, registered: int) -> int:
        calls = self.overrides.calls.get(tenant.code)
        if calls is not None:
            return calls
        limit = self.max_channels(tenant)
        calls = min(calls_wanted(self.seed, tenant, moment), registered)
        return calls if limit < 0 else min(calls, limit // 2)


def _add(sums: dict[str, int], counts: dict[str, int]) -> None:
    for node, count in counts.items():
        # Not ``+=``: sums are computed in a thread, and a node may come back meanwhile.
        sums[node] = sums.get(node, 0) + count
