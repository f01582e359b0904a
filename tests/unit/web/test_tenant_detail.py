import re

import pytest

from exporter.metrics import catalogue
from exporter.model import Extension, Failure, Query, Reason, Registration, Scope, Target, Technology
from exporter.threads import ThreadLimit
from exporter.web.pages import tenant_page
from exporter.web.status import status
from exporter.web.tenant_detail import tenant_detail
from tests.unit.web.conftest import CLOCK, NOW, Pollers

_ALERT = {
    "state": "firing",
    "labels": {
        "alertname": "SoftswitchBalanceLow",
        "severity": "critical",
        "switch": "pbx",
        "tenant": "ACME",
    },
    "annotations": {"summary": "S."},
    "value": -12.0,
    "threshold": 10.0,
    "age_seconds": 660.0,
}
_TENANT = {
    "code": "ACME",
    "watch": ["100", "900"],
    "extensions": ["100", "101", "102"],
    "thresholds": {"balance": {"warning": 50, "critical": 10}},
    "labels": {"team": "<voice>"},
}


async def test_a_tenant(pollers: Pollers) -> None:
    """It has its alerts, figures, phones, queues, trunks and queries; the worst of each first."""
    poller = pollers(tenants=[_TENANT])
    store = poller.store
    store.set(catalogue.TENANT_BALANCE, "ACME", -12.0)
    store.set(catalogue.EXTENSION_REGISTERED, "ACME", {"100": 0.0, "101": 1.0})
    virtual = Extension("900", Registration.UNKNOWN, "", Technology.VIRTUAL)
    poller.targets.technologies.update("ACME", [virtual])
    store.set(catalogue.QUEUE_CALLS_WAITING, "ACME", {"sales": 0.0, "support": 3.0})
    store.set(catalogue.QUEUE_LONGEST_WAIT, "ACME", {"support": 130.0})
    store.set(catalogue.QUEUE_AGENTS, "ACME", {"support": 2.0}, part="online")
    store.set(catalogue.TRUNK_REGISTERED, "ACME", {"t1": 1.0, "t2": 0.0})
    store.record(Target(Query.BALANCE, Scope.TENANT, "ACME"), None, now=NOW - 5, wall=0)
    failed = Target(Query.CALLS, Scope.TENANT, "ACME")
    store.record(failed, Failure(Reason.DECODE, "expected a number"), now=NOW - 3, wall=0)
    poller.answers.keep(failed, Reason.DECODE, "<html>")

    found = tenant_detail(poller, "ACME", [_ALERT], {"name": "pbx", "up": True}, NOW)

    assert [(problem["state"], problem["text"]) for problem in found["problems"]] == [
        ("firing", "ACME has low credit"),
        ("observed", "trunk t2 of ACME down"),
        ("observed", "long wait in queue support of ACME"),
        ("observed", "watched extension 100 of ACME not registered"),
    ]
    assert found["tenant"]["verdict"] == "critical"
    assert found["tenant"]["why"] == "trunk down, credit low, long wait, watched phone, calls decode"
    assert found["thresholds"] == "warning 50.00, critical 10.00"
    assert [(phone["extension"], phone["state"], phone["watched"]) for phone in found["phones"]] == [
        ("100", "not registered", True),
        ("102", "unknown", False),
        ("101", "registered", False),
        ("900", "cannot register", True),
    ]
    assert found["tenant"]["watched_not_applicable"] == ["900"]
    assert [tuple(queue.values()) for queue in found["queues"]] == [
        ("support", 3.0, 130.0, {"online": 2.0}),
        ("sales", 0.0, None, {}),
    ]
    assert [trunk["trunk"] for trunk in found["trunks"]] == ["t2", "t1"]
    outcomes = {query["query"]: (query["outcome"], query["answer"]) for query in found["queries"]}
    assert outcomes["balance"] == ("ok", None)
    assert outcomes["calls"] == ("decode", "<html>")
    assert outcomes["registrations"] == ("not tried yet", None)


