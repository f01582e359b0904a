"""The simulated installation as it is at a moment: phones, calls, credit, license.

Everything is computed from the seed, the moment and the changes in force, when it is asked for. The truth and
the answers read the same figures, so they agree.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from exporter.simulator.phones import Overrides, Phones
from exporter.simulator.tenants import (
    Tenant,
    calls_wanted,
    channels_of,
    make_tenants,
    natural_balance,
    node_names,
    spent,
)

_DAY = 86400
_LICENSE_DAYS = 45
_MORNING = 9 * 3600.0
"""The world begins at nine in the morning, when there is something to see."""


class WorldClock:
    """Tells the moment: seconds since the world's first midnight.

    It moves once per second of ``clock``, by ``speed`` seconds. So all answers within one second describe
    the same moment and agree with each other.
    """

    def __init__(self, clock: Callable[[], float], *, speed: float = 1.0) -> None:
        self._clock = clock
        self._speed = speed
        self._since = clock()
        self._moment = _MORNING
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen

    @property
    def speed(self) -> float:
        """Seconds of the world per second of ours."""
        return self._speed

    def moment(self) -> float:
        """Return the seconds since the world's first midnight."""
        return self._moment if self._frozen else self._moment + int(self._clock() - self._since) * self._speed

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop time, or let it go on from where it stopped."""
        self._settle()
        self._frozen = frozen

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from here. Raises ValueError where it is not above 0."""
        if not speed > 0:
            raise ValueError("the speed must be above 0")
        self._settle()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Skip seconds of the world, frozen or not."""
        self._settle()
        self._moment += seconds

    def _settle(self) -> None:
        now = self._clock()
        # The begun second is kept, or else whoever changes something often would hold time still.
        begun = 0.0 if self._frozen else (now - self._since) % 1
        self._moment = self.moment()
        self._since = now - begun


class Figures(NamedTuple):
    """Counts at one moment. ``peers`` and ``channels`` are by node and hold every node that is present."""

    peers: dict[str, int]
    channels: dict[str, int]
    calls: int


class World:
    """An installation that lives. ``time`` is its clock and ``overrides`` what was changed in it.

    ``clock`` counts seconds of ours; ``speed`` is how many seconds pass in the world for each of them.
    Raises ValueError for sizes that cannot be.
    """

    def __init__(
        self,
        *,
        tenants: int = 20,
        nodes: int = 4,
        extensions: int = 10,
        seed: int = 1,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seed = seed
        self.time = WorldClock(clock, speed=speed)
        self.overrides = Overrides()
        self.all_nodes = node_names(nodes)
        self.all_tenants = make_tenants(tenants, extensions, nodes, seed)
        self.phones = Phones(seed, self.all_nodes, self.overrides)
        self._begun = self.time.moment()
        self._by_code = {tenant.code: tenant for tenant in self.all_tenants}
        self._whole: tuple[float, int, Figures] | None = None

    def moment(self) -> float:
        """Return the seconds since the world's first midnight."""
        return self.time.moment()

    def nodes(self) -> list[str]:
        """Return the nodes that are present, in order."""
        return [node for node in self.all_nodes if node not in self.overrides.absent_nodes]

    def tenants(self) -> Iterator[Tenant]:
        """Yield the tenants on the list, the disabled ones among them."""
        return (tenant for tenant in self.all_tenants if tenant.code not in self.overrides.absent_tenants)

    def tenant(self, code: str) -> Tenant | None:
        """Return the tenant with this code, or None where the switch does not know it."""
        return None if code in self.overrides.absent_tenants else self._by_code.get(code)

    def disabled(self, tenant: Tenant) -> bool:
        """Return whether a tenant is switched off."""
        return self.overrides.disabled.get(tenant.code, tenant.disabled)

    def max_channels(self, tenant: Tenant) -> int:
        """Return how many channels a tenant may use; -1 is any number."""
        return self.overrides.max_channels.get(tenant.code, tenant.max_channels)

    def license_days(self, moment: float) -> int:
        """Return the days of license that are left; below 0 once it has run out."""
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
        peers, channels, calls = self._figures_where_any(tenant, moment)
        return Figures(
            {node: peers.get(node, 0) for node in nodes},
            {node: channels.get(node, 0) for node in nodes},
            calls,
        )

    def whole(self, moment: float) -> Figures:
        """Return the counts of the whole installation: the sums over its tenants."""
        generation = self.overrides.generation
        if self._whole is not None and self._whole[:2] == (moment, generation):
            return self._whole[2]
        peers = dict.fromkeys(self.nodes(), 0)
        channels = dict(peers)
        calls = 0
        for tenant in self.tenants():
            of_tenant = self._figures_where_any(tenant, moment)
            _add(peers, of_tenant.peers)
            _add(channels, of_tenant.channels)
            calls += of_tenant.calls
        whole = Figures(peers, channels, calls)
        self._whole = (moment, generation, whole)
        return whole

    def _figures_where_any(self, tenant: Tenant, moment: float) -> Figures:
        """Return a tenant's counts on the nodes it uses: its own few, not all of the installation's."""
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
        # Not ``+=``: sums are made in a thread, and a node may come back in the middle of one.
        sums[node] = sums.get(node, 0) + count
