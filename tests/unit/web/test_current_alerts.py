from typing import Any

import pytest

from exporter.alerting import groups as alerting_groups
from exporter.metrics import catalogue
from exporter.model import Failure, Query, Reason, Scope, Target
from exporter.web.conditions import COVERED_BY
from exporter.web.current_alerts import grouped
from exporter.web.status import status
from tests.unit.web.conftest import CLOCK, NOW, Pollers, alert_group, switch_state

_LOW, _CREDIT = "SoftswitchTenantRegistrationsLow", "SoftswitchBalanceLow"
_BAD: dict[str, Any] = {
    "nodes": [
        {"node": "n1", "present": False},
        {"node": "n2", "present": True},
        {"node": "n3", "present": None},
    ],
    "trunks": [
        {"trunk": "t1", "registered": False, "reachable": None},
        {"trunk": "t2", "registered": None, "reachable": False},
        {"trunk": "t3", "registered": True, "reachable": None},
    ],
    "license_verdict": "warning",
    "license_remaining_seconds": 86_400.0 * 20,
    "refused_keys": ["ACME"],
    "series_limited": True,
}


def _seen(groups: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return name, severity, state and subjects of each group."""
    return [
        (
            group["alertname"].removeprefix("Softswitch"),
            group["severity"],
            group["state"],
            [" ".join([*alert["labels"].values()][-1:]) for alert in group["alerts"]],
        )
        for group in groups
    ]


def test_a_switch_before_its_alerts() -> None:
    """What its state shows to be wrong is observed: nodes, trunks, license, keys, dropped detail, silence."""
    assert _seen(grouped(switch_state(**_BAD), [])) == [
        ("NodeMissing", "critical", "observed", ["n1"]),
        ("TrunkDown", "critical", "observed", ["t1", "t2"]),
        ("LicenseExpiring", "warning", "observed", ["pbx"]),
        ("KeyRefused", "warning", "observed", ["ACME"]),
        ("DetailDropped", "warning", "observed", ["pbx"]),
    ]
    assert [group["alertname"] for group in grouped(switch_state(up=False), [])] == ["SoftswitchApiDown"]


@pytest.mark.parametrize(
    ("more", "alerts", "observed"),
    [
        ({"nodes": _BAD["nodes"]}, [alert_group("SoftswitchNodeMissing", {"node": "n1"})], []),
        ({"nodes": _BAD["nodes"]}, [alert_group("SoftswitchNodeMissing", {"node": "n9"})], ["NodeMissing"]),
        ({"nodes": _BAD["nodes"]}, [alert_group("SoftswitchNodeMissing", {"node": "n9"}, count=11)], []),
        ({"up": False}, [alert_group("SoftswitchKeyRefused")], []),
        ({"up": False, "refused_keys": ["admin"]}, [], ["KeyRefused"]),
        ({"license_verdict": "critical", "license_remaining_seconds": 86_400.0}, [], ["LicenseImminent"]),
        ({"license_verdict": None, "license_remaining_seconds": 5.0}, [], []),  # without a threshold
        (
            {"license_verdict": "critical", "license_remaining_seconds": 86_401.0},
            [alert_group("SoftswitchLicenseExpiring", severity="warning")],
            ["LicenseExpiring"],
        ),
    ],
)
def test_what_an_alert_says_is_not_repeated(
    more: dict[str, Any], alerts: list[dict[str, Any]], observed: list[str]
) -> None:
    """Nor what a worse one says. Another node, or a worse severity, is a problem of its own."""
    found = _seen(grouped(switch_state(**more), alerts))

    assert [name for name, _, state, _ in found if state == "observed"] == observed


_PENDING: dict[str, Any] = {"state": "pending"}


@pytest.mark.parametrize(
    ("group", "more"),
    [
        (("SoftswitchApiDown",), {"up": True}),
        (("SoftswitchNodeMissing", {"node": "n2"}), {"nodes": _BAD["nodes"]}),
        (("SoftswitchTrunkDown", {"trunk": "t3"}), {"trunks": _BAD["trunks"]}),
        (("SoftswitchKeyRefused",), {}),
        (("SoftswitchLicenseExpiring",), {"license_remaining_seconds": 9e9}),
        (("SoftswitchLicenseImminent",), {"license_remaining_seconds": 9e9}),
    ],
)
def test_alerts_on_a_switch_that_have_ended(group: Any, more: dict[str, Any]) -> None:
    """A pending one disappears when the values show it; a firing one has recovered."""
    state = switch_state(**more)

    assert not [one for one in grouped(state, [alert_group(*group, **_PENDING)]) if one["state"] == "pending"]
    assert "recovered" in [one["state"] for one in grouped(state, [alert_group(*group)])]


def test_alerts_whose_values_are_unknown_stay() -> None:
    """Nobody knows whether they have ended. Of too many alerts, only some are compared."""
    query = {
        "query": "calls", "scope": "switch", "targets_unknown": 1, "failures_by_reason": {"auth": 1},
    }  # fmt: skip
    for group in (
        alert_group("SoftswitchNodeMissing", {"node": "n3"}, **_PENDING),
        alert_group("SoftswitchNodeMissing", {"node": "n2"}, count=11, **_PENDING),
        alert_group("SoftswitchKeyRefused", **_PENDING),
        alert_group("SoftswitchDataStale", {"query": "calls"}, severity="warning", **_PENDING),
        alert_group("SoftswitchNodeChannelsNearLimit", {"node": "n2"}, **_PENDING),
    ):
        found = grouped(switch_state(nodes=_BAD["nodes"][1:], queries=[query]), [group])
        assert [one["state"] for one in found] == ["pending"], group
    query = query | {"targets_unknown": 0}
    assert not grouped(
        switch_state(queries=[query]),
        [alert_group("SoftswitchDataStale", {"query": "calls"}, severity="warning", **_PENDING)],
    )


def test_a_group_ends_alert_by_alert() -> None:
    """The others stay. Those that recover join the group that has recovered before."""
    nodes = [{"node": "n1", "present": False}, {"node": "n2", "present": True}]
    name = "SoftswitchNodeMissing"
    firing = alert_group(name, {"node": "n1"}, {"node": "n2"})
    before = alert_group(name, {"node": "n9"}, state="recovered", count=12)

    found = grouped(switch_state(nodes=nodes), [firing, before])

    assert [(group["state"], group["count"], len(group["alerts"])) for group in found] == [
        ("firing", 1, 1), ("recovered", 13, 2),
    ]  # fmt: skip


async def test_tenants_before_their_alerts(pollers: Pollers) -> None:
    """Credit, phones, trunks, peers, queues and watched phones: the first screen and the rows name them."""
    codes = ["CREDIT", "FEW", "NONE", "TRUNK", "PEER", "QUEUE", "LONG", "WATCH", "WELL", "CLOSED"]
    poller = pollers(
        tenants=[
            {"code": code, **({"watch": ["100"]} if code in ("WATCH", "NONE") else {})} for code in codes
        ],
        thresholds={
            "balance": {"critical": 10},
            "registered_ratio": {"critical": 0.5},
            "queue_wait": {"warning": "2m"},
        },
    )
    set_value = poller.store.set
    poller.store.note_attempt(valid=True, now=NOW)
    set_value(catalogue.TENANT_BALANCE, "CREDIT", 9.0)
    set_value(catalogue.TENANT_EXTENSIONS, "FEW", {"registered": 1.0, "unregistered": 3.0, "unknown": 3.0})
    set_value(catalogue.TENANT_EXTENSIONS, "NONE", {"registered": 0.0, "unregistered": 3.0})
    set_value(catalogue.EXTENSION_REGISTERED, "NONE", {"100": 0.0})
    set_value(catalogue.EXTENSION_REGISTERED, "WATCH", {"100": 0.0, "101": 0.0})
    set_value(catalogue.TRUNK_REGISTERED, "TRUNK", {"t1": 0.0})
    set_value(catalogue.PEER_REACHABLE, "PEER", {"t2": 0.0})
    for code, agents in (("QUEUE", 0.0), ("LONG", 2.0)):
        set_value(catalogue.QUEUE_CALLS_WAITING, code, {"q": 1.0})
        set_value(catalogue.QUEUE_LONGEST_WAIT, code, {"q": 9999.0})
        set_value(catalogue.QUEUE_AGENTS, code, {"q": agents}, part="online")
    set_value(catalogue.TENANT_BALANCE, "WELL", 50.0)
    states = {"registered": 0.0, "unregistered": 3.0, "unknown": 3.0}
    set_value(catalogue.TENANT_EXTENSIONS, "WELL", states)
    set_value(catalogue.TRUNK_REGISTERED, "WELL", {"t3": 1.0})
    set_value(catalogue.QUEUE_CALLS_WAITING, "WELL", {"idle": 0.0, "short": 3.0})
    set_value(catalogue.QUEUE_LONGEST_WAIT, "WELL", {"idle": 9999.0, "short": 120.0})
    set_value(catalogue.QUEUE_AGENTS, "WELL", {"idle": 0.0, "short": 1.0}, part="online")
    set_value(catalogue.QUEUE_CALLS_WAITING, "CLOSED", {"q": 3.0})
    set_value(catalogue.QUEUE_LONGEST_WAIT, "CLOSED", {"q": 9999.0})
    set_value(catalogue.QUEUE_AGENTS, "CLOSED", {"q": 0.0}, part="online")
    set_value(catalogue.TENANT_OPEN, "CLOSED", 0.0)

    whole = await status([poller], CLOCK)

    assert sorted((it["severity"], it["state"], it["text"]) for it in whole["problems"]) == [
        ("critical", "observed", "2 trunks down: PEER t2, TRUNK t1"),
        ("critical", "observed", "CREDIT has low credit"),
        ("critical", "observed", "FEW has few phones registered"),
        ("critical", "observed", "NONE has no phones registered (0 of 3)"),
        ("critical", "observed", "long wait in queue q of LONG"),
        ("critical", "observed", "queue q of QUEUE without agents"),
        ("warning", "observed", "watched extension 100 of WATCH not registered"),
    ]
    rows = {row["tenant"]: (row["verdict"], row["why"]) for row in whole["switches"][0]["tenant_list"]}
    assert rows == {
        "CREDIT": ("critical", "credit low"),
        "FEW": ("critical", "few phones"),
        "NONE": ("critical", "no phones registered"),
        "TRUNK": ("critical", "trunk down"),
        "PEER": ("critical", "trunk down"),
        "QUEUE": ("critical", "queue without agents"),
        "LONG": ("critical", "long wait"),
        "WATCH": ("warning", "watched phone"),
        "WELL": ("ok", ""),
        "CLOSED": ("ok", ""),
    }


async def test_the_worst_of_many_are_listed(pollers: Pollers) -> None:
    """Ten, those farthest below their threshold first; all are counted."""
    codes = [f"T{number:03}" for number in range(450)]
    poller = pollers(tenants=[{"code": code} for code in codes], thresholds={"balance": {"warning": 1000}})
    for number, code in enumerate(codes):
        poller.store.set(catalogue.TENANT_BALANCE, code, 900.0 - number)

    (problem,) = (await status([poller], CLOCK))["problems"]

    assert (problem["count"], problem["subjects"]) == (450, codes[:-11:-1])
    assert problem["value"] == "worst 451.00, threshold 1,000.00"


async def _problems(
    pollers: Pollers, balance: float, *alerts: tuple[str, str, str]
) -> tuple[list[tuple[str, str]], Any]:
    """Return severity and state of the problems of a tenant with these alerts, and its row."""
    poller = pollers(tenants=[{"code": "ACME"}], thresholds={"balance": {"warning": 50, "critical": 10}})
    poller.store.note_attempt(valid=True, now=NOW)
    poller.store.set(catalogue.TENANT_BALANCE, "ACME", balance)
    groups = [
        alert_group(name, {"tenant": "ACME"}, severity=severity, state=state)
        for name, severity, state in alerts
    ]
    named = {"pbx": {"ACME": tuple((name, severity) for name, severity, _ in alerts)}}
    whole = await status([poller], CLOCK, alerting={"groups": groups, "of_tenants": named})
    (row,) = whole["switches"][0]["tenant_list"]
    return [(it["severity"], it["state"]) for it in whole["problems"]], row


@pytest.mark.parametrize(
    ("balance", "alerts", "problems", "verdict"),
    [
        (9, [(_CREDIT, "critical", "pending")], [("critical", "pending")], "critical"),
        (9, [(_CREDIT, "warning", "firing")], [("critical", "observed"), ("warning", "firing")], "critical"),
        (20, [(_CREDIT, "critical", "pending")], [("warning", "observed")], "warning"),
        (60, [(_CREDIT, "warning", "pending")], [], "ok"),
        (60, [(_CREDIT, "critical", "firing")], [("critical", "recovered")], "ok"),
        (60, [(_LOW, "critical", "pending")], [("critical", "pending")], "critical"),  # phones unknown
        (60, [("SoftswitchKeyRefused", "warning", "pending")], [], "ok"),
    ],
)
async def test_the_alerts_of_a_tenant(
    balance: float,
    alerts: list[tuple[str, str, str]],
    problems: list[tuple[str, str]],
    verdict: str,
    pollers: Pollers,
) -> None:
    """Its values show at once that one has begun, become worse or ended, in the problems and in its row."""
    found, row = await _problems(pollers, balance, *alerts)

    assert (found, row["verdict"]) == (problems, verdict)


@pytest.mark.parametrize(
    ("refused", "answered", "states"), [(1, 0, ["pending"]), (3, 1, ["pending"]), (2, 1, [])]
)
async def test_a_refused_tenant(refused: int, answered: int, states: list[str], pollers: Pollers) -> None:
    """Its alert stays while three queries, or all, are refused: some are retried much later."""
    poller = pollers(tenants=[{"code": "ACME"}])
    failures = [Failure(Reason.AUTH, "refused")] * refused + [None] * answered
    queries = (Query.CALLS, Query.CHANNELS, Query.LIMITS, Query.BALANCE)
    for query, failure in zip(queries, failures, strict=False):
        poller.store.record(Target(query, Scope.TENANT, "ACME"), failure, now=NOW, wall=0)
    group = alert_group("SoftswitchKeyRefused", {"tenant": "ACME"}, severity="warning", **_PENDING)

    whole = await status([poller], CLOCK, alerting={"groups": [group]})

    assert [problem["state"] for problem in whole["problems"]] == states


def test_what_covers_an_alert_is_the_same_as_in_alerting() -> None:
    """The page and the notifications agree. A refused key also explains a silent API."""
    theirs = {name: [source for source, _ in found] for name, found in alerting_groups.COVERED_BY.items()}
    assert COVERED_BY.keys() - theirs.keys() == {"SoftswitchApiDown"}
    for name in COVERED_BY.keys() & theirs.keys():
        assert sorted(COVERED_BY[name]) == sorted(theirs[name]), name
