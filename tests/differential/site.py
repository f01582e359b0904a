"""A random switch: its configuration, its values, and its faults."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.model import Query, Reason, Scope, Target

TENANTS = ("ACME", "BOREAL")
NODES = ("pbx1", "pbx2")
# Of six, three may be unknown; of five, three may be all that is known.
# One name is that of a trunk and of a watched peer: the worse state counts.
TRUNKS = {"": ("carrier", "backup"), "ACME": ("carrier",), "BOREAL": ("own",)}
PEERS = {"": ("carrier", "peer"), "ACME": ("peer",), "BOREAL": ("peer",)}
PHONES = {"ACME": ("100", "101", "102", "103", "104", "105"), "BOREAL": ("100", "101", "102", "103", "104")}
QUEUES = {"ACME": ("Sales", "Support"), "BOREAL": ("Sales",)}
TRANSPORT = (Reason.TIMEOUT, Reason.CONNECT)

_ODD = (Reason.REJECTED, Reason.EMPTY, Reason.DECODE, Reason.HTTP)


@dataclass
class Fault:
    """A time in which some targets fail for one of these reasons; without a reason they never respond."""

    begins: int
    ends: int
    of: Callable[[Target], bool]
    reasons: Sequence[Reason]

    def covers(self, minute: int, target: Target) -> bool:
        """Return whether this target fails at this minute."""
        return self.begins <= minute < self.ends and self.of(target)


@dataclass
class Queue:
    """The current values of a queue."""

    waiting: int = 0
    wait: float = 0
    agents: int = 2

    def drift(self, chance: random.Random) -> None:
        """Let a minute pass."""
        if chance.random() < 0.12:
            self.waiting = chance.choice([0, 1, 3])
            self.wait = chance.choice([0, 59, 60, 61, 120, 121, 300, 301])
        if chance.random() < 0.08:
            self.agents = chance.choice([0, 0, 1, 2])


@dataclass
class Site:
    """The configuration of the switch, and its current values."""

    chance: random.Random
    license: float = 90
    present: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(NODES, True))
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 10))
    channels: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 3))
    balance: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TENANTS, 500.0))
    phones: dict[str, dict[str, int]] = field(default_factory=lambda: {code: {} for code in TENANTS})
    trunks: dict[str, dict[str, int]] = field(default_factory=lambda: _all_up(TRUNKS))
    peers: dict[str, dict[str, int]] = field(default_factory=lambda: _all_up(PEERS))
    queues: dict[str, dict[str, Queue]] = field(
        default_factory=lambda: {code: {name: Queue() for name in names} for code, names in QUEUES.items()}
    )
    is_open: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(TENANTS))
    teams: dict[str, str] = field(default_factory=dict)
    tenants: list[str] = field(default_factory=lambda: list(TENANTS))
    watched: dict[str, list[str]] = field(default_factory=dict)
    thresholds: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    license_thresholds: dict[str, float] = field(default_factory=dict)
    node_limits: dict[str, float] = field(default_factory=dict)
    tenant_limits: dict[str, float] = field(default_factory=dict)

    def configure(self) -> None:
        """Choose a configuration."""
        chance = self.chance

        def severities(warning: Sequence[float], critical: Sequence[float]) -> dict[str, float]:
            both = {"warning": chance.choice(warning), "critical": chance.choice(critical)}
            return {name: value for name, value in both.items() if chance.random() < 0.8}

        self.license_thresholds = severities([30 * 86_400, 86_400], [7 * 86_400, 86_400])
        self.node_limits = {node: 20 for node in NODES if chance.random() < 0.7}
        for code in TENANTS:
            # Chosen once: the two differ when a team changes (docs/alerting.md).
            self.teams.setdefault(code, chance.choice(["", "voice", "noc"]))
            self.thresholds[code] = {
                "balance": severities([100, 50], [20, 10]),
                "ratio": severities([0.9, 0.8], [0.5]),
                "queue_wait": severities([120, 60], [300]),
            }
        self.tenant_limits = {code: 10 for code in TENANTS if chance.random() < 0.5}

    def drift(self) -> None:
        """Let a minute pass: sometimes a value changes, at times to exactly a threshold."""
        chance = self.chance
        if chance.random() < 0.03:
            self.license = chance.choice([90, 30, 29, 7, 6, 1, 0, -2])
        for node in NODES:
            if chance.random() < 0.06:
                self.present[node] = not self.present[node] or chance.random() < 0.3
            if chance.random() < 0.12:
                self.used[node] = chance.choice([5, 15, 16, 17, 19, 20])
        self._drift_trunks()
        for code in self.tenants:
            if chance.random() < 0.12:
                self.channels[code] = chance.choice([0, 5, 8, 9, 10, 11])
            if chance.random() < 0.06:
                self.balance[code] = chance.choice([500, 100, 60, 50, 15, 10, 9.5, -3])
            if chance.random() < 0.08:
                self.phones[code] = self._phones(code)
            self._drift_queues(code)

    def _drift_queues(self, code: str) -> None:
        if self.chance.random() < 0.03:
            self.is_open[code] = self.chance.choice([None, True, True, False])
        for queue in self.queues[code].values():
            queue.drift(self.chance)

    def _drift_trunks(self) -> None:
        for states in (*self.trunks.values(), *self.peers.values()):
            for name in states:
                if self.chance.random() < 0.05:
                    states[name] = self.chance.choice([1, 1, 0, 0, -1])  # -1: unknown, or not in the list

    def _phones(self, code: str) -> dict[str, int]:
        """Return 1, 0 or -1 (unknown) for each phone."""
        kinds = self.chance.choice(
            [(1,), (0,), (0, 0, 0, 1), (1, 1, 1, 0), (1, 0, -1), (-1,), (0, -1), (1, 1, 0, 0)]
        )
        return {phone: self.chance.choice(kinds) for phone in PHONES[code]}


def _all_up(names: Mapping[str, Iterable[str]]) -> dict[str, dict[str, int]]:
    return {tenant: dict.fromkeys(each, 1) for tenant, each in names.items()}


def fault(chance: random.Random, minutes: int) -> Fault:
    """Choose a fault within ``minutes``."""
    begins = chance.randint(0, minutes)
    ends = begins + chance.choice([2, 4, 6, 12, 20, 45, 60])
    query, code = chance.choice(list(Query)), chance.choice(TENANTS)
    of, reasons = chance.choice([
        (lambda _: True, TRANSPORT),
        (lambda _: True, (Reason.AUTH,)),
        (lambda _: True, ()),
        (lambda _: True, (Reason.AUTH, *TRANSPORT)),
        (lambda target: target.scope is Scope.SWITCH, (Reason.AUTH,)),
        (lambda target: target.tenant == code, (Reason.AUTH,)),
        (lambda target: target.tenant == code, (Reason.AUTH, *_ODD)),
        (lambda target: target.query is query, _ODD),
        (lambda target: target.query is query, ()),
        (lambda target: target.query is query and target.tenant == code, ()),
        (lambda target: target.tenant == code, _ODD),
        (lambda target: target.query is Query.CALLS, (Reason.EMPTY,)),
    ])  # fmt: skip
    return Fault(begins, ends, of, reasons)
