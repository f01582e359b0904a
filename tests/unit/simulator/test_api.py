"""Responses over HTTP, compared with the true state value by value, and the journal of requests."""

import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import aiohttp
import pytest

from exporter.simulator.api import Journal
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.server import RunningSimulator
from exporter.simulator.truth import truth

Ask = Callable[..., Awaitable[str]]
_ADMIN = "demo-admin"


@pytest.fixture(params=["plain", "json"])
def form(request: pytest.FixtureRequest) -> str:
    """Return the requested format."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def ask(simulator: RunningSimulator, session: aiohttp.ClientSession, form: str) -> Ask:
    """Return a function that sends a request in one format and returns the body."""

    async def ask(**parameters: str) -> str:
        parameters = {"key": _ADMIN, "format": form, **parameters}
        async with session.get(simulator.url, params=parameters) as response:
            assert response.status == 200
            expected = "application/json" if form == "json" else "text/html; charset=UTF-8"
            assert response.headers["Content-Type"] == expected
            return (await response.read()).decode()

    return ask


def _counts(body: str) -> dict[str, int]:
    if body.startswith("{"):
        counts: dict[str, int] = json.loads(body)
        return counts
    assert body.endswith("|")
    return {name: int(count) for name, count in (pair.split(":") for pair in body[:-1].split("|"))}


@pytest.fixture
def state(simulator: RunningSimulator) -> dict[str, Any]:
    """Return the true state of a world with overrides of each kind."""
    world = simulator.parts.world
    world.overrides.drop_registrations(0.25)
    world.overrides.set_nodes({"pbx3": False})
    world.overrides.set_calls("ACME", 0)
    world.overrides.set_calls("BOREAL", 9)
    world.overrides.set_balance("BOREAL", -12.5, world.moment())
    world.overrides.set_license_days(-4, world.moment())
    world.overrides.set_disabled("CINDER", disabled=True)
    return truth(world)


@pytest.mark.parametrize(("reqtype", "figure"), [("COUNTPEERS", "peers"), ("COUNTCHANNELS", "channels")])
async def test_counts_match_the_state(ask: Ask, state: dict[str, Any], reqtype: str, figure: str) -> None:
    """Peers and channels per node and in total match, for the installation, each tenant and each node."""
    for code, expected in {"": state["switch"], **state["tenants"]}.items():
        counts = _counts(await ask(reqtype=reqtype, **({"tenant": code} if code else {})))
        assert counts.pop("Total") == expected[figure]
        assert counts == {node: of_node[figure] for node, of_node in expected["nodes"].items()}
    for node, of_node in state["switch"]["nodes"].items():
        body = await ask(reqtype="COUNTCHANNELS", nodename=node)
        assert _counts(body)[node] == of_node["channels"]


async def test_values_match_the_state(ask: Ask, state: dict[str, Any]) -> None:
    """Calls, license, balances and channel limits match to the last digit."""
    assert int(await ask(reqtype="COUNTCALLS")) == state["switch"]["calls"]
    assert int(await ask(reqtype="LICENSEDAYS")) == state["switch"]["license_days"] == -4
    for code, tenant in state["tenants"].items():
        assert await ask(reqtype="COUNTCALLS", tenant=code) == str(tenant["calls"] or "")
        assert float(await ask(reqtype="INFO", info="balance", tenant=code)) == tenant["balance"]
        limits = await ask(reqtype="INFO", info="config", tenant=code)
        limit = json.loads(limits)["maxchannels"] if limits.startswith("{") else limits.split("|")[0]
        assert int(limit) == tenant["max_channels"]


async def test_a_tenant_is_named_by_code_or_name(ask: Ask, state: dict[str, Any]) -> None:
    """A name works like a code, also with the key of the tenant."""
    for code, tenant in state["tenants"].items():
        assert float(await ask(reqtype="INFO", info="balance", tenant=tenant["name"])) == tenant["balance"]
        balance = await ask(reqtype="INFO", info="balance", tenant=tenant["name"], key=f"demo-tenant-{code}")
        assert float(balance) == tenant["balance"]


async def test_keys_and_the_journal(simulator: RunningSimulator, ask: Ask, form: str) -> None:
    """A tenant key gives its tenant's values, a wrong key is refused with HTTP 200; both are recorded."""
    balance = await ask(reqtype="INFO", info="balance", tenant="ACME", key="demo-tenant-ACME")
    world = simulator.parts.world
    assert float(balance) == world.balance(world.all_tenants[0], world.moment())
    refused = await ask(reqtype="COUNTPEERS", key="wrong")
    assert refused == "Too bad... you mistaken the security api key.\n"
    entries = simulator.parts.journal.since(0)
    assert [(entry.key, entry.outcome) for entry in entries] == [("tenant", "answered"), ("wrong", "refused")]
    assert entries[1].parameters == {"reqtype": "COUNTPEERS", "format": form}
    assert {entry.client for entry in entries} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "reqtype=COUNTPEERS&password=hunter2"),
        ("POST", "reqtype=COUNTPEERS"),
    ],
)
async def test_forbidden_requests_are_loud(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    announced: list[str],
    caplog: pytest.LogCaptureFixture,
    method: str,
    query: str,
) -> None:
    """They get HTTP 403, a logged error, an announcement and an entry in the journal, all without the key.

    No fault hides that.
    """
    simulator.parts.faults.add(Fault(FaultKind.EMPTY))
    async with session.request(method, f"{simulator.url}?{query}&key={_ADMIN}") as response:
        assert response.status == 403
        body = await response.text()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(announced) == len(simulator.parts.journal.forbidden) == 1
    everything = body + caplog.text + announced[0] + json.dumps(simulator.parts.journal.forbidden)
    assert _ADMIN not in everything
    assert "hunter2" not in everything


