"""A switch on which every figure is a prime number of its own, so that no mix-up gives the right value.

The totals that it states are not the sums over its nodes, and what a tenant has is no part of the whole.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.e2e.stub_switch import Parameters

NODES = ("pbx1", "pbx2", "srv03")
TENANTS = ("ACME", "BOREAL", "Ünïted 7", "CINDER")
OWN_KEY = {"BOREAL": "key-of-boreal"}
WORDS = {"100": "Registered", "101": "UNAVAILABLE", "102": "UNKNOWN", "103": "NOT_INUSE"}
STATES = {"100": 1, "101": 0, "103": 1}
"""What the words mean; 102 is unknown."""

IDLE_ON = {("BOREAL", "pbx2")}
"""A tenant and a node that it does not use: the switch says 0, and no series says it."""


@dataclass(frozen=True)
class Shape:
    """How the switch words its answers."""

    name: str
    json: bool
    channels_by_node: bool = True
    states_totals: bool = True


SHAPES = (
    Shape("json", json=True),
    Shape("plain", json=False),
    Shape("json, bare channels", json=True, channels_by_node=False),
    Shape("plain, bare channels", json=False, channels_by_node=False),
    Shape("json, no totals", json=True, states_totals=False),
    Shape("plain, no totals", json=False, states_totals=False),
)


def _primes(least: int) -> Iterator[int]:
    number = least
    while True:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
        number += 1


@dataclass(frozen=True)
class Figures:
    """The table. The tenant "" is the whole installation, the node "" the total that is stated."""

    peers: dict[tuple[str, str], int] = field(default_factory=dict)
    channels: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    balance: dict[str, float] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    license: int = 0


def _figures() -> Figures:
    primes = _primes(1009)

    def counts() -> dict[tuple[str, str], int]:
        return {
            (tenant, node): 0 if (tenant, node) in IDLE_ON else next(primes)
            for tenant in ("", *TENANTS)
            for node in ("", *NODES)
        }

    return Figures(
        peers=counts(),
        channels=counts(),
        calls={tenant: next(primes) for tenant in ("", *TENANTS)},
        # 1013 becomes 10.13, which is no other figure, whatever it is mistaken for.
        balance={tenant: next(primes) / 100 * (-1) ** place for place, tenant in enumerate(TENANTS)},
        limits={tenant: next(primes) for tenant in TENANTS},
        license=next(primes),
    )


FIGURES = _figures()


@dataclass(frozen=True)
class Switch:
    """Answers requests in one shape."""

    shape: Shape

    def answer(self, parameters: Parameters) -> str | None:
        """Return the body, or None where nobody should have asked that, or not with this key."""
        asked = dict(parameters)
        asked.pop("format", None)
        tenant, node = asked.pop("tenant", ""), asked.pop("nodename", "")
        if asked.pop("key") != OWN_KEY.get(tenant, "demo-admin") or tenant not in ("", *TENANTS):
            return None
        extension = asked.pop("ext", "")
        match asked:
            case {"reqtype": "INFO", "info": "regstate"} if extension in WORDS and tenant:
                return json.dumps(WORDS[extension]) if self.shape.json else WORDS[extension]
            case {"reqtype": "COUNTCHANNELS"} if node in NODES and not tenant:
                return str(FIGURES.channels["", node])
            case _ if extension or node or len(asked) > 1 + ("info" in asked):
                return None
            case {"reqtype": "INFO", "info": info} if tenant:
                return self._info(info, tenant)
            case {"reqtype": reqtype}:
                return self._count(reqtype, tenant)
        return None

    def _count(self, reqtype: str, tenant: str) -> str | None:
        match reqtype:
            case "COUNTPEERS":
                return self._by_node(FIGURES.peers, tenant)
            case "COUNTCHANNELS" if self.shape.channels_by_node:
                return self._by_node(FIGURES.channels, tenant)
            case "COUNTCHANNELS":
                return str(FIGURES.channels[tenant, ""])
            case "COUNTCALLS":
                return str(FIGURES.calls[tenant])
            case "LICENSEDAYS" if not tenant:
                return str(FIGURES.license)
        return None

    def _info(self, info: str, tenant: str) -> str | None:
        if info == "balance":
            return str(FIGURES.balance[tenant])
        if info == "config":
            limit = FIGURES.limits[tenant]
            names = {"maxchannels": limit, "maxextensions": -1, "maxdids": 4}
            return json.dumps(names) if self.shape.json else f"{limit}|-1|4|-1|5|-1|0|"
        return None

    def _by_node(self, figures: Mapping[tuple[str, str], int], tenant: str) -> str:
        entries = {node: figures[tenant, node] for node in NODES}
        if self.shape.states_totals:
            entries["Total"] = figures[tenant, ""]
        return json.dumps(entries) if self.shape.json else "".join(f"{n}:{c}|" for n, c in entries.items())
