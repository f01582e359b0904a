"""Three switches with every kind of setting, and the series to expect."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from tests.e2e.full_configuration import SWITCH_QUERIES, TENANT_QUERIES, queries, switch
from tests.e2e.programs import Series

Truths = Mapping[str, dict[str, Any]]
Scrape = Mapping[Metric, dict[Series, float]]

_DAY = 86_400
_ZONE = "Asia/Kolkata"  # no daylight saving, and half an hour off
_WEST_EXTENSIONS = tuple(str(number) for number in range(100, 109))
_EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _hours(begin: int, end: int) -> dict[str, Any]:
    """Return business hours that begin and end so many hours from now."""
    now = datetime.now(ZoneInfo(_ZONE))
    clock = [(now + timedelta(hours=hours)).strftime("%H:%M") for hours in (begin, end)]
    return {"timezone": _ZONE, "days": _EVERY_DAY, "from": clock[0], "to": clock[1]}


def north(url: str) -> dict[str, Any]:
    """Return a switch with channels per node and every kind of tenant setting."""
    return switch(
        "north",
        url,
        nodes=["pbx1", {"name": "pbx2", "channels_limit": 523}, "pbx9"],
        queries=queries(license={"interval": "2s"}),
        tenant_defaults={"labels": {"team": "noc"}},
        thresholds={"license": {"warning": "60d", "critical": "5d"}},
        tenants=[
            {
                "code": "ACME",
                "labels": {"team": "voice", "site": 'Zürich, "HQ" \\ n'},
                "extensions": ["100", "101", "103"],
                "watch": ["101", "105"],
                "channels_limit": 31,
                "business_hours": _hours(-2, 2),
                "thresholds": {"balance": {"warning": 101, "critical": 20.5}, "registered_ratio": "off"},
            },
            {
                "code": "BOREAL",
                "extensions": ["100", "101", "102", "103", "104", "105"],
                "business_hours": _hours(2, 5),
                "thresholds": {"registered_ratio": {"warning": 0.75}},
            },
            {
                "code": "CINDER",
                "key": "demo-tenant-CINDER",
                "watch": ["104"],
                "thresholds": {"balance": {"critical": "off"}},
                "queries": {"balance": {"tenant_interval": "off"}},
            },
            {"code": "DELTA9", "queries": {"channels": {"tenant_interval": "off"}}},
        ],
    )


def south(url: str) -> dict[str, Any]:
    """Return a switch with total channels, and license days inside a sentence."""
    return switch(
        "south",
        url,
        nodes=["pbx8"],
        queries=queries(
            license={"pattern": r"in (-?\d+) days"},
            registrations={"parameter": "id"},
            calls={"interval": "2s"},
        ),
        thresholds={"license": "off", "balance": "off"},
        tenants=[
            {"code": "ACME", "extensions": ["100", "102"]},
            {"code": "BOREAL", "labels": {"floor": "2"}},
        ],
    )


def west(url: str) -> dict[str, Any]:
    """Return a switch with lists of trunks, of watched peers, of device states and of queues."""
    return switch(
        "west",
        url,
        watch_peers=["northwind", "backup-line/account-3"],
        queries={
            **queries(registrations={"source": "blf"}),
            "trunks": {"interval": "1s"},
            "watched_peers": {"interval": "1s", "tenant_interval": "1s"},
        },
        thresholds={"license": "off", "balance": "off", "queue_wait": {"warning": "3m", "critical": "7m"}},
        tenants=[
            {
                "code": "ACME",
                "extensions": [*_WEST_EXTENSIONS],
                "queues": "all",
                "watch_peers": ["acme-trunk"],
                "thresholds": {"queue_wait": {"critical": "off"}},
            },
            {"code": "BOREAL", "extensions": [*_WEST_EXTENSIONS], "queues": ["2001"]},
        ],
    )


POLLED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "north": {
        "": SWITCH_QUERIES,
        "ACME": TENANT_QUERIES,
        "BOREAL": TENANT_QUERIES,
        "CINDER": tuple(query for query in TENANT_QUERIES if query != "balance"),
        "DELTA9": tuple(query for query in TENANT_QUERIES if query not in {"channels", "registrations"}),
    },
    "south": {
        "": SWITCH_QUERIES,
        "ACME": TENANT_QUERIES,
        "BOREAL": tuple(query for query in TENANT_QUERIES if query != "registrations"),
    },
    "west": {
        "": (*SWITCH_QUERIES, "trunks", "watched_peers"),
        "ACME": (*TENANT_QUERIES, "queues", "queue", "watched_peers"),
        "BOREAL": (*TENANT_QUERIES, "queues", "queue"),
    },
}
"""The queries polled, by switch and tenant."""

_POLLED_EXTENSIONS = {
    ("north", "ACME"): ("100", "101", "103", "105"),
    ("north", "BOREAL"): ("100", "101", "102", "103", "104", "105"),
    ("north", "CINDER"): ("104",),
    ("south", "ACME"): ("100", "102"),
    ("west", "ACME"): _WEST_EXTENSIONS,
    ("west", "BOREAL"): _WEST_EXTENSIONS,
}
_POLLED_QUEUES = {
    ("west", "ACME"): {"Reception": "1000", "Support, first line": "1001"},
    ("west", "BOREAL"): {"Support, first line": "2001"},
}
"""The ids of the queues by label, which is the name."""

_WATCHED_PEERS = {
    "": {"northwind": "northwind", "backup-line/account-3": "backup-line"},
    "ACME": {"acme-trunk": "acme-trunk"},
}
"""Of west: the trunks by the names of the peers, by tenant."""

_DEVICES = {"in_use": "INUSE", "ringing": "RINGING", "busy": "BUSY"}
_INTERVALS = {("north", "license", "switch"): 2, ("south", "calls", "switch"): 2}
_BY_NODE = {"north": True, "south": False, "west": True}  # COUNTCHANNELS of south returns a total


class Expected:
    """Collects series as Prometheus returns them, without empty labels."""

    def __init__(self) -> None:
        self.families: dict[Metric, dict[Series, float]] = {}

    def add(self, metric: Metric, value: float, *labels: str, **more: str) -> None:
        """Add a series."""
        named = dict(zip(metric.labels, labels, strict=True)) | more
        key = frozenset((name, text) for name, text in named.items() if text)
        self.families.setdefault(metric, {})[metric.name, key] = value


def expected_series(truths: Truths) -> dict[Metric, dict[Series, float]]:
    """Return the series to expect from the values of the switches and the configuration."""
    expected = Expected()
    for name, truth in truths.items():
        _expect_switch(expected, name, truth["switch"])
        for code, polled_queries in POLLED[name].items():
            if code:
                _expect_tenant(expected, name, code, polled_queries, truth["tenants"][code])
            _expect_queries(expected, name, code, polled_queries)
    _expect_trunks(expected, "west", truths["west"]["switch"]["trunks"])
    _expect_configured(expected)
    return expected.families


def _expect_switch(expected: Expected, name: str, whole: dict[str, Any]) -> None:
    expected.add(catalogue.UP, 1, name)
    expected.add(catalogue.BREAKER_OPEN, 0, name)
    expected.add(catalogue.SERIES_LIMITED, 0, name)
    expected.add(catalogue.PEERS, whole["peers"], name)
    expected.add(catalogue.CHANNELS, whole["channels"], name)
    expected.add(catalogue.CALLS, whole["calls"], name)
    expected.add(catalogue.LICENSE_REMAINING, whole["license_days"] * _DAY, name)
    expected.add(catalogue.TENANTS, len(POLLED[name]) - 1, name)
    for node, counts in whole["nodes"].items():
        expected.add(catalogue.NODE_PEERS, counts["peers"], name, node)
        expected.add(catalogue.NODE_CHANNELS, counts["channels"], name, node)
        expected.add(catalogue.NODE_PRESENT, 1, name, node)


def _expect_tenant(
    expected: Expected, name: str, code: str, polled_queries: tuple[str, ...], truth: dict[str, Any]
) -> None:
    expected.add(catalogue.TENANT_PEERS, truth["peers"], name, code)
    expected.add(catalogue.TENANT_CALLS, truth["calls"], name, code)
    for node, counts in truth["nodes"].items():
        if counts["peers"]:
            expected.add(catalogue.TENANT_NODE_PEERS, counts["peers"], name, code, node)
        if counts["channels"] and "channels" in polled_queries and _BY_NODE[name]:
            expected.add(catalogue.TENANT_NODE_CHANNELS, counts["channels"], name, code, node)
    if "channels" in polled_queries:
        expected.add(catalogue.TENANT_CHANNELS, truth["channels"], name, code)
    if "balance" in polled_queries:
        expected.add(catalogue.TENANT_BALANCE, truth["balance"], name, code)
    _expect_limits(expected, name, code, truth)
    for label, queue in _POLLED_QUEUES.get((name, code), {}).items():
        _expect_queue(expected, truth["queues"][queue], name, code, label)
    if name == "west":
        for state, word in _DEVICES.items():
            expected.add(catalogue.TENANT_DEVICES, truth["devices"].get(word, 0), name, code, state)
    _expect_extensions(expected, name, code, truth)


def _expect_extensions(expected: Expected, name: str, code: str, truth: dict[str, Any]) -> None:
    polled = _POLLED_EXTENSIONS.get((name, code))
    if polled:
        registered = [truth["extensions"][number] for number in polled]
        expected.add(catalogue.TENANT_EXTENSIONS, sum(registered), name, code, "registered")
        expected.add(catalogue.TENANT_EXTENSIONS, registered.count(False), name, code, "unregistered")
        expected.add(catalogue.TENANT_EXTENSIONS, 0, name, code, "unknown")
        for number, state in zip(polled, registered, strict=True):
            expected.add(catalogue.EXTENSION_REGISTERED, float(state), name, code, number)


def _expect_limits(expected: Expected, name: str, code: str, truth: dict[str, Any]) -> None:
    channels = 31 if (name, code) == ("north", "ACME") else truth["max_channels"]
    for metric, limit in (
        (catalogue.TENANT_CHANNELS_LIMIT, channels),
        (catalogue.TENANT_EXTENSIONS_LIMIT, truth["max_extensions"]),
        (catalogue.TENANT_DIDS_LIMIT, truth["max_dids"]),
    ):
        if limit != -1:
            expected.add(metric, limit, name, code)


def _expect_queue(expected: Expected, queue: dict[str, Any], name: str, code: str, label: str) -> None:
    expected.add(catalogue.QUEUE_CALLS_WAITING, queue["calls_waiting"], name, code, label)
    expected.add(catalogue.QUEUE_LONGEST_WAIT, queue["longest_wait_seconds"], name, code, label)
    expected.add(catalogue.QUEUE_SERVICE_LEVEL, queue["service_level"], name, code, label)
    agents = queue["agents"]
    for state, count in {**agents, "available": agents["online"] - agents["paused"]}.items():
        expected.add(catalogue.QUEUE_AGENTS, count, name, code, state, label)
    for outcome in ("received", "answered", "abandoned"):
        expected.add(catalogue.QUEUE_CALLS_REPORTED, queue[outcome], name, code, outcome, label)


def _expect_trunks(expected: Expected, name: str, trunks: dict[str, dict[str, Any]]) -> None:
    for label, trunk in trunks.items():
        expected.add(catalogue.TRUNK_REGISTERED, float(trunk["registered"]), name, trunk["tenant"], label)
    for code in {trunk["tenant"] for trunk in trunks.values()}:
        states = [trunk["registered"] for trunk in trunks.values() if trunk["tenant"] == code]
        expected.add(catalogue.TRUNKS, states.count(True), name, code, "registered")
        expected.add(catalogue.TRUNKS, states.count(False), name, code, "unregistered")
        expected.add(catalogue.TRUNKS, 0, name, code, "unknown")
    for code, peers in _WATCHED_PEERS.items():
        for peer, label in peers.items():
            trunk = trunks[label]
            expected.add(catalogue.PEER_REACHABLE, float(trunk["registered"]), name, code, peer)
            if trunk["registered"]:
                expected.add(catalogue.PEER_ROUND_TRIP, trunk["round_trip_seconds"], name, code, peer)


def _expect_queries(expected: Expected, name: str, code: str, polled_queries: tuple[str, ...]) -> None:
    scope = "tenant" if code else "switch"
    for query in polled_queries:
        expected.add(catalogue.QUERY_SUCCESS, 1, name, query, scope, code)
        interval = _INTERVALS.get((name, query, scope), 1)
        expected.add(catalogue.QUERY_INTERVAL, interval, name, query, scope)


def _expect_configured(expected: Expected) -> None:
    """Add series that come from the configuration."""
    # Nodes that never existed, and those that vanished.
    for name, node in (("north", "pbx9"), ("north", "pbx4"), ("south", "pbx8"), ("south", "pbx3")):
        expected.add(catalogue.NODE_PRESENT, 0, name, node)
    expected.add(catalogue.NODE_CHANNELS_LIMIT, 523, "north", "pbx2")
    for code, number in (("ACME", "101"), ("ACME", "105"), ("CINDER", "104")):
        expected.add(catalogue.EXTENSION_WATCHED, 1, "north", code, number)
    expected.add(catalogue.TENANT_OPEN, 1, "north", "ACME")
    expected.add(catalogue.TENANT_OPEN, 0, "north", "BOREAL")
    labels = {"ACME": {"team": "voice", "site": 'Zürich, "HQ" \\ n'}}
    for code in ("ACME", "BOREAL", "CINDER", "DELTA9"):
        expected.add(catalogue.TENANT_INFO, 1, "north", code, "", **labels.get(code, {"team": "noc"}))
    expected.add(catalogue.TENANT_INFO, 1, "south", "ACME", "")
    expected.add(catalogue.TENANT_INFO, 1, "south", "BOREAL", "", floor="2")
    for code in ("ACME", "BOREAL"):
        expected.add(catalogue.TENANT_INFO, 1, "west", code, "")
        expected.add(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, 180, "west", code, "warning")
    expected.add(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, 420, "west", "BOREAL", "critical")
    expected.add(catalogue.LICENSE_REMAINING_THRESHOLD, 60 * _DAY, "north", "warning")
    expected.add(catalogue.LICENSE_REMAINING_THRESHOLD, 5 * _DAY, "north", "critical")
    balance = {"ACME": (101, 20.5), "BOREAL": (50, 10), "CINDER": (50, None), "DELTA9": (50, 10)}
    for code, (warning, critical) in balance.items():
        expected.add(catalogue.TENANT_BALANCE_THRESHOLD, warning, "north", code, "warning")
        if critical is not None:
            expected.add(catalogue.TENANT_BALANCE_THRESHOLD, critical, "north", code, "critical")
    first = {("north", "BOREAL"): 0.75}
    for name, codes in POLLED.items():
        for code in codes.keys() - {"", "ACME"} if name == "north" else codes.keys() - {""}:
            ratio = first.get((name, code), 0.9)
            expected.add(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, ratio, name, code, "warning")
            expected.add(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, 0.5, name, code, "critical")
