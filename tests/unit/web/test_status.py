import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter import __version__
from exporter.activity import Activity
from exporter.alerting import status as alerting_status
from exporter.alerting.engine import Engine, Now
from exporter.config import AlertingConfiguration
from exporter.config.fields import ValidationContext
from exporter.metrics import catalogue
from exporter.metrics.self_metrics import Instruments
from exporter.model import Extension, Failure, Query, Reason, Registration, Scope, Target, Technology
from exporter.poll import Poller
from exporter.storage.service import Storage
from exporter.storage.timeline import Kind
from exporter.web.status import TENANTS, status, to_json
from tests.unit.web.conftest import CLOCK, NOW, Pollers

_PEERS = Target(Query.PEERS, Scope.SWITCH)
_DOCUMENT = (Path(__file__).parents[3] / "docs/status.md").read_text()


@pytest.fixture
async def poller(pollers: Pollers) -> Poller:
    """Return a poller of a switch with 150 tenants."""
    return pollers(tenants=[{"code": f"T{number:03}"} for number in range(150)])


async def _status(poller: Poller, tenants: int = TENANTS) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(await to_json(await status([poller], CLOCK, tenants=tenants)))
    assert (whole["version"], whole["time_seconds"]) == (__version__, 1_700_000_000.0)
    (switch,) = whole["switches"]
    assert isinstance(switch, dict)
    return switch


async def _query(poller: Poller, query: Query, scope: Scope) -> dict[str, Any]:
    queries = (await _status(poller))["queries"]
    (found,) = [one for one in queries if (one["query"], one["scope"]) == (query.value, scope.value)]
    assert isinstance(found, dict)
    return found


async def _rows(poller: Poller, limit: int = TENANTS) -> list[dict[str, Any]]:
    rows = (await _status(poller, limit))["tenant_list"]
    assert isinstance(rows, list)
    return rows


def _calls(number: int) -> Target:
    return Target(Query.CALLS, Scope.TENANT, f"T{number:03}")


async def test_before_the_first_request(poller: Poller) -> None:
    """Values are unknown."""
    switch = await _status(poller)

    assert (switch["name"], switch["url"], switch["up"]) == ("pbx", "http://127.0.0.1:9/api", None)
    assert (switch["tenants"], switch["requests_in_flight"]) == (150, 0)
    assert len(switch["queries"]) == len(poller.jobs)
    assert switch["nodes"] == []
    for name in ("valid_answer_age_seconds", "peers", "channels", "calls", "license_remaining_seconds"):
        assert switch[name] is None


async def test_without_switches() -> None:
    """A configuration without switches has a status."""
    whole = json.loads(await to_json(await status([], CLOCK)))

    assert (whole["switches"], whole["alerting"], whole["alerts"]) == ([], None, [])


async def test_the_installation(pollers: Pollers) -> None:
    """The summary has the counts, and the license with the severity of its alert."""
    poller = pollers(thresholds={"license": {"warning": "30d", "critical": "7d"}})
    poller.store.note_attempt(valid=True, now=NOW - 5)
    for metric, value in ((catalogue.PEERS, 40), (catalogue.CHANNELS, 14), (catalogue.CALLS, 7)):
        poller.store.set(metric, "", value)
    poller.store.set(catalogue.LICENSE_REMAINING, "", 7 * 86_400)

    switch = await _status(poller)

    assert (switch["up"], switch["valid_answer_age_seconds"]) == (True, 5)
    assert (switch["peers"], switch["channels"], switch["calls"]) == (40, 14, 7)
    assert (switch["license_remaining_seconds"], switch["license_verdict"]) == (604_800, "critical")


async def test_nodes(pollers: Pollers) -> None:
    """Each node that is configured or counted has its presence, counts and limit."""
    poller = pollers(nodes=["n9", {"name": "n1", "channels_limit": 500}])
    poller.store.set(catalogue.NODE_PRESENT, "", {"n9": 0.0, "n1": 1.0, "n2": 1.0})
    poller.store.set(catalogue.NODE_PEERS, "", {"n1": 3, "n2": 4})
    poller.store.set(catalogue.NODE_CHANNELS, "", {"n1": 1})
    poller.store.set(catalogue.NODE_CHANNELS, "", {"n2": 2}, part="n2")

    nodes = (await _status(poller))["nodes"]

    assert [tuple(node.values()) for node in nodes] == [
        ("n9", False, None, None, None),
        ("n1", True, 3, 1, 500),
        ("n2", True, 4, 2, None),
    ]


async def test_its_size_is_bounded(pollers: Pollers) -> None:
    """With the maximum of tenants, all failing with long responses, it is below 5 MB."""
    tenants = 300
    poller = pollers(tenants=[{"code": f"T{number:05}"} for number in range(tenants)])
    poller.store.set(catalogue.NODE_PRESENT, "", {f"n{number}": 1.0 for number in range(1000)})
    for number in range(tenants):
        for query in (Query.CALLS, Query.BALANCE):
            target = Target(query, Scope.TENANT, f"T{number:05}")
            poller.store.record(target, Failure(Reason.DECODE, "x" * 200), now=number, wall=0)
            poller.answers.keep(target, Reason.DECODE, "y" * 2048)

    text = await to_json(await status([poller], CLOCK))

    (switch,) = json.loads(text)["switches"]
    rows = len(json.dumps(switch.pop("tenant_list")))
    assert TENANTS * rows / tenants + len(json.dumps(switch)) < 5_000_000
    assert (switch["tenants"], len(switch["nodes"])) == (tenants, 500)
    assert text.count("y" * 2048) == 50