@pytest.fixture
def journal() -> Journal:
    """Return a journal whose clock advances one second per reading."""
    seconds = count(1)
    return Journal(lambda: float(next(seconds)))


def test_requests_in_flight_are_counted(journal: Journal) -> None:
    """An entry has the number of others in flight at its arrival; the maximum is kept."""
    first = journal.arrive({"reqtype": "COUNTPEERS"}, "admin", "192.0.2.1")
    second = journal.arrive({"reqtype": "COUNTCALLS", "tenant": "ACME"}, "tenant", "192.0.2.1")
    journal.leave(first)
    third = journal.arrive({"reqtype": "COUNTCALLS", "tenant": "ACME"}, "tenant", "192.0.2.1")
    third.outcome = "answered"
    journal.leave(second)
    journal.leave(third)
    assert [entry.in_flight for entry in (first, second, third)] == [0, 1, 1]
    assert [entry.seconds for entry in (first, second, third)] == [2, 3, 2]
    assert journal.counts() == {
        "total": 3,
        "in_flight": 0,
        "most_in_flight": 2,
        "most_in_flight_of_a_tenant": 2,
        "by_outcome": {"abandoned": 2, "answered": 1},
        "by_operation": {"COUNTPEERS": 1, "COUNTCALLS": 2},
    }


def test_entries_are_read_from_a_number(journal: Journal) -> None:
    """Entries have consecutive numbers, so that a client can resume where it stopped."""
    assert journal.since(0) == []
    for _ in range(5):
        journal.leave(journal.arrive({}, "admin", "192.0.2.1"))
    assert [entry.number for entry in journal.since(3)] == [3, 4]
    assert [entry.number for entry in journal.since(1, limit=2)] == [1, 2]
    assert journal.since(5) == []


def test_only_the_newest_entries_are_kept() -> None:
    """The oldest are dropped, and the numbers stay correct."""
    journal = Journal(lambda: 0.0, kept=20)
    for _ in range(30):
        journal.leave(journal.arrive({}, "admin", "192.0.2.1"))
    assert journal.since(0)[0].number == 10
    assert [entry.number for entry in journal.since(28)] == [28, 29]
