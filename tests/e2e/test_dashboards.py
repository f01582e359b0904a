"""Every query of the dashboards, on a Prometheus that monitors failing switches, against the true values."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grafana import words
from grafana.board import EXPLAINED
from grafana.preview.page import picture
from grafana.preview.panels import KINDS
from grafana.preview.prometheus import Series, Source
from grafana.preview.values import Row, rows
from grafana.words import CLEAR, INCOMPLETE, UNKNOWN
from tests.dashboard_files import DASHBOARDS, Dashboard, Panel, panels, variables
from tests.dashboard_mistakes import DOUBLED, NO_DATA, made
from tests.e2e.dashboard_stack import CALL_SECONDS, EXTERNAL_URL, FACTOR, DashboardStack, dashboard_stack
from tests.e2e.full_configuration import TENANT_QUERIES

Truth = Mapping[str, Any]
Values = dict[tuple[str, ...], float | str]

_TENANT = {"switch": "north", "tenant": "ACME"}
_FAILING_BALANCE = {("GLADE", "north"), ("INDIGO", "north")}
"""Tenants whose balance query fails: the exporter serves their last balance."""

_UNKNOWN = {
    "Trunks, C",  # west does not respond
    "Exporters, C",  # without high availability
    "Exporters, D",
    "Delivery to each Alertmanager, E",  # after the first message
    "Time to send a message, A",
}
"""Queries whose values are not known here."""

_FIRING = [
    ("critical", "SoftswitchApiDown", "west"),
    ("critical", "SoftswitchBalanceLow", "north", "DELTA9"),
    ("critical", "SoftswitchNodeMissing", "north", "pbx4"),
    ("critical", "SoftswitchNodeMissing", "north", "pbx9"),
    ("critical", "SoftswitchTenantRegistrationsLost", "north", "BOREAL"),
    ("critical", "SoftswitchTrunkDown", "north", "backup-line"),
    ("warning", "SoftswitchBalanceLow", "north", "FJORD"),
    ("warning", "SoftswitchLicenseExpiring", "north"),
    ("warning", "SoftswitchWatchedExtensionDown", "north", "ACME"),
]
"""Severity, alert, switch, and tenant, node or trunk."""


@dataclass(frozen=True)
class _Seen:
    """A time while values changed, a time while they were frozen, and the true values at the latter."""

    watched: DashboardStack
    changing: float
    frozen: float
    seconds: float
    truths: Mapping[str, Truth]

    def source(self, uid: str, at: float) -> Source:
        chosen = _TENANT if "tenant" in variables(DASHBOARDS[uid]) else {}
        return self.watched.source(uid, at, self.seconds, **chosen)


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Iterator[_Seen]:
    """Start faults, wait until their alerts fire, then freeze the switches."""
    begun = time.time()
    with dashboard_stack(tmp_path_factory.mktemp("dashboards"), require_program) as watched:
        watched.inject_faults()
        watched.wait_for_alerts(_FIRING)
        watched.wait_for_busiest_hours()
        changing = watched.prometheus.after_two_scrapes(time.time())  # so that graphs have the newest alert
        frozen = watched.freeze()
        truths = {"north": watched.north.truth(), "south": watched.south.truth()}
        watched.end()
        yield _Seen(watched, changing, frozen, changing - begun, truths)


def _panel(dashboard: Dashboard, title: str) -> Panel:
    (found,) = (panel for panel in panels(dashboard) if panel["title"] == title)
    return found


def _without_data(dashboard: Dashboard, source: Source) -> list[str]:
    """Return the queries without a result. Raise QueryError if Prometheus rejects one."""

    def found(panel: Panel, expression: str) -> list[Series]:
        over_time = panel["type"] in {"timeseries", "state-timeline"}
        series = source.over_time(expression) if over_time else source.now(expression)
        return [one for one in series if one.newest not in UNKNOWN]

    return [
        f"{panel['title']}, {target['refId']}"
        for panel in panels(dashboard)
        for target in panel["targets"]
        if not found(panel, target["expr"])
    ]


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_query_has_a_result(uid: str, seen: _Seen) -> None:
    """No query of any panel is rejected or empty."""
    assert set(_without_data(DASHBOARDS[uid], seen.source(uid, seen.changing))) <= _UNKNOWN


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_annotations_and_variables_have_results(uid: str, seen: _Seen) -> None:
    """Critical alerts are annotated, and each variable offers all existing values."""
    source = seen.source(uid, seen.changing)
    (annotation,) = DASHBOARDS[uid]["annotations"]["list"]
    assert {one.labels["severity"] for one in source.over_time(annotation["expr"])} == {"critical"}
    options = {
        name: source.values(variable["query"]["query"])
        for name, variable in variables(DASHBOARDS[uid]).items()
        if variable["type"] == "query" and not variable.get("hide")
    }
    expected = {
        "job": ["softswitch"],
        "team": ["noc", "voice"],
        "switch": ["north", "south", "west"],
        "node": ["pbx1", "pbx2", "pbx3", "pbx4", "pbx5", "pbx9"],
        "tenant": sorted(
            code for code, tenant in seen.truths["north"]["tenants"].items() if not tenant["disabled"]
        ),
    }
    instances = options.pop("instance", None)
    assert options == {name: expected[name] for name in options}
    assert instances is None or len(instances) == 2


def test_a_query_without_data_is_found(seen: _Seen) -> None:
    """The check above can fail: it names the empty panel."""
    source = seen.source(NO_DATA.uid, seen.changing)
    assert set(_without_data(made(NO_DATA), source)) - {"Calls, B"} - _UNKNOWN == {"Calls, A"}


def _values(seen: _Seen, dashboard: Dashboard, title: str, letter: str, *labels: str) -> Values:
    """Return the result of a query of a panel while values are frozen, by these labels."""
    (target,) = (one for one in _panel(dashboard, title)["targets"] if one["refId"] == letter)
    found = seen.source(dashboard["uid"], seen.frozen).now(target["expr"])
    return {tuple(one.labels.get(label, "") for label in labels): one.newest for one in found}


def _rows(seen: _Seen, uid: str, title: str) -> list[Row]:
    return rows(_panel(DASHBOARDS[uid], title), seen.source(uid, seen.frozen))


def _column(found: list[Row], column: str, *labels: str) -> Values:
    """Return a column of a table by these labels, without empty cells and switches that do not respond."""
    cells = [row for row in found if column in row and row[column] != words.NO_DATA]
    return {tuple(str(row[label]) for label in labels): row[column] for row in cells}


def _tenants(truth: Truth) -> dict[str, Truth]:
    return {code: tenant for code, tenant in truth["tenants"].items() if not tenant["disabled"]}


def _registered(truth: Truth) -> float:
    states: list[bool] = [
        state for tenant in _tenants(truth).values() for state in tenant["extensions"].values()
    ]
    return sum(states) / len(states)


def _registered_as_served(seen: _Seen, name: str) -> float:
    """Return the true share, but with the last count of GLADE, whose key is refused."""
    tenants = _tenants(seen.truths[name])
    states: list[bool] = [state for code in tenants for state in tenants[code]["extensions"].values()]
    registered: float = sum(states)
    if name == "north":
        last = seen.source("softswitch-overview", seen.frozen).now(
            'max(softswitch_tenant_extensions{switch="north",tenant="GLADE",state="registered"})'
        )
        (served,) = (float(one.newest) for one in last)
        assert 0 < served <= len(tenants["GLADE"]["extensions"])
        registered += served - sum(tenants["GLADE"]["extensions"].values())
    return registered / len(states)


def test_the_table_of_switches(seen: _Seen) -> None:
    """Each value is the true one, and not doubled although two targets serve it."""
    found = _rows(seen, "softswitch-overview", "Switches")
    assert _column(found, "API", "switch") == {("north",): 1, ("south",): 1, ("west",): 0}
    for column in ("calls", "channels", "peers"):
        expected = {(name,): truth["switch"][column] for name, truth in seen.truths.items()}
        assert _column(found, column, "switch") == expected, column
    expected = {(name,): pytest.approx(_registered_as_served(seen, name)) for name in seen.truths}
    assert _column(found, "phones registered", "switch") == expected
    # South rejects the license query: the last value is still served.
    assert _column(found, "license left", "switch") == {("north",): 20, ("south",): 38}
    assert _column(found, "nodes missing", "switch") == {("north",): 2, ("south",): 0}
    assert _column(found, "tenants", "switch") == {("north",): 40, ("south",): 10, ("west",): 0}
    ages = _column(found, "last response", "switch")
    assert set(ages) == {("north",), ("south",)}
    assert all(0 <= float(age) < 30 for age in ages.values())


def test_a_selected_switch_is_shown_alone(seen: _Seen) -> None:
    """The variable filters the tables of switches and alerts."""
    source = seen.watched.source("softswitch-overview", seen.frozen, seen.seconds, switch="south")
    for title in ("Switches", "Alerts"):
        found = rows(_panel(DASHBOARDS["softswitch-overview"], title), source)
        assert {row.get("switch") for row in found} == {"south"}, title


def test_the_table_of_alerts(seen: _Seen) -> None:
    """It lists the faults, critical ones and whole switches first, and the counts beside it match.

    What is critical fits into the panel, without scrolling in Grafana.
    """
    found = _rows(seen, "softswitch-overview", "Alerts")
    assert (found[0]["alertname"], found[0]["switch"]) == ("SoftswitchApiDown", "west")
    order = [(str(row["severity"]), float(row["affects"])) for row in found]
    assert order == sorted(order)
    assert {row["affects"] for row in found if row.get("tenant")} == {3}
    assert {row["affects"] for row in found if row.get("node")} == {2}
    titles = ("severity", "alertname", "switch", "tenant", "node", "trunk")
    named = [tuple(row[title] for title in titles if title in row) for row in found]
    assert {*named} >= set(_FIRING)
    place = _panel(DASHBOARDS["softswitch-overview"], "Alerts")["gridPos"]
    # A cell of the grid is 30 pixels high, with gaps of 8; the title takes 32, and each row 36 (Grafana 11).
    visible = (38 * place["h"] - 8 - 32) // 36 - 1
    assert place["y"] == 0
    assert {*named[:visible]} >= {one for one in _FIRING if one[0] == "critical"}
    for letter, severity in (("A", "critical"), ("B", "warning")):
        counted = _values(seen, DASHBOARDS["softswitch-overview"], "Firing alerts", letter)
        assert counted == {(): sum(float(row["alerts"]) for row in found if row["severity"] == severity)}
    since = [float(row["since"]) / 1000 for row in found]
    assert all(seen.changing - seen.seconds < at < seen.frozen for at in since)


def test_the_trunks(seen: _Seen) -> None:
    """Trunks and watched peers are counted and listed in their true state; failed queries are counted."""
    board = DASHBOARDS["softswitch-overview"]
    trunks = {
        (name, trunk["tenant"], trunk_name): float(trunk["registered"])
        for name, truth in seen.truths.items()
        for trunk_name, trunk in truth["switch"]["trunks"].items()
    }
    assert {place for place, registered in trunks.items() if not registered} == {("north", "", "backup-line")}
    found = seen.source(board["uid"], seen.frozen).now(
        _panel(board, "State of each trunk")["targets"][0]["expr"]
    )
    places = ("switch", "tenant", "trunk")
    states = {tuple(one.labels.get(place, "") for place in places): one.newest for one in found}
    assert states == trunks | {("west", "", ""): words.NO_DATA}
    watched = {
        ("north", "", "northwind"): 1,
        ("north", "", "backup-line"): 0,
        ("north", "ACME", "acme-trunk"): 1,
        ("south", "ACME", "acme-trunk"): 1,
    }
    counts = {
        "A": sum(trunks.values()),
        "B": len(trunks) - sum(trunks.values()),
        "C": INCOMPLETE,  # west does not respond
        "D": sum(watched.values()),
        "E": len(watched) - sum(watched.values()),
        "F": 1,  # the list of trunks of west
    }
    assert {letter: _values(seen, board, "Trunks", letter) for letter in counts} == {
        letter: {(): count} for letter, count in counts.items()
    }
    round_trips = {
        (name, tenant, peer): seen.truths[name]["switch"]["trunks"][peer]["round_trip_seconds"]
        for (name, tenant, peer), reachable in watched.items()
        if reachable
    }
    assert _values(seen, board, "Round trip of watched peers", "A", "switch", "tenant", "peer") == round_trips


def test_all_tenants(seen: _Seen) -> None:
    """Every tenant has its true values; the state is that of its worst alert, and worst comes first."""
    silent, *found = _rows(seen, "softswitch-tenants", "All tenants")
    tenants = {
        (code, name): tenant
        for name, truth in seen.truths.items()
        for code, tenant in _tenants(truth).items()
    }
    states = _column(found, "state", "tenant", "switch")
    assert set(states) == set(tenants)
    shown = [float(row["state"]) for row in found]
    assert shown == sorted(map(float, states.values()), reverse=True)
    assert (silent["switch"], silent["state"]) == ("west", words.STATE_UNKNOWN)
    assert states["BOREAL", "north"] == states["DELTA9", "north"] == 2
    assert states["FJORD", "north"] == 1
    assert states["GLADE", "north"] in {1, INCOMPLETE}  # its key is refused
    quiet = [place for place, state in states.items() if state == CLEAR]
    assert quiet
    assert {name for _, name in quiet} <= {"north", "south"}
    assert _column(found, "calls", "tenant", "switch") == {
        place: tenant["calls"] for place, tenant in tenants.items() if place != ("GLADE", "north")
    } | {("GLADE", "north"): _column(found, "calls", "tenant", "switch")["GLADE", "north"]}
    assert {row["team"] for row in found if "team" in row} == {"noc", "voice"}
    verdicts = _column(found, "phone threshold", "tenant", "switch")
    assert verdicts["BOREAL", "north"] == 2
    (voice, everyone) = (
        rows(
            _panel(DASHBOARDS["softswitch-tenants"], "All tenants"),
            seen.watched.source("softswitch-tenants", seen.frozen, seen.seconds, **chosen),
        )
        for chosen in ({"team": "voice"}, {})
    )
    assert [row for row in everyone if row.get("team", "voice") == "voice"] == voice


def test_the_address_of_the_exporter(seen: _Seen) -> None:
    """It is that of --web.external-url, or a page that explains the flag if no exporter has one."""
    variable = variables(DASHBOARDS["softswitch-tenant"])["exporter_url"]
    query = variable["query"]["query"].removeprefix("query_result(").removesuffix(")")
    found = seen.source("softswitch-tenant", seen.frozen).now(query)
    assert {one.labels["external_url"] for one in found} == {EXTERNAL_URL}
    other = seen.watched.source("softswitch-tenant", seen.frozen, seen.seconds, switch="nowhere", tenant="")
    assert [one.labels for one in other.now(query)] == [{"external_url": EXPLAINED}]


def test_tenants_at_risk(seen: _Seen) -> None:
    """The tables list exactly the affected tenants, with their true values."""
    uid = "softswitch-overview"
    credit = {
        (code, name): tenant["balance"]
        for name, truth in seen.truths.items()
        for code, tenant in _tenants(truth).items()
        # Every fifth tenant is post-paid and has no thresholds.
        if (list(truth["tenants"]).index(code) + 1) % 5
    }
    low = {
        (*place, "critical" if balance < 10 else "warning"): pytest.approx(balance)
        for place, balance in credit.items()
        if balance < 50 and place not in _FAILING_BALANCE
    }
    balances = _rows(seen, uid, "Balance below its threshold")
    assert (balances[0]["switch"], balances[0]["balance"]) == ("west", words.BALANCE_UNKNOWN)
    found = _column(balances[1:], "balance", "tenant", "switch", "severity")
    assert {place: value for place, value in found.items() if place[:2] not in _FAILING_BALANCE} == low
    lost = _column(_rows(seen, uid, "Registrations lost"), "registered", "tenant", "switch")
    assert lost["BOREAL", "north"] == 0
    assert lost == {
        (code, name): pytest.approx(_registered({"tenants": {code: _tenants(seen.truths[name])[code]}}))
        for code, name in lost
    }
    lasting = _column(_rows(seen, uid, "Balance runs out first"), "lasts", "tenant", "switch")
    assert 1 <= len(lasting) <= 10
    assert all(float(hours) < 7 * 24 for hours in lasting.values())


def test_the_tenant(seen: _Seen) -> None:
    """Values are the true ones; thresholds and limit are those of the configuration."""
    board, truth = DASHBOARDS["softswitch-tenant"], seen.truths["north"]["tenants"]["ACME"]
    registered = sorted(number for number, state in truth["extensions"].items() if state)
    off = sorted(truth["extensions"].keys() - {*registered})
    used = {node: counts for node, counts in truth["nodes"].items() if counts["peers"]}
    expected: dict[tuple[str, str, str], dict[tuple[str, ...], Any]] = {
        ("Balance", "A", ""): {("",): pytest.approx(truth["balance"])},
        ("Balance", "B", ""): {("",): 0},
        ("Phones registered", "A", ""): {("",): len(registered) / 8},
        ("Phones registered", "B", ""): {("",): 0},
        ("Calls", "A", ""): {("",): truth["calls"]},
        ("Channel usage", "A", ""): {("",): pytest.approx(truth["channels"] / 6)},
        ("Business hours", "A", ""): {("",): 1},
        ("Balance and thresholds", "B", "severity"): {("warning",): 50, ("critical",): 10},
        ("Phones by state", "A", "state"): {
            ("registered",): len(registered),
            ("unregistered",): len(off),
            ("unknown",): 0,
        },
        ("Watched phones", "A", "extension"): {
            (number,): float(number in registered) for number in ("100", "101", "104")
        },
        ("Phones not registered", "A", "extension"): {(number,): 0 for number in off},
        ("Phones not registered", "B", "extension"): {("104",): 1},
        ("Phones in use", "A", "state"): {
            (state,): truth["devices"].get(word, 0)
            for state, word in (("busy", "BUSY"), ("in_use", "INUSE"), ("ringing", "RINGING"))
        },
        ("Extension usage", "A", ""): {("",): 8 / truth["max_extensions"]},
        ("Extension limit", "A", ""): {("",): truth["max_extensions"]},
        ("Number limit", "A", ""): {("",): truth["max_dids"]},
        ("Longest wait and thresholds", "B", "severity"): {("warning",): 120, ("critical",): 300},
        ("Channels and limit", "A", "tenant"): {("ACME",): truth["channels"]},
        ("Channels and limit", "B", "tenant"): {("ACME",): 6},
        ("Peers by node", "A", "node"): {(node,): counts["peers"] for node, counts in used.items()},
        ("Peers by node", "B", "tenant"): {("ACME",): truth["peers"]},
        ("Channels by node", "A", "node"): {
            (node,): counts["channels"] for node, counts in used.items() if counts["channels"]
        },
    }
    found = {
        (title, letter, label): _values(seen, board, title, letter, label)
        for title, letter, label in expected
    }
    assert found == expected
    # The simulated traffic of the tenant is about a call per minute; the added calls are four per second.
    durations = _values(seen, board, "Average duration of answered calls", "A", "direction")
    assert durations["in",] == pytest.approx(CALL_SECONDS, rel=0.2)
    ended = _values(seen, board, "Calls that ended, by outcome", "A", "disposition")
    assert float(ended["answered",]) > 20
    listed = _rows(seen, board["uid"], "Queues")
    assert {row["queue"]: row for row in listed} == {
        state["name"]: {
            "queue": state["name"],
            "waiting": state["calls_waiting"],
            "longest wait": state["longest_wait_seconds"],
            "thresholds": sum(state["longest_wait_seconds"] > limit for limit in (120, 300)),
            "agents online": state["agents"]["online"],
            "free": state["agents"]["free"],
            "paused": state["agents"]["paused"],
            "service level": pytest.approx(state["service_level"]),
            "received": state["received"],
            "answered": state["answered"],
            "abandoned": state["abandoned"],
        }
        for state in truth["queues"].values()
    }
    assert len(listed) == 2
    fresh = _rows(seen, board["uid"], "Query status")
    assert {row["query"]: row.get("reason") for row in fresh if not row["last attempt"]} == {
        "limits": "rejected"
    }
    assert {row["query"] for row in fresh} == {*TENANT_QUERIES, "queues", "queue", "watched_peers"}
    (known,) = _rows(seen, board["uid"], "Tenant details")
    assert known == {"switch": "north", "tenant": "ACME", "team": "voice"}


def test_spending(seen: _Seen) -> None:
    """The spending per hour and the time that the credit lasts are consistent with the credit."""
    board = DASHBOARDS["softswitch-tenant"]
    source = seen.source(board["uid"], seen.changing)
    (hours,) = source.now(_panel(board, "Balance lasts")["targets"][0]["expr"])
    (spending,) = source.now(_panel(board, "Spending per hour")["targets"][0]["expr"])
    (credit,) = source.now(_panel(board, "Balance")["targets"][0]["expr"])
    assert hours.newest * spending.newest == pytest.approx(credit.newest, rel=0.3)


def test_the_nodes(seen: _Seen) -> None:
    """Every node is listed with its load; missing nodes have none."""
    found = _rows(seen, "softswitch-nodes", "Nodes")
    nodes = {
        (name, node): counts
        for name, truth in seen.truths.items()
        for node, counts in truth["switch"]["nodes"].items()
    }
    missing = {("north", "pbx4"), ("north", "pbx9")}
    present = dict.fromkeys(nodes, 1) | dict.fromkeys(missing, 0)
    assert _column(found, "state", "switch", "node") == present
    for column in ("peers", "channels"):
        expected = {place: counts[column] for place, counts in nodes.items()}
        assert _column(found, column, "switch", "node") == expected
    assert _column(found, "limit", "switch", "node") == {("north", "pbx2"): 31, ("north", "pbx3"): 60}
    used = {
        ("north", node): pytest.approx(nodes["north", node]["channels"] / limit)
        for node, limit in (("pbx2", 31), ("pbx3", 60))
    }
    assert _column(found, "used", "switch", "node") == used
    shares = _column(found, "relative to the average", "switch", "node")
    assert sum(float(share) for (name, _), share in shares.items() if name == "north") == pytest.approx(4)
    board = DASHBOARDS["softswitch-nodes"]
    assert _values(seen, board, "Missing nodes", "A") == {(): 2}
    assert _values(seen, board, "Missing nodes", "B") == {(): len(nodes)}
    fullest = {
        name: max(share for (other, _), share in shares.items() if other == name) for name, _ in shares
    }
    assert _values(seen, board, "Imbalance", "A", "switch") == {(name,): fullest[name] for name in fullest}


def test_the_exporter(seen: _Seen) -> None:
    """Failures with their reason, and open circuit breakers, match the faults."""
    failing = _column(
        _rows(seen, "softswitch-exporter", "Current failures by reason"),
        "targets",
        "switch",
        "query",
        "reason",
    )
    assert {place: count for place, count in failing.items() if place[0] != "west"} == {
        **{("north", query, "auth"): 1 for query in TENANT_QUERIES},
        ("north", "limits", "rejected"): 1,
        ("north", "channels", "connect"): 1,
        ("north", "balance", "empty"): 1,
        ("south", "license", "http"): 1,
    }
    queries = _rows(seen, "softswitch-exporter", "Queries")
    balance = {
        row["switch"]: (row["targets"], row["failing"], row["interval"])
        for row in queries
        if row.get("query") == "balance"
    }
    assert balance == {"north": (40, 2, 2), "south": (10, 0, 2)}
    breakers = _rows(seen, "softswitch-exporter", "Polled switches")
    assert _column(breakers, "breaker", "switch") == {("north",): 0, ("south",): 0, ("west",): 1}
    exporters = _rows(seen, "softswitch-exporter", "Exporters")
    assert [(row["scraped"], row["configuration"]) for row in exporters] == [(1, 1), (1, 1)]


def test_every_label_is_a_column_or_hidden(seen: _Seen) -> None:
    """Grafana would add a column for any other label of a result."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            if panel["type"] == "table" and panel["title"] != "Tenant details":
                (options,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
                shown = {options["renameByName"].get(name, name) for name in options["indexByName"]}
                found = {title for row in rows(panel, seen.source(uid, seen.changing)) for title in row}
                assert found <= shown, panel["title"]


def test_a_doubled_value_is_found(seen: _Seen) -> None:
    """The checks above can fail: a query that ignores pairs of exporters returns twice the true value."""
    right, doubled = (
        _values(seen, dashboard, "Calls", "A", "switch")
        for dashboard in (DASHBOARDS[DOUBLED.uid], made(DOUBLED))
    )
    assert right == {(name,): truth["switch"]["calls"] for name, truth in seen.truths.items()}
    assert doubled == {name: 2 * float(value) for name, value in right.items()}


def test_a_preview_is_drawn(seen: _Seen, tmp_path: Path) -> None:
    """With a panel of each type, one below the other; the file is small."""
    of_each = {panel["type"]: panel for dashboard in DASHBOARDS.values() for panel in panels(dashboard)}
    assert of_each.keys() == KINDS.keys()
    placed = [
        panel | {"gridPos": panel["gridPos"] | {"y": 10 * number, "h": 10}}
        for number, panel in enumerate(of_each.values())
    ]
    chosen = {name: ".+" for dashboard in DASHBOARDS.values() for name in variables(dashboard)} | _TENANT
    source = seen.watched.source("softswitch-tenant", seen.changing, seen.seconds, **chosen)
    file = tmp_path / "preview.png"
    picture(DASHBOARDS["softswitch-tenant"] | {"panels": placed}, source, file, FACTOR)
    assert file.read_bytes().startswith(b"\x89PNG")
    assert 20_000 < file.stat().st_size < 200_000