async def test_every_name_is_documented(pollers: Pollers) -> None:
    """docs/status.md has exactly the names of the JSON, in order."""
    poller = pollers(tenants=[{"code": "ACME"}], nodes=["n1"])
    poller.store.record(_PEERS, Failure(Reason.AUTH, "refused"), now=NOW, wall=0)
    poller.store.set(catalogue.NODE_PRESENT, "", {"n1": 0.0})
    poller.store.set(catalogue.TRUNK_REGISTERED, "", {"t1": 1.0})

    engine = Engine()
    list(engine.evaluate({}, 0.0))
    made = alerting_status.summarize(engine.alerts.by_identity.values())
    section = AlertingConfiguration.model_validate(
        {"alertmanagers": [{"url": "http://127.0.0.1:9093"}], "dry_run": True},
        context=ValidationContext(Path("/"), {}),
    )

    storage = Storage(None, CLOCK)
    storage.timeline.add(Kind.RELOAD_SUCCEEDED, "configuration reloaded")
    parts = {**alerting_status.status(section, made, Now(0.0, 0.0)), **storage.status()}
    activity = Activity(Instruments(CollectorRegistry()), storage.timeline, CLOCK, "mon-1").status()
    whole = await status([poller], CLOCK, alerting=parts, activity=activity)

    (switch,), (watchdog,) = whole["switches"], whole["alerts"]
    (query, *_), (node,), (tenant,) = switch["queries"], switch["nodes"], switch["tenant_list"]
    (failure,), (trunk,), (problem, *_) = query["failures"], switch["trunks"], whole["problems"]
    objects = (
        whole,
        problem,
        whole["notices"][0],
        whole["activity"],
        whole["alerting"],
        watchdog,
        *whole["timeline"],
        whole["storage"],
        whole["configuration"],
        switch,
        query,
        failure,
        node,
        trunk,
        tenant,
    )
    sections = _DOCUMENT.split("\n## ")[1:]
    assert [re.findall(r"^\| `(\w+)`", section, re.MULTILINE) for section in sections] == [
        list(names) for names in objects
    ]


async def test_a_query_before_its_first_request(poller: Poller) -> None:
    """Only the intervals are known."""
    assert await _query(poller, Query.PEERS, Scope.SWITCH) == {
        "query": "peers",
        "scope": "switch",
        "interval_seconds": 60.0,
        "planned_cycle_seconds": 60.0,
        "cycle_seconds": None,
        "stale_after_seconds": 180.0,
        "freshness": "waiting",
        "targets_tried": 0,
        "targets_failing": 0,
        "failures_by_reason": {},
        "newest_success_age_seconds": None,
        "oldest_success_age_seconds": None,
        "failures": [],
        "targets": 1,
        "targets_unknown": 1,
        "unknown_tenants": [],
    }


async def test_ages_and_failures(poller: Poller) -> None:
    """A query has the ages of its successes, and its failures with their ages and responses."""
    for number, at in ((0, 900.0), (1, 950.0)):
        poller.store.record(_calls(number), None, now=at, wall=0)
    poller.store.record(_calls(0), Failure(Reason.DECODE, "expected a number"), now=990.5, wall=0)
    poller.answers.keep(_calls(0), Reason.DECODE, "<html>")

    state = await _query(poller, Query.CALLS, Scope.TENANT)

    assert (state["targets_tried"], state["targets_failing"]) == (2, 1)
    assert (state["newest_success_age_seconds"], state["oldest_success_age_seconds"]) == (50, 100)
    assert (state["failures_by_reason"], state["freshness"]) == ({"decode": 1}, "fresh")
    assert state["failures"] == [
        {
            "tenant": "T000",
            "reason": "decode",
            "detail": "expected a number",
            "answer": "<html>",
            "age_seconds": 9.5,
            "success_age_seconds": 100,
        }
    ]


async def test_many_failures(poller: Poller) -> None:
    """All failures are counted; only the newest are listed, the newest one first."""
    for number in range(150):
        reason = Reason.AUTH if number % 3 else Reason.TIMEOUT
        poller.store.record(_calls(number), Failure(reason, "refused"), now=NOW - 150 + number, wall=0)

    state = await _query(poller, Query.CALLS, Scope.TENANT)

    assert state["targets_failing"] == 150
    assert list(state["failures_by_reason"].items()) == [("auth", 100), ("timeout", 50)]
    assert [failure["tenant"] for failure in state["failures"]] == [f"T{n:03}" for n in range(149, 49, -1)]


