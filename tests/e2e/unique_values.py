"""A switch with a different prime number for every series, so that no mix-up gives the expected value.

Totals in responses differ from the sums over nodes, and installation-wide values from the sums over tenants.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.e2e.stub_switch import Parameters

NODES = ("pbx1", "pbx2", "srv03")
TENANTS = ("ACME", "BOREAL", "Ünïted 7", "CINDER")
TENANT_KEYS = {"BOREAL": "key-of-boreal"}
STATE_NAMES = {"100": "Registered", "101": "UNAVAILABLE", "102": "UNKNOWN", "103": "NOT_INUSE"}
STATES = {"100": 1, "101": 0, "103": 1}
"""By extension; the state of 102 is unknown."""

UNUSED_NODES = {("BOREAL", "pbx2")}
"""Tenants and nodes without phones or calls: the response contains 0, and there is no series."""


@dataclass(frozen=True)
class Format:
    """The format of responses."""

    name: str
    json: bool
    channels_by_node: bool = True
    has_totals: bool = True


FORMATS = (
    Format("json", json=True),
    Format("plain", json=False),
    Format("json, bare channels", json=True, channels_by_node=False),
    Format("plain, bare channels", json=False, channels_by_node=False),
    Format("json, no totals", json=True, has_totals=False),
    Format("plain, no totals", json=False, has_totals=False),
)


def _primes(least: int) -> Iterator[int]:
    number = least
    while True:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
        number += 1


@dataclass(frozen=True)
class Values:
    """All values. The tenant "" is the installation, the node "" the stated total."""

    peers: dict[tuple[str, str], int] = field(default_factory=dict)
    channels: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    balance: dict[str, float] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    dids_limits: dict[str, int] = field(default_factory=dict)
    license: int = 0


def _values() -> Values:
    primes = _primes(1009)

    def counts() -> dict[tuple[str, str], int]:
        return {
            (tenant, node): 0 if (tenant, node) in UNUSED_NODES else next(primes)
            for tenant in ("", *TENANTS)
            for node in ("", *NODES)
        }

    return Values(
        peers=counts(),
        channels=counts(),
        calls={tenant: next(primes) for tenant in ("", *TENANTS)},
        # 1013 becomes 10.13, which is no other value.
        balance={tenant: next(primes) / 100 * (-1) ** place for place, tenant in enumerate(TENANTS)},
        limits={tenant: next(primes) for tenant in TENANTS},
        license=next(primes),
        dids_limits={tenant: next(primes) for tenant in TENANTS},
    )


VALUES = _values()


@dataclass(frozen=True)
class UniqueValueSwitch:
    """Responds in one format."""

    format: Format

    def respond(self, parameters: Parameters) -> str | None:
        """Return the body, or None if the request or its key is unexpected."""
        request = dict(parameters)
        request.pop("format", None)
        tenant, node = request.pop("tenant", ""), request.pop("nodename", "")
        if request.pop("key") != TENANT_KEYS.get(tenant, "demo-admin") or tenant not in ("", *TENANTS):
            return None
        extension = request.pop("ext", "")
        match request:
            case {"reqtype": "INFO", "info": "regstate"} if extension in STATE_NAMES and tenant:
                return json.dumps(STATE_NAMES[extension]) if self.format.json else STATE_NAMES[extension]
            case {"reqtype": "COUNTCHANNELS"} if node in NODES and not tenant:
                return str(VALUES.channels["", node])
            case _ if extension or node or len(request) > 1 + ("info" in request):
                return None
            case {"reqtype": "INFO", "info": info} if tenant:
                return self._info(info, tenant)
            case {"reqtype": reqtype}:
                return self._count(reqtype, tenant)
        return None

    def _count(self, reqtype: str, tenant: str) -> str | None:
        match reqtype:
            case "COUNTPEERS":
                return self._by_node(VALUES.peers, tenant)
            case "COUNTCHANNELS" if self.format.channels_by_node:
                return self._by_node(VALUES.channels, tenant)
            case "COUNTCHANNELS":
                return str(VALUES.channels[tenant, ""])
            case "COUNTCALLS":
                return str(VALUES.calls[tenant])
            case "LICENSEDAYS" if not tenant:
                return str(VALUES.license)
        return None

    def _info(self, info: str, tenant: str) -> str | None:
        if info == "balance":
            return str(VALUES.balance[tenant])
        if info == "config":
            channels, dids = VALUES.limits[tenant], VALUES.dids_limits[tenant]
            names = {"maxchannels": channels, "maxextensions": -1, "maxdids": dids}
            return json.dumps(names) if self.format.json else f"{channels}|-1|{dids}|-1|5|-1|0|"
        return None

    def _by_node(self, values: Mapping[tuple[str, str], int], tenant: str) -> str:
        entries = {node: values[tenant, node] for node in NODES}
        if self.format.has_totals:
            entries["Total"] = values[tenant, ""]
        return json.dumps(entries) if self.format.json else "".join(f"{n}:{c}|" for n, c in entries.items())