async def test_phones_are_bounded(pollers: Pollers) -> None:
    """A page has 500 of them, and the number of the others."""
    phones = {str(number): 1.0 for number in range(600)}
    poller = pollers(tenants=[{"code": "ACME"}])
    poller.store.set(catalogue.EXTENSION_REGISTERED, "ACME", phones)

    found = tenant_detail(poller, "ACME", [], {}, NOW)

    assert (len(found["phones"]), found["more_phones"]) == (500, 100)


async def test_its_page(pollers: Pollers) -> None:
    """It renders with and without values, and escapes texts."""
    poller = pollers(tenants=[_TENANT, {"code": "EMPTY"}])
    poller.store.set(catalogue.TENANT_BALANCE, "ACME", -12.0)
    poller.store.set(catalogue.EXTENSION_REGISTERED, "ACME", {"<b>": 0.0})
    virtual = Extension("900", Registration.UNKNOWN, "", Technology.VIRTUAL)
    poller.targets.technologies.update("ACME", [virtual])
    state = await status([poller], CLOCK)
    (switch,) = state["switches"]
    threads = ThreadLimit("page", 1)

    page = await tenant_page(state, tenant_detail(poller, "ACME", [_ALERT], switch, NOW), threads)
    empty = await tenant_page(state, tenant_detail(poller, "EMPTY", [], switch, NOW), threads)

    for text in (
        "<title>ACME: critical · softswitch-exporter</title>",
        "icon-critical.svg",
        "\N{MINUS SIGN}12.00, threshold 10.00",
        'href="./runbooks/SoftswitchBalanceLow?switch=pbx&amp;tenant=ACME"',
        "&lt;voice&gt;",
        "&lt;b&gt;",
        "no alert ever fires for them: 900",
    ):
        assert text in page
    assert "Unknown: pbx has not been polled yet." in empty
    assert "No alert on this tenant" not in empty
    assert re.findall("<script[^>]*>", page) == ['<script type="module" src="./-/static/tenant.js">']


async def test_nothing_is_called_well_while_the_switch_is_silent(pollers: Pollers) -> None:
    """Neither the tenant nor its alerts nor its queries are: the page says since when nothing is known."""
    poller = pollers(tenants=[{"code": "ACME"}], queries={"trunks": {"interval": "60s"}})
    poller.store.record(Target(Query.BALANCE, Scope.TENANT, "ACME"), None, now=NOW - 240, wall=0)
    silent = {"name": "pbx", "up": False, "valid_answer_age_seconds": 240.0, "sentence": "API silent"}
    threads = ThreadLimit("page", 1)
    state = await status([poller], CLOCK, alerting={"alerting": {"firing": 0}})

    found = tenant_detail(poller, "ACME", [], silent, NOW)
    page = await tenant_page(state, found, threads)
    assert found["tenant"]["verdict"] == "unknown"
    assert page.count("Unknown: pbx has not responded for 4 min.") == 2  # its problems and its trunks
    assert not [text for text in ("No alert on", "no known problem", ">ok<") if text in page]
    assert "was ok" in page

    fine = tenant_detail(poller, "ACME", [], silent | {"up": True}, NOW)
    assert "No alert on this tenant is pending or firing." in await tenant_page(state, fine, threads)
    unevaluated = await tenant_page(state | {"alerting": {"firing": None}}, fine, threads)
    assert "Unknown: alerts have not been evaluated yet." in unevaluated


@pytest.mark.parametrize(("age", "outcome"), [(300, "ok"), (500, "late"), (1500, "stale")])
async def test_an_old_success_is_not_ok(age: float, outcome: str, pollers: Pollers) -> None:
    """It is late after 1.5 cycles, then stale."""
    poller = pollers(
        tenants=[{"code": "ACME"}], queries={"balance": {"tenant_interval": "5m"}}, stale_after=3
    )
    poller.store.record(Target(Query.BALANCE, Scope.TENANT, "ACME"), None, now=NOW - age, wall=0)

    found = tenant_detail(poller, "ACME", [], {"name": "pbx", "up": True}, NOW)

    assert {query["query"]: query["outcome"] for query in found["queries"]}["balance"] == outcome