async def test_a_target_removed_meanwhile(poller: Poller) -> None:
    """A tenant that is removed while the status is collected is not counted."""
    for number in (1, 2):
        poller.store.record(_calls(number), Failure(Reason.AUTH, "refused"), now=NOW, wall=0)
    asyncio.get_running_loop().call_soon(poller.store.drop, [_calls(2)])

    state = await _query(poller, Query.CALLS, Scope.TENANT)

    assert (state["targets_tried"], state["targets_failing"]) == (1, 1)


async def test_a_tenant(pollers: Pollers) -> None:
    """A row has the values, thresholds, verdicts and failing queries."""
    poller = pollers(
        tenants=[
            {
                "code": "ACME",
                "watch": ["100", "900"],
                "thresholds": {"balance": {"warning": 100, "critical": "off"}},
            }
        ],
        thresholds={"registered_ratio": {"warning": 0.9, "critical": 0.5}},
    )
    poller.store.set(catalogue.TENANT_BALANCE, "ACME", 99.5)
    poller.store.set(catalogue.TENANT_CALLS, "ACME", 3)
    poller.store.set(catalogue.TENANT_CHANNELS, "ACME", 6)
    poller.store.set(catalogue.TENANT_CHANNELS_LIMIT, "ACME", 30)
    states = {"registered": 4.0, "unregistered": 6.0, "unknown": 2.0, "not_applicable": 1.0}
    virtual = Extension("900", Registration.UNKNOWN, "", Technology.VIRTUAL)
    poller.targets.technologies.update("ACME", [virtual])
    poller.store.set(catalogue.TENANT_EXTENSIONS, "ACME", states)
    target = Target(Query.LIMITS, Scope.TENANT, "ACME")
    poller.store.record(target, Failure(Reason.EMPTY, "empty"), now=NOW, wall=0)

    assert await _rows(poller) == [
        {
            "tenant": "ACME",
            "name": "",
            "verdict": "critical",
            "why": "credit low, few phones, limits empty",
            "alerts": ["SoftswitchBalanceLow", "SoftswitchTenantRegistrationsLow"],
            "balance": 99.5,
            "balance_thresholds": {"warning": 100},
            "balance_verdict": "warning",
            "calls": 3,
            "channels": 6,
            "channels_limit": 30,
            "registered": 4,
            "unregistered": 6,
            "extensions": 12,
            "not_applicable": 1,
            "watched_not_applicable": ["900"],
            "registered_verdict": "critical",
            "failing": {"limits": "empty"},
        }
    ]


async def test_unknown_values_of_a_tenant(pollers: Pollers) -> None:
    """They are None, without a verdict."""
    (row,) = await _rows(pollers(tenants=[{"code": "ACME", "channels_limit": 30}]))

    known = {name: value for name, value in row.items() if value not in (None, {}, [], "")}
    assert known.keys() == {"tenant", "verdict", "balance_thresholds", "channels_limit"}
    assert known["verdict"] == "unknown"
    assert known["channels_limit"] == 30


async def test_the_order_of_tenants(pollers: Pollers) -> None:
    """The worst verdict comes first, then by code, up to the limit."""
    poller = pollers(tenants=[{"code": code} for code in "GFEDCBA"])
    poller.store.set(catalogue.TENANT_BALANCE, "F", 9)
    poller.store.set(catalogue.TENANT_BALANCE, "G", 49)
    for target in (Target(Query.CALLS, Scope.TENANT, "C"), Target(Query.PEERS, Scope.SWITCH)):
        poller.store.record(target, Failure(Reason.EMPTY, "empty"), now=NOW, wall=0)
    poller.store.record(Target(Query.CALLS, Scope.TENANT, "B"), None, now=NOW, wall=0)

    alerts = {"pbx": {"E": (("SoftswitchTrunkDown", "critical"),)}}
    whole = await status([poller], CLOCK, alerting={"of_tenants": alerts})

    (switch,) = whole["switches"]
    assert [(row["tenant"], row["verdict"], row["why"]) for row in switch["tenant_list"]] == [
        ("E", "critical", "trunk down"),
        ("F", "critical", "credit low"),
        ("G", "warning", "credit low"),
        ("C", "failing", "calls empty"),
        *((code, "unknown", "") for code in ("A", "B", "D")),
    ]
    assert [row["tenant"] for row in await _rows(poller, 2)] == ["F", "G"]


async def test_a_tenant_is_only_ok_while_its_switch_responds(pollers: Pollers) -> None:
    """Without a response, nothing is known about it."""
    poller = pollers(tenants=[{"code": "ACME"}])
    poller.store.note_attempt(valid=True, now=NOW)
    assert [row["verdict"] for row in await _rows(poller)] == ["ok"]

    poller.store.note_attempt(valid=True, now=NOW - 3600)
    assert [row["verdict"] for row in await _rows(poller)] == ["unknown"]


async def test_a_tenant_removed_meanwhile(poller: Poller) -> None:
    """It has no row; the others have theirs."""
    codes = []
    (switch,) = (await status([poller], CLOCK))["switches"]
    for row in switch["tenant_list"]:
        codes.append(row["tenant"])
        poller.targets.tenants.pop("T120", None)

    assert codes == [f"T{number:03}" for number in range(150) if number != 120]
